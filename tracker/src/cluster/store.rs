//! What [`super::replica::Replica`] asks of the swarms.

use shared::id::InfoHash;

use super::codec::Entry;
use super::digest::Parts;
use crate::swarm::change::{Applied, Claim, Held, Key, Node};

/// The members of all nodes, as the swarms hold them.
pub trait Store {
    /// Enters what another node says about a member of its own.
    fn apply(&mut self, claim: &Claim) -> Applied;

    /// Forgets a node with all of its members.
    fn drop_node(&mut self, node: Node);

    /// Forgets those of a node's members in these parts that are not to be kept.
    fn retain(&mut self, node: Node, parts: Parts, keep: &mut dyn FnMut(&Key, &Held) -> bool);

    /// The swarms in these parts in which this node has members of its own.
    fn torrents(&self, parts: Parts) -> Vec<InfoHash>;

    /// This node's own members of a swarm.
    fn own(&self, info_hash: &InfoHash) -> Vec<Entry>;
}
