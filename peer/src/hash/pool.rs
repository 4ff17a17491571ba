//! Threads that hash pieces which are in memory.

use std::collections::VecDeque;
use std::sync::Arc;
use std::thread;

use bytes::Bytes;
use parking_lot::{Condvar, Mutex};
use sha1::{Digest as _, Sha1};

type Then = Box<dyn FnOnce([u8; 20]) + Send>;

/// As many threads as the machine has cores; they end when the pool is dropped. How much waits is bounded by the engine,
/// which holds so many pieces in memory.
pub(crate) struct Pool(Arc<Shared>);

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    wake: Condvar,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<(Vec<Bytes>, Then)>,
    ended: bool,
}

impl Pool {
    pub(crate) fn start() -> Self {
        let shared = Arc::new(Shared::default());
        let threads = thread::available_parallelism().map_or(1, usize::from);
        for number in 0..threads {
            let worker = Arc::clone(&shared);
            let started = thread::Builder::new().name(format!("hash-{number}")).spawn(move || worker.work());
            if let Err(error) = started {
                tracing::warn!(%error, "a thread for hashing could not be started");
            }
        }
        Self(shared)
    }

    /// SHA-1 over these blocks, one after the other; `then` hears of it on one of the threads.
    pub(crate) fn hash(&self, blocks: Vec<Bytes>, then: impl FnOnce([u8; 20]) + Send + 'static) {
        self.0.queue.lock().waiting.push_back((blocks, Box::new(then)));
        self.0.wake.notify_one();
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.0.queue.lock().ended = true;
        self.0.wake.notify_all();
    }
}

impl Shared {
    fn work(&self) {
        let mut queue = self.queue.lock();
        loop {
            if let Some((blocks, then)) = queue.waiting.pop_front() {
                drop(queue);
                let mut sha1 = Sha1::new();
                blocks.iter().for_each(|block| sha1.update(block));
                then(sha1.finalize().into());
                queue = self.queue.lock();
            } else if queue.ended {
                return;
            } else {
                self.wake.wait(&mut queue);
            }
        }
    }
}
