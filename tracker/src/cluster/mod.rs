//! Many trackers as one: any node answers for any swarm.
//!
//! An announce never waits for another machine: each node holds the members of all, and tells the others what changes among its
//! own. Offers and answers for sockets of another node go to it. See `docs/cluster.md` for what is guaranteed and what is not.

pub mod codec;
pub mod digest;
mod host;
mod members;
pub mod options;
mod redis;
pub mod replica;
pub mod store;
pub mod tally;

pub(crate) use self::host::{Cluster, Status, serve};
pub(crate) use self::redis::Traffic;
