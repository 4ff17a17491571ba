//! What the nodes of a cluster tell each other about their members: see [`crate::cluster`].

use core::net::{IpAddr, SocketAddr};

use shared::id::{InfoHash, PeerId};
use shared::tracker::announce::Role;

use super::SocketId;

/// Socket numbers stay below this: the bits above say whose the socket is.
pub const SOCKETS_MAX: u64 = 1 << 48;

/// Which node of a cluster, as this one numbers them; 0 is this one.
pub type Node = u16;

/// What makes a membership that one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// Somebody on a WebSocket of one node; the number is that node's, below [`SOCKETS_MAX`].
    Socket {
        /// Which swarm.
        info_hash: InfoHash,
        /// As whom.
        peer_id: PeerId,
        /// On which connection.
        socket: u64,
    },
    /// Somebody at an address: the same one, whichever node it announces to.
    Address {
        /// Which swarm.
        info_hash: InfoHash,
        /// Where it is reached; never an IPv4 address mapped into IPv6.
        ip: IpAddr,
        /// And on which port.
        port: u16,
    },
}

impl Key {
    /// Which swarm.
    pub const fn info_hash(&self) -> &InfoHash {
        match self {
            Self::Socket { info_hash, .. } | Self::Address { info_hash, .. } => info_hash,
        }
    }
}

/// What may change about a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// What it calls itself.
    pub peer_id: PeerId,
    /// Whether it has everything, or wants no more.
    pub role: Role,
}

/// A membership of this node began, changed or ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which one.
    pub key: Key,
    /// Whose it was, and how; `None` if it begins.
    pub was: Option<(Node, Held)>,
    /// As it is; `None` if it ended, or is another node's now. If it was another node's and ends, it announced its end here.
    pub now: Option<Held>,
    /// Seconds since the member announced here, if it is one at an address.
    pub age: u32,
    /// Whether the others know by themselves: another node has said that the member announced there later.
    pub quiet: bool,
}

/// What another node says about a membership of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Who says so.
    pub node: Node,
    /// Which one.
    pub key: Key,
    /// As it is; `None` if it ended.
    pub now: Option<Held>,
    /// Seconds since the member announced there, if it is one at an address.
    pub age: u32,
    /// Whether it ended whichever node's it was: it announced its end there.
    pub anywhere: bool,
    /// Whether that node keeps a member that announced to both of us at about the same time.
    pub wins_ties: bool,
}

/// What became of a [`Claim`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// Nobody had it before, or this node had and gave it up.
    New,
    /// A node, perhaps the same, had it like this until now.
    Replaced(Node, Held),
    /// It announced here later: it stays this node's, which says so again.
    Kept,
    /// It ended, was that node's, and like this.
    Removed(Node, Held),
    /// It is no member of that node: nothing to end.
    Absent,
    /// There is no room.
    Full,
}

/// Announces of one member to two nodes within so many seconds are simultaneous: who has it is then no matter of time, so that
/// both decide the same.
pub const TIE: u32 = 2;

/// Whether this node gives a member up that announced here `own_age` seconds ago.
pub const fn yields(own_age: u32, claim: &Claim) -> bool {
    if own_age.abs_diff(claim.age) <= TIE { claim.wins_ties } else { claim.age < own_age }
}

/// Changes that wait to be told. With more than so many they are dropped, and everything is told anew: a part has as many in
/// seconds, and they are fetched twenty times in one.
const WAITING_MAX: usize = 1 << 15;

/// What changed and was not told yet; nothing, unless somebody wants to know.
#[derive(Debug, Default)]
pub(super) struct Log {
    pub(super) wanted: bool,
    changes: Vec<Change>,
    lost: bool,
}

impl Log {
    /// What waits, and whether something was dropped.
    pub(super) fn take(&mut self, changes: &mut Vec<Change>) -> bool {
        changes.append(&mut self.changes);
        core::mem::take(&mut self.lost)
    }

    pub(super) fn add(&mut self, change: Change) {
        if !self.wanted {
            return;
        }
        if self.changes.len() >= WAITING_MAX {
            self.changes.clear();
            self.lost = true;
        }
        self.changes.push(change);
    }

    /// The member that came last announced so many seconds ago, in an earlier run: another node may have heard it since.
    pub(super) fn aged(&mut self, age: u32) {
        if self.wanted
            && let Some(last) = self.changes.last_mut()
        {
            last.age = age;
        }
    }

    /// A member on a socket of this node had one role, and has another.
    pub(super) fn socket(
        &mut self,
        info_hash: InfoHash,
        (peer_id, socket): (PeerId, SocketId),
        was: Option<Role>,
        now: Option<Role>,
    ) {
        let key = Key::Socket { info_hash, peer_id, socket: socket.number() };
        let held = |role| Held { peer_id, role };
        let was = was.map(|role| (0, held(role)));
        self.add(Change { key, was, now: now.map(held), age: 0, quiet: false });
    }

    /// A member at an address was this node's or another's, and is this one's now. Most announces change nothing.
    pub(super) fn address(
        &mut self,
        info_hash: &InfoHash,
        at: SocketAddr,
        was: Option<(Node, Held)>,
        now: Option<Held>,
    ) {
        if self.wanted && was != now.map(|now| (0, now)) {
            let key = Key::Address { info_hash: *info_hash, ip: at.ip().to_canonical(), port: at.port() };
            self.add(Change { key, was, now, age: 0, quiet: false });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_nodes_that_have_a_member_one_keeps_it_whatever_the_ages() {
        let claim = |age, wins_ties| Claim {
            node: 1,
            key: Key::Address { info_hash: InfoHash([1; 20]), ip: [192, 0, 2, 1].into(), port: 1 },
            now: None,
            age,
            anywhere: false,
            wins_ties,
        };
        for mine in 0..8 {
            for theirs in 0..8 {
                let (here, there) = (yields(mine, &claim(theirs, true)), yields(theirs, &claim(mine, false)));
                assert_ne!(here, there, "{mine} {theirs}");
            }
        }
        assert!(yields(600, &claim(0, false)), "it announced there later");
        assert!(!yields(0, &claim(600, true)));
    }
}
