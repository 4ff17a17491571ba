//! Reasons for which announces are refused, as metrics name them.

use std::sync::LazyLock;

use crate::swarm::Refusal;

/// The names, in the order of [`kind`].
pub(crate) const KINDS: [&str; 8] = [
    "swarms_of_socket",
    "peer_ids_of_socket",
    "peers_of_address",
    "peers_of_address_in_swarm",
    "swarm_full",
    "tracker_full",
    "addresses_full",
    "other",
];

/// The texts without their numbers, in the same order: over WebSocket the swarms answer in the words that peers read.
static TEXTS: LazyLock<[String; KINDS.len() - 1]> = LazyLock::new(|| {
    let all = [
        Refusal::Socket(0),
        Refusal::PeerIds(0),
        Refusal::Address(0),
        Refusal::AddressInSwarm(0),
        Refusal::Swarm(0),
        Refusal::Tracker(0),
        Refusal::Addresses(0),
    ];
    all.map(|refusal| without_numbers(&refusal.to_string()))
});

/// Index in [`KINDS`] of a refusal's text.
pub(crate) fn kind(text: &str) -> usize {
    let text = without_numbers(text);
    TEXTS.iter().position(|known| *known == text).unwrap_or(KINDS.len() - 1)
}

fn without_numbers(text: &str) -> String {
    text.chars().filter(|char| !char.is_ascii_digit()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_has_a_name_of_its_own() {
        for (number, refusal) in [
            (0, Refusal::Socket(1_024)),
            (1, Refusal::PeerIds(16)),
            (2, Refusal::Address(4_096)),
            (3, Refusal::AddressInSwarm(64)),
            (4, Refusal::Swarm(100_000)),
            (5, Refusal::Tracker(1_000_000)),
            (6, Refusal::Addresses(500_000)),
        ] {
            assert_eq!(kind(&refusal.to_string()), number, "{refusal}");
        }
        assert_eq!(KINDS[kind("no such torrent is allowed here")], "other");
    }
}
