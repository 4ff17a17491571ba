//! The engine worker's side: hands out batches of pieces to hash workers.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use shared::layout::Layout;
use wasm_bindgen::JsValue;
use web_sys::{File, MessageEvent, Worker, WorkerOptions, WorkerType};

use super::protocol::{FromHasher, NAME, ToHasher};
use crate::platform::JsError;
use crate::platform::listener::Listener;
use crate::platform::message::{self, Port as _};

/// Bytes in a batch: a few dozen milliseconds of work, so that progress and cancelling are smooth.
const BATCH_BYTES: u32 = 16 * 1024 * 1024;

/// Batches that a worker has at once: one is read while the other is hashed.
const BATCHES_PER_WORKER: usize = 2;

/// Takes what a hash worker (by its number) says.
pub type OnHasher = Rc<dyn Fn(usize, FromHasher)>;

/// The hash workers. They are started for the first job and ended with the last, since each holds memory.
pub struct Pool {
    size: usize,
    on_message: OnHasher,
    workers: Vec<Hasher>,
    jobs: BTreeMap<u32, Job>,
}

struct Hasher {
    worker: Worker,
    loaded: bool,
    /// Batches given and not answered: job of each.
    busy: VecDeque<u32>,
    _listeners: [Listener; 2],
}

struct Job {
    piece_length: u32,
    lengths: Vec<u64>,
    files: Rc<[File]>,
    pieces: u32,
    next: u32,
}

impl Pool {
    /// A pool of `size` workers, none of them started yet.
    pub fn new(size: usize, on_message: OnHasher) -> Self {
        Self { size: size.max(1), on_message, workers: Vec::new(), jobs: BTreeMap::new() }
    }

    /// Hashes all pieces of these files.
    pub fn add(&mut self, job: u32, layout: &Layout, files: Rc<[File]>) -> Result<(), JsError> {
        while self.workers.len() < self.size {
            let hasher = self.start(self.workers.len())?;
            self.workers.push(hasher);
        }
        let lengths = layout.files().iter().map(|file| file.length).collect();
        let described =
            Job { piece_length: layout.piece_length(), lengths, files, pieces: layout.pieces(), next: 0 };
        for hasher in self.workers.iter().filter(|hasher| hasher.loaded) {
            describe(&hasher.worker, job, &described)?;
        }
        self.jobs.insert(job, described);
        self.feed()
    }

    /// Gives up a job, or lets go of one that is done.
    pub fn forget(&mut self, job: u32) -> Result<(), JsError> {
        if self.jobs.remove(&job).is_none() {
            return Ok(());
        }
        if self.jobs.is_empty() {
            // Ends what they are doing, too.
            self.workers.clear();
            return Ok(());
        }
        for hasher in self.workers.iter().filter(|hasher| hasher.loaded) {
            hasher.worker.post(&ToHasher::Forget { job }, &[], &[])?;
        }
        Ok(())
    }

    /// Takes in that a worker can hear.
    pub fn loaded(&mut self, number: usize) -> Result<(), JsError> {
        if let Some(hasher) = self.workers.get_mut(number) {
            hasher.loaded = true;
            for (job, described) in &self.jobs {
                describe(&hasher.worker, *job, described)?;
            }
        }
        self.feed()
    }

    /// Takes in that a worker has done a batch.
    pub fn done(&mut self, number: usize, job: u32) -> Result<(), JsError> {
        if let Some(hasher) = self.workers.get_mut(number)
            && let Some(at) = hasher.busy.iter().position(|busy| *busy == job)
        {
            hasher.busy.remove(at);
        }
        self.feed()
    }

    /// Gives work to whoever has room, the oldest job first.
    fn feed(&mut self) -> Result<(), JsError> {
        for hasher in self.workers.iter_mut().filter(|hasher| hasher.loaded) {
            while hasher.busy.len() < BATCHES_PER_WORKER {
                let Some((job, work)) = self.jobs.iter_mut().find(|(_, work)| work.next < work.pieces) else {
                    return Ok(());
                };
                let (job, first) = (*job, work.next);
                let count = (BATCH_BYTES / work.piece_length).clamp(1, work.pieces - first);
                work.next += count;
                hasher.busy.push_back(job);
                hasher.worker.post(&ToHasher::Batch { job, first, count }, &[], &[])?;
            }
        }
        Ok(())
    }

    fn start(&self, number: usize) -> Result<Hasher, JsError> {
        let options = WorkerOptions::new();
        options.set_type(WorkerType::Module);
        options.set_name(NAME);
        let worker = Worker::new_with_options(crate::client::WORKER_URL, &options)?;
        let message = {
            let on_message = Rc::clone(&self.on_message);
            Listener::new(&worker, "message", move |event: MessageEvent| match message::open(event.data()) {
                Ok((message, _)) => on_message(number, message),
                Err(error) => web_sys::console::error_1(&error.to_string().into()),
            })?
        };
        let error = {
            let on_message = Rc::clone(&self.on_message);
            let jobs: Vec<u32> = self.jobs.keys().copied().collect();
            Listener::new(&worker, "error", move |_: web_sys::Event| {
                for job in &jobs {
                    on_message(
                        number,
                        FromHasher::Failed { job: *job, reason: "a hash worker died".to_owned() },
                    );
                }
            })?
        };
        Ok(Hasher { worker, loaded: false, busy: VecDeque::new(), _listeners: [message, error] })
    }
}

impl Drop for Hasher {
    fn drop(&mut self) {
        self.worker.terminate();
    }
}

fn describe(worker: &Worker, job: u32, described: &Job) -> Result<(), JsError> {
    let Job { piece_length, lengths, files, .. } = described;
    let handles: Vec<JsValue> = files.iter().map(|file| JsValue::from(file.clone())).collect();
    worker.post(&ToHasher::Job { job, piece_length: *piece_length, lengths: lengths.clone() }, &[], &handles)
}
