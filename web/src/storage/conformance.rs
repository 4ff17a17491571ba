//! What every backend does, as one suite. Run in a real worker by `web/tests/storage_conformance.rs`.

use bytes::Bytes;
use shared::layout::Layout;

use super::{Storage, StorageError};

/// Lengths of the suite's files: an empty one, some shorter than a piece, one longer than any chunk.
pub const LENGTHS: [u64; 5] = [70_000, 0, 1, 3_000_000, 12_345];

/// Piece length of the suite's torrent.
pub const PIECE_LENGTH: u64 = 32 * 1024;

/// The layout of the suite's torrent.
pub fn layout() -> Result<Layout, shared::layout::LayoutError> {
    Layout::new(PIECE_LENGTH, LENGTHS)
}

/// The bytes of the suite's torrent: no part of it looks like another.
pub fn contents() -> Vec<u8> {
    let total: u64 = LENGTHS.iter().sum();
    (0..total as u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 21) as u8).collect()
}

/// What a backend did that it should not have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{step}: {what}")]
pub struct Violation {
    /// Which step of the suite.
    pub step: &'static str,
    /// Expected and got.
    pub what: String,
}

fn expect<T: PartialEq + core::fmt::Debug>(step: &'static str, expected: T, got: T) -> Result<(), Violation> {
    if expected == got {
        Ok(())
    } else {
        Err(Violation { step, what: format!("expected {expected:?}, got {got:?}") })
    }
}

fn worked<T>(step: &'static str, result: Result<T, StorageError>) -> Result<T, Violation> {
    result.map_err(|error| Violation { step, what: error.to_string() })
}

/// Reads of every kind give what `contents` says: over ends of files, at both ends, one byte, everything.
pub async fn reads<S: Storage>(storage: &mut S) -> Result<(), Violation> {
    let contents = contents();
    let total = contents.len();
    for (offset, length) in
        [(0, 1), (69_990, 20), (0, total), (total - 1, 1), (70_000, 1), (1_048_570, 12), (65_536, 32_768)]
    {
        let mut read = vec![0; length];
        worked("read", storage.read(offset as u64, &mut read).await)?;
        if read != contents[offset..offset + length] {
            return Err(Violation {
                step: "read",
                what: format!("other bytes at {offset}, length {length}"),
            });
        }
    }
    let ranges = [1_048_570..1_100_000, 0..1, 65_536..98_304];
    let read = worked("read several", storage.read_all(&ranges).await)?;
    for (range, bytes) in ranges.iter().zip(&read) {
        if bytes[..] != contents[range.start as usize..range.end as usize] {
            return Err(Violation { step: "read several", what: format!("other bytes in {range:?}") });
        }
    }
    expect("as many as were asked for", ranges.len(), read.len())
}

/// Files come out whole and in the right order.
pub async fn files<S: Storage>(storage: &mut S) -> Result<(), Violation> {
    let contents = contents();
    let mut from = 0;
    for (number, length) in LENGTHS.into_iter().enumerate() {
        let file = worked("file", storage.file(number).await)?;
        expect("length of a file", length, file.size() as u64)?;
        let buffer = crate::platform::files::read(&file, 0, length).await;
        let buffer = buffer.map_err(|error| Violation { step: "reading a file", what: error.to_string() })?;
        let bytes = crate::platform::files::bytes_of(&buffer);
        if bytes[..] != contents[from..from + length as usize] {
            return Err(Violation { step: "file", what: format!("other bytes in file {number}") });
        }
        from += length as usize;
    }
    let beyond = storage.file(LENGTHS.len()).await;
    expect("a file that is not there", true, beyond.is_err())
}

/// The whole suite for a backend that can be written to, new and empty.
pub async fn writes<S: Storage>(storage: &mut S) -> Result<(), Violation> {
    expect("nothing is there at first", None, storage.opened().record)?;
    expect("nothing needs a check at first", false, storage.opened().check)?;
    let early = storage.read(0, &mut [0; 16]).await;
    expect("a read of what was never written", true, matches!(early, Err(StorageError::Range { .. })))?;

    let contents = Bytes::from(contents());
    let layout = layout().map_err(|error| Violation { step: "layout", what: error.to_string() })?;
    // Backwards, as no file system likes it, each piece in blocks as they come from peers.
    for piece in layout.all_pieces().rev() {
        let start = layout.piece_offset(piece) as usize;
        let end = start + layout.piece_size(piece) as usize;
        let blocks: Vec<Bytes> =
            (start..end).step_by(16_384).map(|at| contents.slice(at..end.min(at + 16_384))).collect();
        worked("write", storage.write(start as u64, &blocks).await)?;
        let mut read = vec![0; end - start];
        worked("read after write", storage.read(start as u64, &mut read).await)?;
        if read != contents[start..end] {
            return Err(Violation {
                step: "read after write",
                what: format!("other bytes in piece {piece}"),
            });
        }
    }
    for record in [&b"first"[..], b"a longer second", b"third"] {
        worked("persist", storage.persist(&Bytes::copy_from_slice(record)).await)?;
    }
    reads(storage).await?;
    files(storage).await
}

/// What a backend that outlives its tab shows when it is opened again after [`writes`].
pub async fn reopened<S: Storage>(storage: &mut S) -> Result<(), Violation> {
    expect("the last record", Some(Bytes::from_static(b"third")), storage.opened().record)?;
    expect("there is something to check", true, storage.opened().check)?;
    reads(storage).await?;
    files(storage).await
}
