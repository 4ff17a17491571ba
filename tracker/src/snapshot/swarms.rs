//! Swarms out of the store, and into it.

use std::io::{self, Write};

use shared::id::InfoHash;
use shared::time::Instant;

use super::format::Writer;
use crate::state::AppState;
use crate::swarm::address::Kept;

/// Writes all, a part of the store at a time: each is locked for as long as it takes to copy it.
pub(super) fn save(state: &AppState, now: Instant, writer: &mut Writer<impl Write>) -> io::Result<()> {
    for part in state.swarms.kept(now) {
        for (info_hash, completed, members) in &part {
            writer.swarm(info_hash, *completed, members)?;
        }
    }
    Ok(())
}

/// Brings members back; how many.
pub(super) fn restore(
    state: &AppState,
    now: Instant,
    info_hash: &InfoHash,
    completed: u32,
    members: &[Kept],
) -> usize {
    state.swarms.restore(now, *info_hash, completed, members)
}
