//! A hash worker: reads slices of files and hashes them. Two batches run interleaved, so that one is read while the
//! other is hashed.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use js_sys::Uint8Array;
use sha1::{Digest as _, Sha1};
use shared::layout::{Layout, PieceIndex};
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::spawn_local;
use web_sys::{DedicatedWorkerGlobalScope, File, MessageEvent};

use super::protocol::{FromHasher, ToHasher};
use crate::platform::listener::Listener;
use crate::platform::message::{self, Port as _};
use crate::platform::{JsError, files, scope};
use crate::storage::StorageError;
use crate::storage::source::failure;
use crate::text;

/// Bytes read at once: large enough to be quick, small enough that memory stays flat.
const CHUNK: u64 = 4 * 1024 * 1024;

struct Job {
    layout: Layout,
    files: Vec<File>,
}

/// Begins to hear messages; the listener is the worker.
pub fn start() -> Result<Listener, JsError> {
    let port = scope::worker()?;
    let jobs: Rc<RefCell<BTreeMap<u32, Rc<Job>>>> = Rc::default();
    let answers = port.clone();
    let listener =
        Listener::new(&port, "message", move |event: MessageEvent| match message::open(event.data()) {
            Ok((ToHasher::Job { job, piece_length, lengths }, handles)) => {
                let files = handles.into_iter().map(JsCast::unchecked_into).collect();
                match Layout::new(u64::from(piece_length), lengths) {
                    Ok(layout) => drop(jobs.borrow_mut().insert(job, Rc::new(Job { layout, files }))),
                    Err(error) => say(&answers, &FromHasher::Failed { job, reason: error.to_string() }),
                }
            }
            Ok((ToHasher::Batch { job, first, count }, _)) => {
                let Some(files) = jobs.borrow().get(&job).cloned() else { return };
                let (answers, jobs) = (answers.clone(), Rc::clone(&jobs));
                spawn_local(async move {
                    match hash(&files, first, count).await {
                        Ok((digests, bytes)) => {
                            say(&answers, &FromHasher::Digests { job, first, digests, bytes })
                        }
                        Err(error) => {
                            jobs.borrow_mut().remove(&job);
                            web_sys::console::warn_1(&error.to_string().into());
                            let reason = match error {
                                StorageError::Changed(name) => text::changed(&name),
                                _ => text::UNREADABLE.to_owned(),
                            };
                            say(&answers, &FromHasher::Failed { job, reason });
                        }
                    }
                });
            }
            Ok((ToHasher::Forget { job }, _)) => drop(jobs.borrow_mut().remove(&job)),
            // Engine and hash workers are the same wasm; a message that does not parse has no job to fail.
            Err(error) => web_sys::console::error_1(&error.to_string().into()),
        })?;
    port.post(&FromHasher::Loaded, &[], &[])?;
    Ok(listener)
}

fn say(port: &DedicatedWorkerGlobalScope, message: &FromHasher) {
    if let Err(error) = port.post(message, &[], &[]) {
        web_sys::console::error_1(&error.to_string().into());
    }
}

async fn hash(job: &Job, first: u32, count: u32) -> Result<(Vec<u8>, u64), StorageError> {
    let layout = &job.layout;
    let pieces: Vec<PieceIndex> =
        (first..first.saturating_add(count)).filter_map(|n| layout.piece(n)).collect();
    let Some(from) = pieces.first().map(|piece| layout.piece_offset(*piece)) else {
        return Ok((Vec::new(), 0));
    };
    let bytes: u64 = pieces.iter().map(|piece| u64::from(layout.piece_size(*piece))).sum();
    let mut hasher = PieceHasher::new(layout, &pieces);
    let mut scratch = Vec::new();
    let mut at = from;
    while at < from + bytes {
        let length = CHUNK.min(from + bytes - at);
        for range in layout.file_ranges(at, length) {
            let file = job.files.get(range.file).ok_or(StorageError::Unsupported("no such file"))?;
            let read = files::read(file, range.offset, range.length).await;
            let buffer = read.map_err(|error| failure(error, file))?;
            let view = Uint8Array::new(&buffer);
            scratch.resize(view.length() as usize, 0);
            view.copy_to(&mut scratch);
            hasher.update(&scratch);
        }
        at += length;
    }
    Ok((hasher.digests, bytes))
}

/// Cuts a run of bytes into pieces.
struct PieceHasher<'a> {
    layout: &'a Layout,
    pieces: std::slice::Iter<'a, PieceIndex>,
    sha1: Sha1,
    /// Bytes that the present piece still lacks.
    missing: usize,
    digests: Vec<u8>,
}

impl<'a> PieceHasher<'a> {
    fn new(layout: &'a Layout, pieces: &'a [PieceIndex]) -> Self {
        let digests = Vec::with_capacity(pieces.len() * 20);
        let mut this = Self { layout, pieces: pieces.iter(), sha1: Sha1::new(), missing: 0, digests };
        this.begin();
        this
    }

    fn begin(&mut self) {
        self.missing = self.pieces.next().map_or(0, |piece| self.layout.piece_size(*piece) as usize);
    }

    fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && self.missing > 0 {
            let (part, rest) = bytes.split_at(bytes.len().min(self.missing));
            self.sha1.update(part);
            self.missing -= part.len();
            bytes = rest;
            if self.missing == 0 {
                self.digests.extend_from_slice(&self.sha1.finalize_reset());
                self.begin();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_come_out_the_same_however_the_bytes_are_cut() {
        let layout = Layout::new(10, [25]).expect("valid");
        let pieces: Vec<PieceIndex> = layout.all_pieces().collect();
        let bytes: Vec<u8> = (0..25).collect();
        let expected: Vec<u8> = bytes.chunks(10).flat_map(|piece| Sha1::digest(piece).to_vec()).collect();
        for cut in 1..=25 {
            let mut hasher = PieceHasher::new(&layout, &pieces);
            bytes.chunks(cut).for_each(|part| hasher.update(part));
            assert_eq!(hasher.digests, expected, "cut into {cut}");
        }
    }
}
