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

/// Times that a batch is given out: a worker that died may have died of something else, two did not.
const TRIES_MAX: u32 = 2;

/// What is heard of a hash worker.
pub enum Heard {
    /// It says something.
    Said(FromHasher),
    /// It died, or could not be loaded.
    Died,
}

/// Takes what is heard of a hash worker, by its number.
pub type OnHasher = Rc<dyn Fn(usize, Heard)>;

/// The hash workers. They are started for the first job and ended with the last, since each holds memory.
pub struct Pool {
    size: usize,
    on_heard: OnHasher,
    /// By number. A number is never used again: what an ended worker still said is about nobody.
    workers: BTreeMap<usize, Hasher>,
    started: usize,
    jobs: BTreeMap<u32, Job>,
    /// Batches of workers that died.
    again: VecDeque<Batch>,
}

struct Hasher {
    worker: Worker,
    loaded: bool,
    /// Batches given and not answered.
    busy: Vec<Batch>,
    _listeners: [Listener; 2],
}

/// Some pieces of a job, on their way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Batch {
    job: u32,
    first: u32,
    count: u32,
    /// Times that it was given out.
    tries: u32,
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
    pub fn new(size: usize, on_heard: OnHasher) -> Self {
        let (workers, jobs, again) = (BTreeMap::new(), BTreeMap::new(), VecDeque::new());
        Self { size: size.max(1), on_heard, workers, started: 0, jobs, again }
    }

    /// Hashes all pieces of these files.
    pub fn add(&mut self, job: u32, layout: &Layout, files: Rc<[File]>) -> Result<(), JsError> {
        while self.workers.len() < self.size {
            let hasher = self.start(self.started)?;
            self.workers.insert(self.started, hasher);
            self.started += 1;
        }
        let lengths = layout.files().iter().map(|file| file.length).collect();
        let described =
            Job { piece_length: layout.piece_length(), lengths, files, pieces: layout.pieces(), next: 0 };
        for hasher in self.workers.values().filter(|hasher| hasher.loaded) {
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
        self.again.retain(|batch| batch.job != job);
        if self.jobs.is_empty() {
            // Ends what they are doing, too.
            self.workers.clear();
            return Ok(());
        }
        for hasher in self.workers.values().filter(|hasher| hasher.loaded) {
            hasher.worker.post(&ToHasher::Forget { job }, &[], &[])?;
        }
        Ok(())
    }

    /// Takes in that a worker can hear.
    pub fn loaded(&mut self, number: usize) -> Result<(), JsError> {
        if let Some(hasher) = self.workers.get_mut(&number) {
            hasher.loaded = true;
            for (job, described) in &self.jobs {
                describe(&hasher.worker, *job, described)?;
            }
        }
        self.feed()
    }

    /// Takes in that a worker has done the batch that begins with `first`, or with none has given up the job.
    pub fn done(&mut self, number: usize, job: u32, first: Option<u32>) -> Result<(), JsError> {
        if let Some(hasher) = self.workers.get_mut(&number) {
            hasher.busy.retain(|batch| batch.job != job || first.is_some_and(|first| batch.first != first));
        }
        self.feed()
    }

    /// Takes in that a worker died: others do what it had. Answers the jobs that cannot be done any more.
    pub fn died(&mut self, number: usize) -> Result<Vec<u32>, JsError> {
        let Some(hasher) = self.workers.remove(&number) else { return Ok(Vec::new()) };
        if self.workers.is_empty() {
            return Ok(self.jobs.keys().copied().collect());
        }
        let (again, lost) = shared_out(&hasher.busy);
        self.again.extend(again);
        self.feed()?;
        Ok(lost)
    }

    /// Gives work to whoever has room: what was lost with a worker, then the oldest job's.
    fn feed(&mut self) -> Result<(), JsError> {
        for hasher in self.workers.values_mut().filter(|hasher| hasher.loaded) {
            while hasher.busy.len() < BATCHES_PER_WORKER {
                let next = self.again.pop_front().or_else(|| next_batch(&mut self.jobs));
                let Some(batch) = next else { return Ok(()) };
                hasher.busy.push(batch);
                let Batch { job, first, count, .. } = batch;
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
            let on_heard = Rc::clone(&self.on_heard);
            Listener::new(&worker, "message", move |event: MessageEvent| match message::open(event.data()) {
                Ok((message, _)) => on_heard(number, Heard::Said(message)),
                Err(error) => web_sys::console::error_1(&error.to_string().into()),
            })?
        };
        let error = {
            let on_heard = Rc::clone(&self.on_heard);
            Listener::new(&worker, "error", move |_: web_sys::Event| on_heard(number, Heard::Died))?
        };
        Ok(Hasher { worker, loaded: false, busy: Vec::new(), _listeners: [message, error] })
    }
}

/// The next pieces of the oldest job that has some left.
fn next_batch(jobs: &mut BTreeMap<u32, Job>) -> Option<Batch> {
    let (job, work) = jobs.iter_mut().find(|(_, work)| work.next < work.pieces)?;
    let first = work.next;
    let count = (BATCH_BYTES / work.piece_length).clamp(1, work.pieces - first);
    work.next += count;
    Some(Batch { job: *job, first, count, tries: 1 })
}

/// Of a dead worker's batches: those to be given out again, and the jobs of those that were too often.
fn shared_out(busy: &[Batch]) -> (Vec<Batch>, Vec<u32>) {
    let lost: Vec<u32> =
        busy.iter().filter(|batch| batch.tries >= TRIES_MAX).map(|batch| batch.job).collect();
    let again = busy.iter().filter(|batch| !lost.contains(&batch.job));
    let again = again.map(|batch| Batch { tries: batch.tries + 1, ..*batch }).collect();
    (again, lost)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_dead_worker_had_is_given_out_once_more_and_then_its_job_fails() {
        let batch = |job, first, tries| Batch { job, first, count: 4, tries };
        let (again, lost) = shared_out(&[batch(1, 0, 1), batch(2, 8, 1)]);
        assert_eq!((again.clone(), lost), (vec![batch(1, 0, 2), batch(2, 8, 2)], Vec::new()));
        let (again, lost) = shared_out(&[again[0], batch(1, 4, 1), batch(2, 8, 1)]);
        assert_eq!((again, lost), (vec![batch(2, 8, 2)], vec![1]));
    }
}
