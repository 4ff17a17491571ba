use core::cmp::Reverse;

use super::Candidate;

/// Best first while we only give: those who take fastest, since what they have they pass on; among equals those to
/// whom we gave least, so that nobody is left out.
pub(super) fn rank(candidates: &mut [Candidate]) {
    candidates.sort_by_key(|peer| (Reverse(peer.up_rate), peer.uploaded));
}
