use core::cmp::Reverse;

use super::Candidate;

/// Best first while we fetch: those who give us most; among equals those who are unchoked already, since each change
/// costs both sides a ramp.
pub(super) fn rank(candidates: &mut [Candidate]) {
    candidates.sort_by_key(|peer| (Reverse(peer.down_rate), !peer.unchoked));
}
