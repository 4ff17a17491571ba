//! Addresses at which peers may be found, and when each may be dialled.

use core::net::SocketAddr;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use crate::address;
use crate::id::ConnId;
use crate::limits;
use crate::rng::Rng;
use crate::time::Instant;

/// Wait after a dial that failed, doubled with each, and the longest.
const FAILED: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(3_600));

/// Dials in a row that fail until an address is forgotten. Whoever named it may name it again.
const FAILURES_MAX: u32 = 6;

/// Wait after a connection that ended: whoever closed it had a reason.
const ENDED: Duration = Duration::from_secs(60);

/// Wait until a seed is dialled again with whom there was nothing to exchange, or a peer that is banned.
const USELESS: Duration = Duration::from_secs(1_800);

/// Who named an address, from the least to the most trusted. When there are too many, the less trusted go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Source {
    /// A peer, in peer exchange (BEP 11).
    Exchange,
    /// The peer itself: it connected from there and said on which port it listens.
    Itself,
    /// A tracker.
    Tracker,
    /// The link (`x.pe`).
    Link,
    /// The host.
    Host,
}

/// What is known of one address.
#[derive(Clone, Debug)]
struct Known {
    source: Source,
    /// Among those that may be dialled at the same time, whose turn it is is drawn.
    draw: u32,
    failures: u32,
    /// It was a seed when last met.
    seed: bool,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// It may be dialled from then on.
    Idle(Instant),
    Dialling,
    Connected(ConnId),
    /// It is our own, or leads nowhere for ever.
    Never,
}

/// Why an address is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// No peer can be there, or it is private and a stranger named it.
    Unfit,
    /// There are too many.
    NoRoom,
}

/// The addresses of one torrent: at most [`limits::ADDRESSES_PER_TORRENT`].
#[derive(Debug)]
pub(super) struct Addresses {
    known: BTreeMap<SocketAddr, Known>,
    /// Those that are idle, by when they may be dialled.
    idle: BTreeSet<(Instant, u32, SocketAddr)>,
    rng: Rng,
    refused: u32,
}

impl Addresses {
    pub(super) const fn new(rng: Rng) -> Self {
        Self { known: BTreeMap::new(), idle: BTreeSet::new(), rng, refused: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    /// How many were refused, since they are private or no peer can have them.
    pub(super) const fn refused(&self) -> u32 {
        self.refused
    }

    /// Takes an address that somebody named; `private` whether private ones may be dialled whoever names them.
    pub(super) fn add(
        &mut self,
        address: SocketAddr,
        source: Source,
        private: bool,
        now: Instant,
    ) -> Result<(), Refused> {
        let address = address::canonical(address);
        let public = address::is_public(address.ip());
        if !address::is_dialable(&address) || !(public || private || source == Source::Host) {
            self.refused = self.refused.saturating_add(1);
            return Err(Refused::Unfit);
        }
        if let Some(known) = self.known.get_mut(&address) {
            known.source = known.source.max(source);
            return Ok(());
        }
        if public && source < Source::Host && self.at_ip(address) >= limits::ADDRESSES_PER_IP {
            return Err(Refused::NoRoom);
        }
        if self.known.len() >= limits::ADDRESSES_PER_TORRENT && !self.make_room(source) {
            return Err(Refused::NoRoom);
        }
        let draw = self.rng.next_u32();
        let known = Known { source, draw, failures: 0, seed: false, state: State::Never };
        self.known.insert(address, known);
        self.set(address, State::Idle(now));
        Ok(())
    }

    /// Ports that are known of an IP address.
    fn at_ip(&self, address: SocketAddr) -> usize {
        let port = |port| SocketAddr::new(address.ip(), port);
        self.known.range(port(0)..=port(u16::MAX)).count()
    }

    /// Forgets one address that is worth less than a new one of this source.
    fn make_room(&mut self, source: Source) -> bool {
        // One that led to ourselves too: a stranger can name a thousand that answer with our own, public peer id.
        let useless = |known: &Known| known.state == State::Never || known.failures > 0;
        let idle =
            self.known.iter().filter(|(_, known)| matches!(known.state, State::Idle(_) | State::Never));
        let worth = |known: &Known| (!useless(known), known.source, known.draw);
        let worst = idle.min_by_key(|(_, known)| worth(known));
        let Some((address, known)) = worst.map(|(address, known)| (*address, known.clone())) else {
            return false;
        };
        let less = useless(&known) || known.source < source;
        if less {
            self.forget(address);
        }
        less
    }

    fn forget(&mut self, address: SocketAddr) {
        self.set(address, State::Never);
        self.known.remove(&address);
    }

    fn set(&mut self, address: SocketAddr, state: State) {
        let Some(known) = self.known.get_mut(&address) else { return };
        if let State::Idle(at) = known.state {
            self.idle.remove(&(at, known.draw, address));
        }
        known.state = state;
        if let State::Idle(at) = state {
            self.idle.insert((at, known.draw, address));
        }
    }

    /// When the next address may be dialled.
    pub(super) fn next_at(&self) -> Option<Instant> {
        self.idle.first().map(|(at, _, _)| *at)
    }

    /// The next address to dial, which counts as being dialled from then on. Seeds are left alone by those who are one.
    pub(super) fn dial(&mut self, seeding: bool, now: Instant) -> Option<SocketAddr> {
        while let Some((at, _, address)) = self.idle.first().copied()
            && at <= now
        {
            if seeding && self.known.get(&address).is_some_and(|known| known.seed) {
                self.set(address, State::Idle(now + USELESS));
                continue;
            }
            self.set(address, State::Dialling);
            return Some(address);
        }
        None
    }

    /// A dial, or the connection `conn` that came of it, did not lead to a peer. Whoever listens there may have connected to
    /// us meanwhile.
    pub(super) fn failed(&mut self, address: SocketAddr, conn: Option<ConnId>, now: Instant) {
        let of_this = |state: State| {
            state == State::Dialling || conn.is_some_and(|conn| state == State::Connected(conn))
        };
        let Some(known) = self.known.get_mut(&address).filter(|known| of_this(known.state)) else { return };
        known.failures += 1;
        let (failures, kept) = (known.failures, known.source == Source::Host);
        if failures >= FAILURES_MAX && !kept {
            return self.forget(address);
        }
        let (first, longest) = FAILED;
        let wait = (first * 2_u32.pow((failures - 1).min(10))).min(longest);
        // A quarter more or less, so that a peer that comes back is not met by everybody at once.
        let percent = 75 + self.rng.below(51) as u32;
        self.set(address, State::Idle(now + wait * percent / 100));
    }

    /// A dial or a connection was given up by us, for no fault of the peer.
    pub(super) fn given_up(&mut self, address: SocketAddr, conn: ConnId, now: Instant) {
        let ended = [State::Dialling, State::Connected(conn)];
        if self.known.get(&address).is_some_and(|known| ended.contains(&known.state)) {
            self.set(address, State::Idle(now));
        }
    }

    /// What was dialled is open; whether there is a peer is not known yet.
    pub(super) fn opened(&mut self, address: SocketAddr, conn: ConnId) {
        if self.known.get(&address).is_some_and(|known| known.state == State::Dialling) {
            self.set(address, State::Connected(conn));
        }
    }

    /// A peer is connected that listens there.
    pub(super) fn connected(&mut self, address: SocketAddr, conn: ConnId) {
        if let Some(known) = self.known.get_mut(&address).filter(|known| known.state != State::Never) {
            known.failures = 0;
            self.set(address, State::Connected(conn));
        }
    }

    /// A peer that listens there has left; `useless` if it is left alone for longer.
    pub(super) fn ended(
        &mut self,
        address: SocketAddr,
        conn: ConnId,
        seed: bool,
        useless: bool,
        now: Instant,
    ) {
        if let Some(known) =
            self.known.get_mut(&address).filter(|known| known.state == State::Connected(conn))
        {
            known.seed = seed;
            self.set(address, State::Idle(now + if useless { USELESS } else { ENDED }));
        }
    }

    /// It leads to ourselves.
    pub(super) fn is_ours(&mut self, address: SocketAddr) {
        self.set(address, State::Never);
    }

    /// All that waits may be dialled at once: the torrent starts again.
    pub(super) fn hurry(&mut self, now: Instant) {
        let waiting: Vec<SocketAddr> = self.idle.iter().map(|(_, _, address)| *address).collect();
        for address in waiting {
            self.set(address, State::Idle(now));
        }
    }

    /// The torrent is private (BEP 27): what peers named is not for it.
    pub(super) fn forget_exchanged(&mut self) {
        let exchanged = |(address, known): (&SocketAddr, &Known)| {
            (known.source == Source::Exchange && matches!(known.state, State::Idle(_))).then_some(*address)
        };
        let exchanged: Vec<SocketAddr> = self.known.iter().filter_map(exchanged).collect();
        exchanged.into_iter().for_each(|address| self.forget(address));
    }

    /// Asserts what holds between inputs.
    pub(super) fn check(&self) {
        let idle = self.known.values().filter(|known| matches!(known.state, State::Idle(_))).count();
        assert_eq!(idle, self.idle.len(), "every idle address has its turn");
        assert!(self.known.len() <= limits::ADDRESSES_PER_TORRENT, "addresses are bounded");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses() -> Addresses {
        Addresses::new(Rng::from_seed([1; 32]))
    }

    fn at(number: u32, port: u16) -> SocketAddr {
        SocketAddr::new(core::net::Ipv4Addr::from_bits(0x0800_0000 + number).into(), port)
    }

    #[test]
    fn a_flood_is_bounded_and_does_not_displace_what_is_trusted_more() {
        let (mut table, now) = (addresses(), Instant::ORIGIN);
        (0..100).for_each(|number| assert_eq!(table.add(at(number, 1), Source::Tracker, false, now), Ok(())));
        let taken = (0..10_000)
            .filter(|number| table.add(at(1_000 + number, 1), Source::Exchange, false, now).is_ok());
        assert_eq!(taken.count(), limits::ADDRESSES_PER_TORRENT - 100);
        table.check();
        assert_eq!(
            table.add(at(900, 1), Source::Tracker, false, now),
            Ok(()),
            "it displaces one that was exchanged"
        );
        assert!((0..100).all(|number| table.known.contains_key(&at(number, 1))));
        assert_eq!(table.len(), limits::ADDRESSES_PER_TORRENT);
        table.check();
    }

    #[test]
    fn one_ip_has_few_ports_unless_the_host_says_so() {
        let (mut table, now) = (addresses(), Instant::ORIGIN);
        let taken = (1..=100).filter(|port| table.add(at(1, *port), Source::Tracker, false, now).is_ok());
        assert_eq!(taken.count(), limits::ADDRESSES_PER_IP);
        assert_eq!(table.add(at(1, 200), Source::Host, false, now), Ok(()));
    }

    #[test]
    fn private_addresses_are_the_hosts_to_name() {
        let (mut table, now) = (addresses(), Instant::ORIGIN);
        let home: SocketAddr = "[::ffff:192.168.1.2]:80".parse().expect("valid");
        for source in [Source::Exchange, Source::Itself, Source::Tracker, Source::Link] {
            assert_eq!(table.add(home, source, false, now), Err(Refused::Unfit));
        }
        assert_eq!(table.refused(), 4);
        assert_eq!(table.add(home, Source::Link, true, now), Ok(()));
        assert_eq!(table.add(home, Source::Host, false, now), Ok(()));
        assert_eq!(table.len(), 1);
        let nobody: SocketAddr = "1.2.3.4:0".parse().expect("valid");
        assert_eq!(table.add(nobody, Source::Host, true, now), Err(Refused::Unfit));
    }

    #[test]
    fn an_address_that_fails_is_dialled_ever_more_rarely_and_then_forgotten() {
        let (mut table, mut now) = (addresses(), Instant::ORIGIN);
        table.add(at(1, 1), Source::Tracker, false, now).expect("room");
        let mut waits = Vec::new();
        while let Some(address) = table.dial(false, now) {
            assert_eq!(table.dial(false, now), None, "it is being dialled");
            table.failed(address, None, now);
            let Some(next) = table.next_at() else { break };
            waits.push(next.saturating_since(now).as_secs());
            now = next;
        }
        assert_eq!(waits.len(), FAILURES_MAX as usize - 1);
        for (at, wait) in waits.iter().enumerate() {
            let expected = FAILED.0.as_secs() << at;
            assert!((expected * 3 / 4 - 1..=expected * 5 / 4).contains(wait), "{waits:?}");
        }
        assert_eq!(table.len(), 0);
    }

    #[test]
    fn who_is_connected_or_ourselves_is_not_dialled() {
        let (mut table, now) = (addresses(), Instant::ORIGIN);
        for number in 1..=2 {
            table.add(at(number, 1), Source::Tracker, false, now).expect("room");
        }
        table.connected(at(1, 1), ConnId(1));
        assert_eq!(table.dial(false, now), Some(at(2, 1)));
        table.is_ours(at(2, 1));
        table.failed(at(2, 1), None, now);
        assert_eq!(table.next_at(), None);
        table.ended(at(1, 1), ConnId(2), true, false, now);
        assert_eq!(table.next_at(), None, "another connection ended");
        table.ended(at(1, 1), ConnId(1), true, false, now);
        let later = now + ENDED;
        assert_eq!(table.dial(true, later), None, "two seeds have nothing to exchange");
        assert_eq!(table.dial(false, later + USELESS), Some(at(1, 1)));
    }
}
