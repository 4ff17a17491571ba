//! Members at addresses, as they are kept over a restart. Of a cluster, only those who announced to this node.

use core::net::SocketAddr;

use shared::id::{InfoHash, PeerId};
use shared::time::Instant;
use shared::tracker::announce::{AnnounceRequest, Event, Role};

use super::{Asker, Endpoint, renew, told};
use crate::swarm::Swarms;
use crate::swarm::peers::{Entry, FOREVER, Second};
use crate::swarm::sweep::second;

/// One peer that is reached at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Where.
    pub address: SocketAddr,
    /// What it calls itself.
    pub peer_id: PeerId,
    /// Whether it has everything, or wants no more.
    pub role: Role,
    /// Seconds for which it is a member without another announce.
    pub left: u32,
}

/// A swarm with its completed downloads and those of its members who are reached at an address.
pub type KeptSwarm = (InfoHash, u32, Vec<Kept>);

impl Swarms {
    /// Everybody whose time is not over.
    pub fn kept(&self, now: Instant) -> Vec<KeptSwarm> {
        let now = second(now);
        let swarms = self.torrents.iter().map(|torrent| {
            let v4 = torrent.v4.entries().iter().filter_map(|entry| kept(entry, &entry.at, now));
            let v6 = torrent.v6.iter().flat_map(|peers| peers.entries());
            let v6 = v6.filter_map(|entry| kept(entry, &entry.at, now));
            (torrent.info_hash, torrent.completed, v4.chain(v6).collect::<Vec<_>>())
        });
        swarms.filter(|(_, _, members)| !members.is_empty()).collect()
    }

    /// Brings members back, with the time that they had left; how many. Whoever has announced since is not touched, and who would be
    /// beyond a bound stays away.
    pub fn restore(&mut self, now: Instant, info_hash: InfoHash, completed: u32, members: &[Kept]) -> usize {
        let longest = Second::try_from(self.limits.address_timeout.as_secs()).unwrap_or(FOREVER);
        let now = second(now);
        let mut restored = 0;
        for Kept { address, peer_id, role, left } in members {
            let request = AnnounceRequest {
                info_hash,
                peer_id: *peer_id,
                port: address.port(),
                uploaded: 0,
                downloaded: 0,
                left: Some(u64::from(!role.is_seed())),
                event: Event::Update,
                wanted: None,
                key: 0,
                tracker_id: None,
            };
            let ip = address.ip().to_canonical();
            let endpoint = Endpoint::new(ip, address.port());
            let asker = Asker { ip, endpoint, request: &request, role: *role, now };
            let slot = self.torrents.find(&self.keys, &info_hash);
            if address.port() == 0 || slot.is_some_and(|slot| self.is_member(slot, endpoint)) {
                continue;
            }
            let Ok(slot) = self.join_address(slot, &asker) else { continue };
            let left = (*left).min(longest);
            self.log.aged(longest - left);
            let expires = now.saturating_add(left);
            self.put_near(slot, asker.at(), (0, asker.held(), expires));
            let (keys, rng) = (&self.keys, &mut self.rng);
            if let Some(torrent) = self.torrents.get_mut(slot) {
                match endpoint {
                    Endpoint::V4(at) => renew(&mut torrent.v4, keys, rng, at, &asker, expires),
                    Endpoint::V6(at) => torrent
                        .v6
                        .as_deref_mut()
                        .and_then(|peers| renew(peers, keys, rng, at, &asker, expires)),
                };
                torrent.completed = torrent.completed.max(completed);
            }
            restored += 1;
        }
        restored
    }

    fn is_member(&self, slot: crate::swarm::torrent::TorrentSlot, endpoint: Endpoint) -> bool {
        let Some(torrent) = self.torrents.get(slot) else { return false };
        match endpoint {
            Endpoint::V4(at) => torrent.v4.find(&self.keys, &at).is_some(),
            Endpoint::V6(at) => {
                torrent.v6.as_ref().is_some_and(|peers| peers.find(&self.keys, &at).is_some())
            }
        }
    }
}

fn kept<const N: usize>(entry: &Entry<N>, at: &[u8], now: Second) -> Option<Kept> {
    let (address, peer_id, role, left) = told(entry, at, now)?;
    (entry.node == 0 && left > 0).then_some(Kept { address, peer_id, role, left })
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use shared::rng::Rng;

    use super::*;
    use crate::swarm::address::{Found, Reach};
    use crate::swarm::{Limits, SocketId};

    fn swarms(limits: &Limits) -> Swarms {
        Swarms::new(limits.clone(), Rng::from_seed([1; 32]))
    }

    fn at(seconds: u64) -> Instant {
        Instant::from_millis(seconds * 1_000)
    }

    fn announce(
        swarms: &mut Swarms,
        now: Instant,
        address: &str,
        left: u64,
        event: Event,
    ) -> Vec<SocketAddr> {
        let address: SocketAddr = address.parse().unwrap();
        let request = AnnounceRequest {
            info_hash: InfoHash([7; 20]),
            peer_id: PeerId([address.port() as u8; 20]),
            port: address.port(),
            uploaded: 0,
            downloaded: 1,
            left: Some(left),
            event,
            wanted: None,
            key: 0,
            tracker_id: None,
        };
        let mut found = Found::default();
        swarms.announce_address(now, address.ip(), &request, Reach::Both, 50, &mut found).unwrap();
        found.addresses().collect()
    }

    #[test]
    fn who_was_there_is_met_after_a_restart_until_its_time_is_over() {
        let limits = Limits::default();
        let timeout = limits.address_timeout.as_secs();
        let mut before = swarms(&limits);
        announce(&mut before, at(100), "192.0.2.1:1", 5, Event::Started);
        announce(&mut before, at(200), "192.0.2.1:1", 0, Event::Completed);
        announce(&mut before, at(300), "[2001:db8::1]:2", 5, Event::Paused);
        before.open(SocketId(1), [192, 0, 2, 9].into(), &Default::default());
        let kept = before.kept(at(400));
        assert_eq!(kept.len(), 1);
        let (info_hash, completed, members) = &kept[0];
        assert_eq!((*completed, members.len()), (1, 2));
        // The clock begins anew.
        let mut after = swarms(&limits);
        assert_eq!(after.restore(at(0), *info_hash, *completed, members), 2);
        assert_eq!(after.scraped(&[*info_hash])[0].1.downloaded, 1);
        let met = announce(&mut after, at(1), "192.0.2.3:3", 5, Event::Started);
        assert_eq!(met.len(), 2, "{met:?}");
        let counts = after.counts(info_hash);
        assert_eq!((counts.complete, counts.incomplete, counts.downloaders()), (1, 2, 1));
        let left = after.kept(at(timeout - 200));
        assert_eq!(left[0].2.len(), 2, "its 200 s were over, the others have theirs: {left:?}");
    }

    #[test]
    fn other_nodes_are_told_how_long_ago_a_member_of_the_last_run_announced() {
        let limits = Limits { address_timeout: Duration::from_secs(100), ..Limits::default() };
        let mut after = swarms(&limits);
        after.record_changes();
        let address = SocketAddr::from(([192, 0, 2, 1], 1));
        let member = Kept { address, peer_id: PeerId([9; 20]), role: Role::Leech, left: 30 };
        after.restore(at(0), InfoHash([7; 20]), 0, &[member]);
        let mut changes = Vec::new();
        after.take_changes(&mut changes);
        assert_eq!(changes.iter().map(|change| change.age).collect::<Vec<_>>(), [70]);
        let mut ages = Vec::new();
        after.own(at(5), &InfoHash([7; 20]), |_, _, age| ages.push(age));
        assert_eq!(ages, [75], "longer than this run takes");
    }

    #[test]
    fn who_has_announced_since_is_fresher_and_bounds_hold() {
        let limits =
            Limits { members_per_torrent: 2, address_timeout: Duration::from_secs(100), ..Limits::default() };
        let mut after = swarms(&limits);
        announce(&mut after, at(0), "192.0.2.1:1", 0, Event::Started);
        let kept = |port: u16, left| Kept {
            address: SocketAddr::from(([192, 0, 2, 1], port)),
            peer_id: PeerId([9; 20]),
            role: Role::Leech,
            left,
        };
        let members = [kept(1, 5), kept(0, 5), kept(2, 4_000), kept(3, 5)];
        assert_eq!(after.restore(at(0), InfoHash([7; 20]), 0, &members), 1);
        let now = &after.kept(at(10))[0].2;
        let of = |port: u16| now.iter().find(|kept| kept.address.port() == port).copied();
        assert_eq!(of(1).map(|kept| (kept.role, kept.left)), Some((Role::Seed, 90)));
        assert_eq!(
            of(2).map(|kept| (kept.role, kept.left)),
            Some((Role::Leech, 90)),
            "no longer than an announce gives"
        );
        assert_eq!(of(3), None);
    }
}
