//! Who is in a swarm, for people to look at.

use std::collections::BTreeSet;

use shared::id::{InfoHash, PeerId};
use shared::tracker::announce::Role;

use super::{SocketId, Swarms};

/// One member as it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    /// What it calls itself.
    pub peer_id: PeerId,
    /// Whether it has everything, or wants no more.
    pub role: Role,
    /// Whether it is reached through a WebSocket, and not at an address.
    pub websocket: bool,
}

impl Swarms {
    /// At most `most` members of a swarm: `first` those reached through these sockets, then others as they come.
    pub fn roster(
        &self,
        info_hash: &InfoHash,
        most: usize,
        first: &BTreeSet<(SocketId, PeerId)>,
    ) -> Vec<Shown> {
        let Some(torrent) = self.torrent(info_hash) else { return Vec::new() };
        let slots = torrent.sockets.iter().flat_map(|roles| roles.all());
        let sockets = slots.filter_map(|slot| self.members.get(*slot)).map(|member| {
            let shown = Shown { peer_id: member.key.peer_id, role: member.role, websocket: true };
            (first.contains(&(member.key.socket, member.key.peer_id)), shown)
        });
        let (mut roster, mut others) = (Vec::new(), Vec::new());
        for (is_first, shown) in sockets {
            if is_first && roster.len() < most {
                roster.push(shown);
            } else if others.len() < most {
                others.push(shown);
            }
        }
        let v4 = torrent.v4.entries().iter().map(|entry| (entry.peer_id, entry.role()));
        let v6 = torrent.v6.iter().flat_map(|peers| peers.entries());
        let v6 = v6.map(|entry| (entry.peer_id, entry.role()));
        let addresses = v4.chain(v6).map(|(peer_id, role)| Shown { peer_id, role, websocket: false });
        let room = most - roster.len();
        roster.extend(others.into_iter().chain(addresses.take(most)).take(room));
        roster
    }
}
