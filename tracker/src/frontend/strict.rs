//! How much patience there is with strangers, beyond the bounds of a connection.

use std::net::IpAddr;

use clap::{Args, ValueEnum};
use shared::time::Instant;

use super::gate::Gate;

/// Options for that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Args)]
pub struct Strictness {
    /// What a datagram gets that shows no connection id of its sender's: `silent`, nothing; `error`, a message shorter than
    /// itself, so that clients which keep an id too long ask for a new one at once.
    #[arg(long, value_enum, default_value_t = Unproven::Silent, env = "PIECEMEAL_UDP_UNPROVEN")]
    pub udp_unproven: Unproven,

    /// WebSocket messages a second of one address in the long run, 20 times as many at once; a long reply counts
    /// as several. Beyond it reading waits, nothing is dropped. Holds for all nodes of a cluster together. 0: no bound but
    /// those of each socket.
    #[arg(long, value_name = "N", default_value_t = MESSAGES, env = "PIECEMEAL_MESSAGES_PER_ADDRESS")]
    pub messages_per_address: u32,
}

/// A thousand peers of one address with five torrents each announce 42 times a second; this is far above it.
const MESSAGES: u32 = 1_000;

/// Messages that are read at once, as a number of seconds.
const BURST: u32 = 20;

/// So much of a reply costs as much as a message.
const REPLY_PART: usize = 4_096;

impl Default for Strictness {
    fn default() -> Self {
        Self { udp_unproven: Unproven::Silent, messages_per_address: MESSAGES }
    }
}

/// The answer to who shows no connection id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Unproven {
    /// None.
    Silent,
    /// An error, shorter than the request.
    Error,
}

/// What the WebSockets of each address may ask together: whoever closes one and opens another has no new burst.
#[derive(Debug)]
pub(crate) struct Messages(Gate);

impl Messages {
    pub(crate) fn new(strictness: Strictness, ipv6_prefix: u8) -> Self {
        let per_second = strictness.messages_per_address;
        Self(Gate::new(per_second, per_second.saturating_mul(BURST)).by_prefix(ipv6_prefix))
    }

    /// The same, for a node of a cluster: see [`Gate::counted`].
    pub(crate) fn counted(self, is_counted: bool) -> Self {
        Self(self.0.counted(is_counted))
    }

    /// What the nodes of a cluster tell each other of.
    pub(crate) const fn gate(&self) -> &Gate {
        &self.0
    }

    /// Counts a message that was answered with so many bytes; `false` if it was one too many, and the next is to wait.
    pub(crate) fn spend(&self, now: Instant, ip: IpAddr, replied: usize) -> bool {
        let parts = replied / REPLY_PART;
        (0..=parts).all(|_| self.0.admit(now, ip))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_replies_cost_more_and_all_sockets_of_an_address_share() {
        let messages = Messages::new(Strictness { messages_per_address: 1, ..Strictness::default() }, 64);
        let (one, other) = ([192, 0, 2, 1].into(), [192, 0, 2, 2].into());
        let now = Instant::from_millis(5);
        assert!((0..BURST - 5).all(|_| messages.spend(now, one, 100)));
        assert!(messages.spend(now, one, 4 * REPLY_PART), "five");
        assert!(!messages.spend(now, one, 0));
        assert!(messages.spend(now, other, 0));
        assert!(messages.spend(Instant::from_millis(1_005), one, 0), "one a second");
        assert!(!messages.spend(Instant::from_millis(1_005), one, 0));
        let unbound = Messages::new(Strictness { messages_per_address: 0, ..Strictness::default() }, 64);
        assert!((0..100_000).all(|_| unbound.spend(now, one, 1 << 20)));
    }
}
