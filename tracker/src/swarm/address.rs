//! Members that are reached at an address: BitTorrent over TCP, announced over HTTP or UDP.
//!
//! A member is a `(torrent, address, port)`: what others are told. The address is where the announce came from, so nobody
//! can enter somebody else; behind one address, whoever announces a port takes it over from who had it before, which is
//! what a client that starts anew does. Only leaving needs the same peer_id: a client that ends late does not end the
//! membership of the one that began in its place. The `key` says nothing here, since aria2 draws a new one for each packet.

mod kept;

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use shared::id::{InfoHash, PeerId};
use shared::rng::Rng;
use shared::time::Instant;
use shared::tracker::announce::{AnnounceRequest, Event, Role};
use shared::tracker::compact;

use super::change::{Held, Node};
use super::index::Keys;
use super::neighbours::{self, Near};
use super::peers::{Entry, FOREVER, Peers, Second};
use super::sweep::second;
use super::torrent::{Counts, Torrent, TorrentSlot};
use super::{Refusal, Swarms};
pub use kept::{Kept, KeptSwarm};

/// Peers in the reply to an announce that asks for no number.
const WANTED_DEFAULT: u32 = 50;

/// Peers that one who says that it lacks nothing is told of at least, seeds among them, if it has not moved a byte yet: aria2
/// and others say so while they have a magnet link only, and would never meet who has the metadata.
const WANTED_UNPROVEN: usize = 5;

/// Whom a reply can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Peers of the asker's own family (a UDP packet has room for no others).
    OwnFamily,
    /// Peers of its own family first, then of the other.
    Both,
}

/// The reply to an announce, besides the peers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Met {
    /// Members of both kinds.
    pub counts: Counts,
    /// Seconds until the next announce.
    pub interval: u32,
}

/// Others to connect to, none of them twice, as compact lists have them (BEP 23, BEP 7). To be cleared and used again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Six bytes each.
    pub v4: Vec<u8>,
    /// Eighteen bytes each.
    pub v6: Vec<u8>,
    /// What they call themselves, in the same order; empty unless asked for.
    pub v4_ids: Vec<PeerId>,
    /// The same for those of IPv6.
    pub v6_ids: Vec<PeerId>,
    with_ids: bool,
}

impl Found {
    /// Forgets what was found. `with_ids` says whether peer ids are wanted next.
    pub fn clear(&mut self, with_ids: bool) {
        let Self { v4, v6, v4_ids, v6_ids, .. } = self;
        v4.clear();
        v6.clear();
        v4_ids.clear();
        v6_ids.clear();
        self.with_ids = with_ids;
    }

    /// How many there are.
    pub const fn len(&self) -> usize {
        self.v4.len() / compact::V4_LENGTH + self.v6.len() / compact::V6_LENGTH
    }

    /// Whether there is nobody.
    pub const fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }

    /// Puts a peer before the others of its family, of whom so many go that there are `most`.
    pub fn put_first(&mut self, address: SocketAddr, peer_id: PeerId, most: usize) {
        let others = most.saturating_sub(1);
        while self.len() > others {
            let (run, ids, length) = match self.v6.is_empty() {
                true => (&mut self.v4, &mut self.v4_ids, compact::V4_LENGTH),
                false => (&mut self.v6, &mut self.v6_ids, compact::V6_LENGTH),
            };
            run.truncate(run.len() - length);
            ids.truncate(run.len() / length);
        }
        match Endpoint::new(address.ip(), address.port()) {
            Endpoint::V4(at) => put_first(&mut self.v4, &mut self.v4_ids, self.with_ids, at, peer_id),
            Endpoint::V6(at) => put_first(&mut self.v6, &mut self.v6_ids, self.with_ids, at, peer_id),
        }
    }

    /// What they call themselves, in the order of [`Self::addresses`].
    pub fn ids(&self) -> impl Iterator<Item = PeerId> {
        self.v4_ids.iter().chain(&self.v6_ids).copied()
    }

    /// Where they are, those of IPv4 first.
    pub fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        let v4 = self.v4.chunks_exact(compact::V4_LENGTH);
        v4.chain(self.v6.chunks_exact(compact::V6_LENGTH)).filter_map(compact::decode_one)
    }
}

fn put_first<const N: usize>(
    run: &mut Vec<u8>,
    ids: &mut Vec<PeerId>,
    with_ids: bool,
    at: [u8; N],
    peer_id: PeerId,
) {
    // One that is there goes, so that none is there twice.
    if let Some(place) = run.as_chunks::<N>().0.iter().position(|known| *known == at) {
        run.drain(place * N..(place + 1) * N);
        if with_ids {
            ids.remove(place);
        }
    }
    run.splice(0..0, at);
    if with_ids {
        ids.insert(0, peer_id);
    }
}

/// An address with its port, by family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Endpoint {
    V4([u8; 6]),
    V6([u8; 18]),
}

impl Endpoint {
    pub(super) fn new(ip: IpAddr, port: u16) -> Self {
        let mut bytes = [0; 18];
        match ip.to_canonical() {
            IpAddr::V4(ip) => {
                let mut v4 = [0; 6];
                v4[..4].copy_from_slice(&ip.octets());
                v4[4..].copy_from_slice(&port.to_be_bytes());
                Self::V4(v4)
            }
            IpAddr::V6(ip) => {
                bytes[..16].copy_from_slice(&ip.octets());
                bytes[16..].copy_from_slice(&port.to_be_bytes());
                Self::V6(bytes)
            }
        }
    }
}

/// What is at an address.
pub(super) trait At {
    fn ip(&self) -> IpAddr;
    fn port(&self) -> u16;
    fn is_loopback(&self) -> bool;
}

impl At for Entry<6> {
    fn ip(&self) -> IpAddr {
        let [a, b, c, d, _, _] = self.at;
        Ipv4Addr::new(a, b, c, d).into()
    }

    fn port(&self) -> u16 {
        self.at.last_chunk().copied().map_or(0, u16::from_be_bytes)
    }

    fn is_loopback(&self) -> bool {
        self.at[0] == 127
    }
}

impl At for Entry<18> {
    fn ip(&self) -> IpAddr {
        let ip = self.at.first_chunk::<16>().copied().unwrap_or_default();
        Ipv6Addr::from(ip).into()
    }

    fn port(&self) -> u16 {
        self.at.last_chunk().copied().map_or(0, u16::from_be_bytes)
    }

    fn is_loopback(&self) -> bool {
        self.at[..15] == [0; 15] && self.at[15] == 1
    }
}

/// One announce, as far as the peers of one family need to know.
#[derive(Clone, Copy)]
struct Asker<'a> {
    ip: IpAddr,
    endpoint: Endpoint,
    request: &'a AnnounceRequest,
    role: Role,
    now: Second,
}

impl Asker<'_> {
    const fn at(&self) -> SocketAddr {
        SocketAddr::new(self.ip, self.request.port)
    }

    const fn held(&self) -> Held {
        Held { peer_id: self.request.peer_id, role: self.role }
    }
}

impl Swarms {
    /// An announce from `ip`, over HTTP or UDP, is answered with at most `most` peers, put into `found`, which is to be clear. A peer
    /// without a port is introduced to others but is no member: nobody could connect to it.
    ///
    /// # Errors
    ///
    /// If one more member would be beyond a bound.
    pub fn announce_address(
        &mut self,
        now: Instant,
        ip: IpAddr,
        request: &AnnounceRequest,
        reach: Reach,
        most: usize,
        found: &mut Found,
    ) -> Result<Met, Refusal> {
        self.expire(now);
        self.counters.announces += 1;
        let role = Role::of(request.left, request.event);
        let endpoint = Endpoint::new(ip, request.port);
        let asker = Asker { ip: ip.to_canonical(), endpoint, request, role, now: second(now) };
        let stays = request.event != Event::Stopped;
        let mut slot = self.torrents.find(&self.keys, &request.info_hash);
        if !stays {
            if let Some(slot) = slot {
                self.leave_address(slot, &asker);
            }
        } else if request.port != 0 {
            match self.join_address(slot, &asker) {
                Ok(joined) => slot = Some(joined),
                Err(refusal) => {
                    self.counters.refused(refusal);
                    return Err(refusal);
                }
            }
        }
        let interval = u32::try_from(self.limits.address_interval.as_secs()).unwrap_or(u32::MAX);
        let found_in = slot.and_then(|slot| self.torrents.get(slot).map(|torrent| (slot, torrent)));
        let Some((slot, torrent)) = found_in else { return Ok(Met { counts: Counts::default(), interval }) };
        if stays {
            let wanted = (request.wanted.unwrap_or(WANTED_DEFAULT) as usize).min(most);
            let neighbours = self.neighbours.as_ref();
            let near = neighbours.map(|all| all.at_addresses(&self.keys, slot, asker.ip)).unwrap_or_default();
            let from = (torrent, near);
            meet(&mut self.rng, from, &asker, role.is_seed(), reach, wanted, found);
            if role.is_seed() && request.downloaded == 0 && request.uploaded == 0 {
                let wanted = wanted.min(WANTED_UNPROVEN);
                meet(&mut self.rng, from, &asker, false, reach, wanted, found);
            }
        }
        Ok(Met { counts: torrent.counts(), interval })
    }

    /// Puts the member into its swarm, or renews it.
    fn join_address(&mut self, slot: Option<TorrentSlot>, asker: &Asker<'_>) -> Result<TorrentSlot, Refusal> {
        let timeout = Second::try_from(self.limits.address_timeout.as_secs()).unwrap_or(FOREVER);
        let expires = asker.now.saturating_add(timeout);
        let (keys, rng) = (&self.keys, &mut self.rng);
        if let Some(slot) = slot
            && let Some(torrent) = self.torrents.get_mut(slot)
        {
            let known = match asker.endpoint {
                Endpoint::V4(at) => {
                    Some(&mut torrent.v4).and_then(|peers| renew(peers, keys, rng, at, asker, expires))
                }
                Endpoint::V6(at) => {
                    torrent.v6.as_deref_mut().and_then(|peers| renew(peers, keys, rng, at, asker, expires))
                }
            };
            if let Some(was) = known {
                if asker.request.event == Event::Completed && asker.role.is_seed() && !was.1.role.is_seed() {
                    torrent.completed += 1;
                }
                self.log.address(&torrent.info_hash, asker.at(), Some(was), Some(asker.held()));
                self.put_near(slot, asker.at(), (0, asker.held(), expires));
                return Ok(slot);
            }
        }
        self.admit_address(slot, asker)?;
        let info_hash = asker.request.info_hash;
        let slot = slot.unwrap_or_else(|| self.torrents.insert(&self.keys, info_hash));
        let (keys, rng) = (&self.keys, &mut self.rng);
        let Some(torrent) = self.torrents.get_mut(slot) else { return Ok(slot) };
        let (peer_id, role) = (asker.request.peer_id, asker.role);
        match asker.endpoint {
            Endpoint::V4(at) => torrent.v4.insert(keys, rng, Entry::new(at, peer_id, 0, role, expires)),
            Endpoint::V6(at) => {
                let peers = torrent.v6.get_or_insert_default();
                peers.insert(keys, rng, Entry::new(at, peer_id, 0, role, expires));
            }
        }
        self.addresses += 1;
        self.totals.address_joined();
        self.totals.networks.joined(asker.ip, &info_hash);
        self.log.address(&info_hash, asker.at(), None, Some(asker.held()));
        self.put_near(slot, asker.at(), (0, asker.held(), expires));
        Ok(slot)
    }

    /// Whether one more member is within bounds.
    fn admit_address(&self, slot: Option<TorrentSlot>, asker: &Asker<'_>) -> Result<(), Refusal> {
        let limits = &self.limits;
        let bound = limits.members_per_address;
        let half = limits.members.div_ceil(2);
        let networks = &self.totals.networks;
        // This machine has no share of a swarm: whoever runs hundreds of peers here crowds out nobody but themselves.
        let crowds =
            || networks.within(asker.ip, &asker.request.info_hash) as usize >= limits.peers_per_swarm;
        if bound != 0 && networks.everywhere(asker.ip) as usize >= bound {
            Err(Refusal::Address(bound))
        } else if bound != 0 && !asker.ip.is_loopback() && crowds() {
            Err(Refusal::AddressInSwarm(limits.peers_per_swarm))
        } else {
            self.admit_to(slot)?;
            if self.totals.addresses() >= half { Err(Refusal::Addresses(half)) } else { Ok(()) }
        }
    }

    /// Ends the membership if it is the asker's.
    fn leave_address(&mut self, slot: TorrentSlot, asker: &Asker<'_>) {
        let Some(torrent) = self.torrents.get_mut(slot) else { return };
        let (keys, peer_id) = (&self.keys, asker.request.peer_id);
        let left = match asker.endpoint {
            Endpoint::V4(at) => leave(&mut torrent.v4, keys, at, peer_id),
            Endpoint::V6(at) => torrent.v6.as_deref_mut().and_then(|peers| leave(peers, keys, at, peer_id)),
        };
        if let Some((node, held)) = left {
            let info_hash = &asker.request.info_hash;
            self.log.address(info_hash, asker.at(), Some((node, held)), None);
            self.addresses -= 1;
            self.totals.addresses_left(1);
            self.totals.networks.left(asker.ip, &asker.request.info_hash);
            self.remove_near(slot, asker.at());
            self.torrents.drop_unused(&self.keys, slot);
        }
    }

    /// Everybody who is reached at an address and announced here: which swarm, where, what it calls itself, its role, and for how many seconds
    /// from `now` on it is a member without another announce.
    pub fn addresses(&self, now: Instant) -> impl Iterator<Item = (InfoHash, SocketAddr, PeerId, Role, u32)> {
        let now = second(now);
        self.torrents.iter().flat_map(move |torrent| {
            let v4 = torrent.v4.entries().iter().map(move |entry| told(entry, &entry.at, now));
            let v6 = torrent.v6.iter().flat_map(|peers| peers.entries());
            let v6 = v6.map(move |entry| told(entry, &entry.at, now));
            let all = v4.chain(v6).flatten();
            all.map(|(at, peer_id, role, left)| (torrent.info_hash, at, peer_id, role, left))
        })
    }
}

fn told<const N: usize>(entry: &Entry<N>, at: &[u8], now: Second) -> Option<(SocketAddr, PeerId, Role, u32)> {
    // Those of other nodes are not this one's to tell of.
    let address = compact::decode_one(at).filter(|_| entry.node == 0)?;
    Some((address, entry.peer_id, entry.role(), entry.expires().saturating_sub(now)))
}

/// Whose it was before, and how; `None` if it is no member.
fn renew<const N: usize>(
    peers: &mut Peers<N>,
    keys: &Keys,
    rng: &mut Rng,
    at: [u8; N],
    asker: &Asker<'_>,
    expires: Second,
) -> Option<(Node, Held)> {
    let place = peers.find(keys, &at)?;
    let was = peers.get(place)?.held();
    peers.renew(keys, rng, place, Entry::new(at, asker.request.peer_id, 0, asker.role, expires));
    Some(was)
}

/// Whose it was; `None` if it stays.
fn leave<const N: usize>(
    peers: &mut Peers<N>,
    keys: &Keys,
    at: [u8; N],
    peer_id: PeerId,
) -> Option<(Node, Held)> {
    let place = peers.find(keys, &at)?;
    let was = peers.get(place).filter(|own| own.peer_id == peer_id)?.held();
    peers.remove(keys, place);
    Some(was)
}

/// Up to `wanted` others in all, at random, those nearby before all others. Whoever is on this host only is told only to who is too.
fn meet(
    rng: &mut Rng,
    (torrent, near): (&Torrent, Near<'_>),
    asker: &Asker<'_>,
    seed: bool,
    reach: Reach,
    wanted: usize,
    found: &mut Found,
) {
    let v6 = torrent.v6.as_deref();
    let both = reach == Reach::Both;
    match asker.endpoint {
        Endpoint::V4(own) => {
            pick(rng, (&torrent.v4, near.v4), asker, Some(&own), seed, wanted, found);
            if let Some(v6) = v6.filter(|_| both) {
                pick(rng, (v6, None), asker, None, seed, wanted, found);
            }
        }
        Endpoint::V6(own) => {
            if let Some(v6) = v6 {
                pick(rng, (v6, near.v6), asker, Some(&own), seed, wanted, found);
            }
            if both {
                pick(rng, (&torrent.v4, None), asker, None, seed, wanted, found);
            }
        }
    }
}

/// Where peers of one family are put.
trait Family<const N: usize> {
    fn of(found: &mut Found) -> (&mut Vec<u8>, &mut Vec<PeerId>);
}

impl Family<6> for Entry<6> {
    fn of(found: &mut Found) -> (&mut Vec<u8>, &mut Vec<PeerId>) {
        (&mut found.v4, &mut found.v4_ids)
    }
}

impl Family<18> for Entry<18> {
    fn of(found: &mut Found) -> (&mut Vec<u8>, &mut Vec<PeerId>) {
        (&mut found.v6, &mut found.v6_ids)
    }
}

fn pick<const N: usize>(
    rng: &mut Rng,
    (peers, near): (&Peers<N>, Option<&Peers<N>>),
    asker: &Asker<'_>,
    own: Option<&[u8; N]>,
    seed: bool,
    wanted: usize,
    found: &mut Found,
) where
    Entry<N>: At + Family<N>,
{
    let (local, with_ids) = (asker.ip.is_loopback(), found.with_ids);
    let wanted = wanted.saturating_sub(found.len());
    let (out, ids) = Entry::<N>::of(found);
    let before = out.len() / N;
    // Neighbours are among all, and a seed asks twice: `known` are those that were found before this choice.
    let mut tell = |entry: &Entry<N>, known: usize| {
        let told = Some(&entry.at) != own
            && entry.expires() > asker.now
            && (local || !entry.is_loopback())
            && !out.as_chunks::<N>().0[..known].contains(&entry.at);
        if told {
            out.extend_from_slice(&entry.at);
            ids.extend(with_ids.then_some(entry.peer_id));
        }
        told
    };
    let (mut known, mut nearby) = (before, 0);
    if let Some(near) = near {
        let most = neighbours::most(rng, wanted);
        near.pick(rng, seed, most, 1 + before, |entry| {
            let told = tell(entry, before);
            nearby += usize::from(told);
            told
        });
        known += nearby;
    }
    peers.pick(rng, seed, wanted - nearby, 1 + known, |entry| tell(entry, known));
}

#[cfg(test)]
#[path = "address_tests.rs"]
mod tests;
