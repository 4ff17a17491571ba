//! What `create`, `seed` and `stress` do first: look at files and hash them, on all cores.

use std::num::NonZero;
use std::path::Path;

use peer::create::{Choices, CreateError, Created, SkipReason, Sources};
use peer::hash::Progress;

use crate::ending;
use crate::output::{Output, units};
use crate::progress;

/// Paths that are named when something in a folder is left out; beyond it they are counted.
const SKIPPED_NAMED: usize = 5;

/// What lies at a path; says what of it is left out.
pub(super) fn find(path: &Path, output: &Output) -> anyhow::Result<Sources> {
    let sources = Sources::find(path).map_err(|error| match &error {
        CreateError::Io { error: io, .. } if io.kind() == std::io::ErrorKind::NotFound => {
            ending::not_found(error.to_string())
        }
        _ => error.into(),
    })?;
    for skipped in sources.skipped().iter().take(SKIPPED_NAMED) {
        let reason = match skipped.reason {
            SkipReason::Symlink => "a symbolic link; these are not followed",
            SkipReason::Special => "no file and no folder",
        };
        output.note(&format!("left out: {} ({reason})", skipped.path.display()));
    }
    let more = sources.skipped().len().saturating_sub(SKIPPED_NAMED);
    if more > 0 {
        output.note(&format!("left out: {} more", units::plural(more as u64, "path", "paths")));
    }
    Ok(sources)
}

/// Hashes what lies at `path` with a bar, and makes the torrent.
pub(super) fn hash(
    sources: Sources,
    path: &Path,
    choices: &Choices,
    output: &Output,
) -> Result<Created, CreateError> {
    let progress = Progress::default();
    let name = path.display().to_string();
    progress::hashed(output, &name, sources.bytes(), &|| progress.hashed(), || {
        sources.create(choices, threads(), &progress)
    })
}

/// As many as there are cores.
pub(super) fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}
