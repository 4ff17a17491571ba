//! Messages on their way to one socket.

use std::collections::{HashMap, VecDeque};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use axum::extract::ws::Utf8Bytes;
use futures_util::task::AtomicWaker;
use parking_lot::{Mutex, RwLock};

use crate::swarm::SocketId;

/// A bounded queue between whoever has something for a socket and the task that writes to it.
///
/// It is full when its owner reads too slowly. Then everything that waits is dropped and the socket is closed: a peer
/// that misses replies without knowing is worse off than one that connects again. What others send it may fill half of
/// it, so that nobody can have somebody else's socket closed.
#[derive(Debug)]
pub(crate) struct Outbox {
    queue: Mutex<Queue>,
    /// The task that writes; it waits for one thing at a time.
    writer: AtomicWaker,
    messages_max: usize,
    bytes_max: usize,
}

#[derive(Debug, Default)]
struct Queue {
    messages: VecDeque<Utf8Bytes>,
    bytes: usize,
    overflowed: bool,
}

/// What [`Outbox::take`] found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Waiting {
    /// Messages to write.
    Messages(VecDeque<Utf8Bytes>),
    /// The owner reads too slowly.
    Overflow,
}

impl Outbox {
    pub(crate) fn new(messages_max: usize, bytes_max: usize) -> Self {
        Self { queue: Mutex::default(), writer: AtomicWaker::new(), messages_max, bytes_max }
    }

    /// Appends a message; `false` if the queue is full, now or before.
    pub(crate) fn push(&self, message: Utf8Bytes) -> bool {
        let fits = {
            let mut queue = self.queue.lock();
            if queue.overflowed {
                return false;
            }
            queue.bytes += message.len();
            let fits = queue.messages.len() < self.messages_max && queue.bytes <= self.bytes_max;
            if fits {
                queue.messages.push_back(message);
            } else {
                *queue = Queue { overflowed: true, ..Queue::default() };
            }
            fits
        };
        self.writer.wake();
        fits
    }

    /// Appends what another peer sends, an offer or an answer; `false` if it was dropped.
    pub(crate) fn push_from_stranger(&self, message: Utf8Bytes) -> bool {
        {
            let queue = self.queue.lock();
            let room = queue.messages.len() < self.messages_max / 2
                && queue.bytes + message.len() <= self.bytes_max / 2;
            if queue.overflowed || !room {
                return false;
            }
        }
        self.push(message)
    }

    /// Waits until the queue is full. May be dropped while it waits.
    pub(crate) async fn overflow(&self) {
        poll_fn(|cx| {
            self.writer.register(cx.waker());
            if self.queue.lock().overflowed { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    /// Waits until there is something. May be dropped while it waits.
    pub(crate) async fn filled(&self) {
        poll_fn(|cx| {
            self.writer.register(cx.waker());
            let queue = self.queue.lock();
            if queue.overflowed || !queue.messages.is_empty() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    /// Takes all of it.
    pub(crate) fn take(&self) -> Waiting {
        let mut queue = self.queue.lock();
        if queue.overflowed {
            return Waiting::Overflow;
        }
        Waiting::Messages(core::mem::take(&mut *queue).messages)
    }
}

/// Parts of [`Outboxes`], each with a lock of its own, so that threads seldom wait for each other.
const PARTS: usize = 32;

/// The outboxes of all open sockets.
#[derive(Debug, Default)]
pub(crate) struct Outboxes([RwLock<HashMap<SocketId, Arc<Outbox>>>; PARTS]);

impl Outboxes {
    pub(crate) fn insert(&self, socket: SocketId, outbox: Arc<Outbox>) {
        self.part(socket).write().insert(socket, outbox);
    }

    pub(crate) fn remove(&self, socket: SocketId) {
        self.part(socket).write().remove(&socket);
    }

    pub(crate) fn get(&self, socket: SocketId) -> Option<Arc<Outbox>> {
        self.part(socket).read().get(&socket).cloned()
    }

    const fn part(&self, socket: SocketId) -> &RwLock<HashMap<SocketId, Arc<Outbox>>> {
        &self.0[socket.0 as usize % PARTS]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn messages_come_out_in_order_and_all_at_once() {
        let outbox = Outbox::new(3, 100);
        assert!(outbox.push("a".into()));
        assert!(outbox.push("b".into()));
        outbox.filled().await;
        assert_eq!(outbox.take(), Waiting::Messages(["a".into(), "b".into()].into()));
        assert_eq!(outbox.take(), Waiting::Messages(VecDeque::new()));
        assert!(outbox.push("c".into()));
        assert_eq!(outbox.take(), Waiting::Messages(["c".into()].into()));
    }

    #[tokio::test]
    async fn strangers_fill_half_of_it_and_never_close_it() {
        for outbox in [Outbox::new(4, 100), Outbox::new(99, 4)] {
            assert!(outbox.push_from_stranger("a".into()));
            assert!(outbox.push_from_stranger("b".into()));
            assert!(!outbox.push_from_stranger("c".into()));
            assert!(outbox.push("d".into()), "its own replies have room");
            let expected = ["a".into(), "b".into(), "d".into()];
            assert_eq!(outbox.take(), Waiting::Messages(expected.into()));
        }
    }

    #[tokio::test]
    async fn a_full_queue_stays_full_and_holds_nothing() {
        for outbox in [Outbox::new(2, 100), Outbox::new(9, 2)] {
            assert!(outbox.push("a".into()));
            assert!(outbox.push("b".into()));
            assert!(!outbox.push("c".into()));
            assert!(!outbox.push("d".into()));
            outbox.filled().await;
            assert_eq!(outbox.take(), Waiting::Overflow);
            assert!(outbox.queue.lock().messages.is_empty());
        }
    }
}
