//! One module for each protocol of peers. They parse, write and pace; who meets whom is [`crate::swarm`]'s.

mod gate;
pub(crate) mod http;
mod pace;
pub(crate) mod plain;
pub(crate) mod rejections;
mod strict;
mod traffic;
pub(crate) mod udp;
pub(crate) mod ws;

pub(crate) use self::gate::Gate;
pub(crate) use self::rejections::{Rejected, Rejections};
pub(crate) use self::strict::Messages;
pub use self::strict::{Strictness, Unproven};
pub(crate) use self::traffic::{Count, Traffic};
