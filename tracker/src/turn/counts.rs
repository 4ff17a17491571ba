//! What the relay did since its start.

/// Why requests were refused: the name in numbers, and the statuses that mean it (RFC 8656, 19).
const REFUSALS: [(&str, &[u16]); 8] = [
    ("credentials", &[401, 441]),
    ("stale_nonce", &[438]),
    ("allocations_of_address", &[486]),
    ("allocations", &[508]),
    ("peer_address", &[403]),
    ("no_allocation", &[437]),
    ("unsupported", &[420, 440, 442, 443]),
    ("malformed", &[400]),
];

/// Numbers that only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Allocations that were made.
    pub(crate) allocated: u64,
    /// Bytes that were relayed from clients to peers, without what is TURN's own.
    pub(crate) to_peers: u64,
    /// The same from peers to clients.
    pub(crate) to_clients: u64,
    /// Datagrams that were not relayed because they were beyond the rate of their allocation.
    pub(crate) beyond_rate: u64,
    /// Datagrams to or from whom nobody let in, or without an allocation.
    pub(crate) not_permitted: u64,
    refused: [u64; REFUSALS.len()],
}

impl Counts {
    /// A request was refused with this status.
    pub(super) fn refused(&mut self, code: u16) {
        let kind = REFUSALS.iter().position(|(_, codes)| codes.contains(&code));
        if let Some(count) = kind.and_then(|kind| self.refused.get_mut(kind)) {
            *count += 1;
        }
    }

    /// Refused requests by reason.
    pub(crate) fn refusals(&self) -> impl Iterator<Item = (&'static str, u64)> {
        REFUSALS.iter().map(|(reason, _)| *reason).zip(self.refused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_status_has_one_reason() {
        let mut counts = Counts::default();
        for code in [400, 401, 403, 420, 437, 438, 440, 441, 442, 443, 486, 508] {
            counts.refused(code);
        }
        let refusals: Vec<_> = counts.refusals().map(|(_, count)| count).collect();
        assert_eq!(refusals, [2, 1, 1, 1, 1, 1, 4, 1]);
    }
}
