//! Lines of limited rate.

use super::super::wire::{ETHERNET_HEADER, MTU};

/// Rates of one node's line, bytes of frames a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shaping {
    /// From the node.
    pub up: u64,
    /// To the node.
    pub down: u64,
}

/// What `tc` is told, so that `interface` sends `rate` bytes of frames a second at most.
///
/// The bucket holds what comes between two ticks of a slow kernel clock (4 ms) but never less than a few frames; what
/// waits for a token longer than 200 ms is dropped, as in the queue of a line at home.
pub(super) fn tbf(interface: &str, rate: u64) -> Vec<String> {
    let frame = MTU + ETHERNET_HEADER;
    let burst = (rate / 250).max(4 * frame);
    let command =
        format!("qdisc add dev {interface} root tbf rate {}bit burst {burst} latency 200ms", rate * 8);
    command.split(' ').map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_fit_the_rate() {
        let line = |rate| tbf("link", rate).join(" ");
        assert_eq!(line(125_000), "qdisc add dev link root tbf rate 1000000bit burst 6056 latency 200ms");
        assert_eq!(
            line(12_500_000),
            "qdisc add dev link root tbf rate 100000000bit burst 50000 latency 200ms"
        );
    }
}
