//! The swarms behind locks: several parts, so that threads seldom wait for each other.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use parking_lot::Mutex;
use shared::id::{InfoHash, PeerId};
use shared::rng::Rng;
use shared::time::Instant;
use shared::tracker::announce::AnnounceRequest;
use shared::tracker::ws::{Request, Response, ScrapeCounts};

use crate::swarm::address::{Found, Kept, KeptSwarm, Met, Reach};
use crate::swarm::change::Change;
use crate::swarm::{Census, Counts, Limits, Refusal, Reply, Shown, SocketId, SocketTally, Stats, Swarms};

/// Parts. A lock is held for a microsecond; with so many, sixteen threads find one taken in a few of a hundred cases. No more than
/// there are bits in [`Session::parts`].
const PARTS: usize = 32;

/// All swarms of this tracker.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) parts: Box<[Mutex<Swarms>]>,
    /// Sessions that are open.
    open: AtomicUsize,
    /// Scrapes over all protocols, however many parts each asked.
    scrapes: AtomicU64,
    scrape_max: usize,
    interval: u32,
}

/// One WebSocket, as the store knows it. Closed when it is dropped, so on every way out, a panic included.
#[derive(Debug)]
pub(crate) struct Session<'a> {
    store: &'a Store,
    id: SocketId,
    ip: IpAddr,
    tally: SocketTally,
    /// The parts in which it is open, a bit each.
    parts: Cell<u32>,
}

impl Store {
    pub(crate) fn new(limits: &Limits, rng: &Rng) -> Self {
        Self {
            parts: Swarms::sharded(limits, rng, PARTS).into_iter().map(Mutex::new).collect(),
            open: AtomicUsize::new(0),
            scrapes: AtomicU64::new(0),
            scrape_max: limits.scrape,
            interval: u32::try_from(limits.interval.as_secs()).unwrap_or(u32::MAX),
        }
    }

    /// A WebSocket opened. The id is the caller's to choose, and never used again.
    pub(crate) fn open(&self, id: SocketId, ip: IpAddr) -> Session<'_> {
        self.open.fetch_add(1, Ordering::Relaxed);
        Session { store: self, id, ip, tally: SocketTally::default(), parts: Cell::new(0) }
    }

    /// See [`Swarms::announce_address`].
    pub(crate) fn announce_address(
        &self,
        now: Instant,
        ip: IpAddr,
        request: &AnnounceRequest,
        (reach, most): (Reach, usize),
        found: &mut Found,
    ) -> Result<Met, Refusal> {
        let part = self.parts[part(&request.info_hash)].lock();
        { part }.announce_address(now, ip, request, reach, most, found)
    }

    /// See [`Swarms::scraped`].
    pub(crate) fn scraped(&self, hashes: &[InfoHash]) -> Vec<(InfoHash, ScrapeCounts)> {
        self.scrapes.fetch_add(1, Ordering::Relaxed);
        let mut files = Vec::new();
        if hashes.is_empty() {
            for part in &self.parts {
                files.extend(part.lock().scraped(&[]));
                if files.len() >= self.scrape_max {
                    files.truncate(self.scrape_max);
                    break;
                }
            }
        }
        for hash in hashes.iter().take(self.scrape_max) {
            files.extend(self.parts[part(hash)].lock().scraped(std::slice::from_ref(hash)));
        }
        files
    }

    /// See [`Swarms::kept`]; a part at a time.
    pub(crate) fn kept(&self, now: Instant) -> impl Iterator<Item = Vec<KeptSwarm>> {
        self.parts.iter().map(move |part| part.lock().kept(now))
    }

    /// See [`Swarms::restore`].
    pub(crate) fn restore(
        &self,
        now: Instant,
        info_hash: InfoHash,
        completed: u32,
        members: &[Kept],
    ) -> usize {
        self.parts[part(&info_hash)].lock().restore(now, info_hash, completed, members)
    }

    /// Numbers of one swarm, and some of its members; see [`Swarms::roster`].
    pub(crate) fn roster(
        &self,
        info_hash: &InfoHash,
        most: usize,
        first: &BTreeSet<(SocketId, PeerId)>,
    ) -> (Counts, Vec<Shown>) {
        let part = self.parts[part(info_hash)].lock();
        (part.counts(info_hash), part.roster(info_hash, most, first))
    }

    /// Forgets what is overdue in all parts, one after the other.
    pub(crate) fn expire(&self, now: Instant) {
        self.parts.iter().for_each(|part| part.lock().expire(now));
    }

    /// Remembers changes of members from now on.
    pub(crate) fn record_changes(&self) {
        self.parts.iter().for_each(|part| part.lock().record_changes());
    }

    /// Does so no more: nobody will ask.
    pub(crate) fn forget_changes(&self) {
        self.parts.iter().for_each(|part| part.lock().forget_changes());
    }

    /// What changed since it was asked the last time, and whether something of it was dropped.
    pub(crate) fn take_changes(&self) -> (Vec<Change>, bool) {
        let (mut changes, mut lost) = (Vec::new(), false);
        self.parts.iter().for_each(|part| lost |= part.lock().take_changes(&mut changes));
        (changes, lost)
    }

    /// The part in which a torrent is.
    pub(crate) fn part_of(&self, info_hash: &InfoHash) -> &Mutex<Swarms> {
        &self.parts[part(info_hash)]
    }

    /// What is there now. Looks at all members, a part at a time.
    pub(crate) fn stats(&self) -> Stats {
        let mut census = Census::default();
        self.parts.iter().for_each(|part| census.add(&part.lock()));
        let mut stats = census.finish();
        // Also those that have asked nothing yet.
        stats.sockets = self.open.load(Ordering::Relaxed);
        stats.counters.scrapes = self.scrapes.load(Ordering::Relaxed);
        stats
    }
}

impl Session<'_> {
    /// Does what `request` asks and appends what is to be sent.
    pub(crate) fn handle<'a>(&self, now: Instant, request: Request<'a>, replies: &mut Vec<Reply<'a>>) {
        let info_hash = match &request {
            Request::Announce(announce) => announce.info_hash,
            Request::Answer(answer) => answer.info_hash,
            Request::Scrape(hashes) => {
                let mut named = hashes.clone();
                named.sort_unstable();
                named.dedup();
                let files = self.store.scraped(&named);
                let response = Response::Scraped { files, min_request_interval: self.store.interval };
                return replies.push(Reply { to: self.id, response });
            }
        };
        let number = part(&info_hash);
        let mut part = self.store.parts[number].lock();
        if self.parts.get() & 1 << number == 0 {
            self.parts.set(self.parts.get() | 1 << number);
            part.open(self.id, self.ip, &self.tally);
        }
        part.handle(now, self.id, request, replies);
    }
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        for (number, part) in self.store.parts.iter().enumerate() {
            if self.parts.get() & 1 << number != 0 {
                part.lock().close(self.id);
            }
        }
        self.store.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The part in which a torrent is. Hashes are evenly distributed but for those that somebody chooses, who gains nothing by it.
fn part(info_hash: &InfoHash) -> usize {
    usize::from(info_hash.0[0]) % PARTS
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use shared::tracker::announce::Event;
    use shared::tracker::ws::Announce;

    use super::*;

    fn announce(number: u8) -> Request<'static> {
        let (info_hash, peer_id) = (InfoHash([number; 20]), PeerId([9; 20]));
        Request::Announce(Announce {
            info_hash,
            peer_id,
            left: Some(1),
            event: Event::Started,
            offers: Vec::new(),
        })
    }

    #[test]
    fn a_socket_is_one_in_all_parts() {
        let limits = Limits { members_per_socket: 40, ..Limits::default() };
        let store = Store::new(&limits, &Rng::from_seed([1; 32]));
        let session = store.open(SocketId(1), Ipv4Addr::LOCALHOST.into());
        let mut replies = Vec::new();
        (0..50).for_each(|number| session.handle(Instant::ORIGIN, announce(number), &mut replies));
        let refused = replies.iter().filter(|reply| matches!(reply.response, Response::Failure(_))).count();
        assert_eq!((replies.len(), refused), (50, 10), "a bound holds over all parts");
        let stats = store.stats();
        assert_eq!((stats.torrents, stats.members, stats.peers, stats.sockets), (40, 40, 1, 1));
        assert_eq!(store.scraped(&[]).len(), 40);
        replies.clear();
        let hashes = vec![InfoHash([3; 20]), InfoHash([2; 20]), InfoHash([3; 20])];
        session.handle(Instant::ORIGIN, Request::Scrape(hashes), &mut replies);
        let Response::Scraped { files, .. } = &replies[0].response else { panic!("{replies:?}") };
        assert_eq!(
            files.iter().map(|(hash, counts)| (hash.0[0], counts.incomplete)).collect::<Vec<_>>(),
            [(2, 1), (3, 1)]
        );
        drop(session);
        assert_eq!((store.stats().torrents, store.stats().sockets), (0, 0));
    }
}
