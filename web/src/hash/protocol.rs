//! What the engine worker and its hash workers say to each other.

use serde::{Deserialize, Serialize};

/// Name of a hash worker's global scope: the same wasm as the engine's, in another role.
pub const NAME: &str = "hash";

/// To a hash worker.
#[derive(Debug, Serialize, Deserialize)]
pub enum ToHasher {
    /// Files to come. Beside it: the `File`s, in the torrent's order.
    Job {
        /// Names it.
        job: u32,
        /// Bytes in each piece but the last.
        piece_length: u32,
        /// Length of each file.
        lengths: Vec<u64>,
    },
    /// Hashes some pieces of a job.
    Batch {
        /// Which job.
        job: u32,
        /// The first piece.
        first: u32,
        /// Number of pieces, at least 1.
        count: u32,
    },
    /// Forgets a job.
    Forget {
        /// Which.
        job: u32,
    },
}

/// From a hash worker.
#[derive(Debug, Serialize, Deserialize)]
pub enum FromHasher {
    /// Its wasm runs: messages are heard from now on.
    Loaded,
    /// A batch is done.
    Digests {
        /// Of which job.
        job: u32,
        /// The first piece.
        first: u32,
        /// Twenty bytes a piece.
        #[serde(with = "serde_bytes")]
        digests: Vec<u8>,
        /// Bytes that were hashed.
        bytes: u64,
    },
    /// A batch could not be done; the job is forgotten.
    Failed {
        /// Which job.
        job: u32,
        /// Why, in words for a person.
        reason: String,
    },
}
