//! A file's pieces.

use std::io::{self, Read as _};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::SystemTime;

use peer::storage::{Identity, SourceFile};
use sha1::{Digest as _, Sha1};
use shared::metainfo::builder::{BuildError, Builder};

use super::Progress;
use crate::files::Published;
use crate::seed::Item;
use crate::state::AppState;

/// Bytes that are read at once.
const CHUNK: usize = 1024 * 1024;

/// Why a file is no torrent.
#[derive(Debug, thiserror::Error)]
pub(super) enum HashError {
    #[error("it was changed")]
    Changed,
    #[error("the tracker is shutting down")]
    Ending,
    #[error("it has no name that is text")]
    Name,
    #[error("it is empty")]
    Empty,
    #[error("{0}")]
    Build(#[from] BuildError),
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
}

/// Hashes the file at `path` (encoded), if it is still of this version, before and after. Blocks.
pub(super) fn hash(
    state: &AppState,
    path: &str,
    version: &str,
    progress: &Progress,
) -> Result<Item, HashError> {
    let open =
        || state.files.as_ref().and_then(|files| files.published(path)).filter(|it| it.version == version);
    let Published { mut file, size, name, .. } = open().ok_or(HashError::Changed)?;
    let metadata = file.metadata()?;
    if size == 0 {
        return Err(HashError::Empty);
    }
    if name.contains(char::REPLACEMENT_CHARACTER) {
        return Err(HashError::Name);
    }
    let mut builder = Builder::new(None, &[(vec![name], size)])?;
    let mut chunk = vec![0; CHUNK];
    let pieces: Vec<_> = builder.layout().all_pieces().collect();
    for piece in pieces {
        let mut rest = u64::from(builder.layout().piece_size(piece));
        let mut hasher = Sha1::new();
        while rest > 0 {
            if state.shutdown.is_cancelled() {
                return Err(HashError::Ending);
            }
            let part = &mut chunk[..usize::try_from(rest).map_or(CHUNK, |rest| rest.min(CHUNK))];
            file.read_exact(part).map_err(|error| match error.kind() {
                io::ErrorKind::UnexpectedEof => HashError::Changed,
                _ => HashError::Io(error),
            })?;
            hasher.update(&part);
            rest -= part.len() as u64;
            progress.done.fetch_add(part.len() as u64, Ordering::Relaxed);
        }
        builder.set_hash(piece, hasher.finalize().into());
    }
    open().ok_or(HashError::Changed)?;
    let place = state.files.as_ref().and_then(|files| files.place(path)).ok_or(HashError::Changed)?;
    Ok(Item {
        metainfo: Arc::new(builder.finish()?),
        source: SourceFile { path: place, identity: Identity::of(&metadata) },
        path: path.to_owned(),
        version: version.to_owned(),
        modified: metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH),
    })
}
