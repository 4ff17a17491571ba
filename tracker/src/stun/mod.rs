//! The tracker's own STUN responder (RFC 8489): tells a browser by which address the world sees it, so that peers behind
//! routers can meet without asking a third party, who would learn of every transfer.
//!
//! Answers on the UDP port of announces, where [`is_stun`] tells the two apart, and on a port of its own if one is asked
//! for. Datagrams that are no Binding request get no answer. Nobody proves an address here, so each has a budget of its own,
//! apart from that of announces: a stranger who gives somebody else's address uses up nothing that the other needs.

mod announced;
mod port;

use std::net::SocketAddr;

use clap::Args;
use shared::stun::answer_binding;
pub(crate) use shared::stun::is_stun;
use shared::time::Instant;

pub(crate) use self::announced::{place, url};
pub(crate) use self::port::{open, serve};
use crate::config::{FurtherPort, NetLimits};
use crate::frontend::{Count, Gate};

/// Options of the responder.
#[derive(Clone, Debug, Args)]
pub struct StunArgs {
    /// Where a browser may ask for its public address (STUN): `auto` for the UDP port of announces, an address (usually of
    /// port 3478) for one more port, or `off`. /config.json names it to the page, so nobody else is asked.
    #[arg(long, value_name = "ADDRESS", default_value = "auto", env = "PIECEMEAL_LISTEN_STUN")]
    pub listen_stun: FurtherPort,
}

/// Answers, and counts.
#[derive(Debug)]
pub(crate) struct Stun {
    on: bool,
    gate: Gate,
    /// Requests that were answered.
    pub(crate) answered: Count,
    /// Datagrams that are no Binding request, or one too many of their address.
    pub(crate) refused: Count,
}

impl Stun {
    pub(crate) fn new(listen: FurtherPort, limits: &NetLimits) -> Self {
        let on = listen != FurtherPort::Off;
        let gate = Gate::new(if on { limits.requests_per_second } else { 0 }, limits.request_burst)
            .by_prefix(limits.ipv6_prefix);
        Self { on, gate, answered: Count::default(), refused: Count::default() }
    }

    /// Appends the reply, if there is one, to what `replies` holds of others.
    pub(crate) fn answer(&self, now: Instant, datagram: &[u8], remote: SocketAddr, replies: &mut Vec<u8>) {
        let admitted = self.on && self.gate.admit(now, remote.ip().to_canonical());
        // A message begins an empty buffer.
        let mut reply = Vec::new();
        if admitted && answer_binding(datagram, remote, &mut reply) {
            replies.append(&mut reply);
            self.answered.add();
        } else {
            self.refused.add();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_of_a_batch_stand_one_behind_the_other() {
        let stun = Stun::new(FurtherPort::Auto, &NetLimits::default());
        let request = [&[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42][..], &[7; 12]].concat();
        let remote = SocketAddr::from(([192, 0, 2, 1], 5));
        let mut replies = b"an announce's".to_vec();
        for _ in 0..2 {
            stun.answer(Instant::ORIGIN, &request, remote, &mut replies);
        }
        let of_stun = replies.strip_prefix(b"an announce's").unwrap();
        let (first, second) = of_stun.split_at(of_stun.len() / 2);
        assert!(!first.is_empty());
        assert_eq!(first, second);
    }
}
