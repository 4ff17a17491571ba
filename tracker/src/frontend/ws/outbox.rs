//! Messages on their way to one socket.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use axum::extract::ws::Utf8Bytes;
use parking_lot::{Mutex, RwLock};
use tokio::sync::Notify;

use crate::swarm::SocketId;

/// A bounded queue between whoever has something for a socket and the task that writes to it.
///
/// It is full when its owner reads too slowly. Then everything that waits is dropped and the socket is closed: a peer
/// that misses replies without knowing is worse off than one that connects again. What others send it may fill half of
/// it, so that nobody can have somebody else's socket closed.
#[derive(Debug)]
pub(crate) struct Outbox {
    queue: Mutex<Queue>,
    wake: Notify,
    overflowed: Notify,
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
    /// Messages to write, at least one.
    Messages(VecDeque<Utf8Bytes>),
    /// The owner reads too slowly.
    Overflow,
}

impl Outbox {
    pub(crate) fn new(messages_max: usize, bytes_max: usize) -> Self {
        Self {
            queue: Mutex::default(),
            wake: Notify::new(),
            overflowed: Notify::new(),
            messages_max,
            bytes_max,
        }
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
        self.wake.notify_one();
        if !fits {
            self.overflowed.notify_one();
        }
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
        self.overflowed.notified().await;
    }

    /// Waits until there is something, and takes all of it. May be dropped while it waits.
    pub(crate) async fn take(&self) -> Waiting {
        loop {
            {
                let mut queue = self.queue.lock();
                if queue.overflowed {
                    return Waiting::Overflow;
                }
                if !queue.messages.is_empty() {
                    return Waiting::Messages(core::mem::take(&mut *queue).messages);
                }
            }
            self.wake.notified().await;
        }
    }
}

/// The outboxes of all open sockets.
#[derive(Debug, Default)]
pub(crate) struct Outboxes(RwLock<HashMap<SocketId, Arc<Outbox>>>);

impl Outboxes {
    pub(crate) fn insert(&self, socket: SocketId, outbox: Arc<Outbox>) {
        self.0.write().insert(socket, outbox);
    }

    pub(crate) fn remove(&self, socket: SocketId) {
        self.0.write().remove(&socket);
    }

    pub(crate) fn get(&self, socket: SocketId) -> Option<Arc<Outbox>> {
        self.0.read().get(&socket).cloned()
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
        assert_eq!(outbox.take().await, Waiting::Messages(["a".into(), "b".into()].into()));
        assert!(outbox.push("c".into()));
        assert_eq!(outbox.take().await, Waiting::Messages(["c".into()].into()));
    }

    #[tokio::test]
    async fn strangers_fill_half_of_it_and_never_close_it() {
        for outbox in [Outbox::new(4, 100), Outbox::new(99, 4)] {
            assert!(outbox.push_from_stranger("a".into()));
            assert!(outbox.push_from_stranger("b".into()));
            assert!(!outbox.push_from_stranger("c".into()));
            assert!(outbox.push("d".into()), "its own replies have room");
            let expected = ["a".into(), "b".into(), "d".into()];
            assert_eq!(outbox.take().await, Waiting::Messages(expected.into()));
        }
    }

    #[tokio::test]
    async fn a_full_queue_stays_full_and_holds_nothing() {
        for outbox in [Outbox::new(2, 100), Outbox::new(9, 2)] {
            assert!(outbox.push("a".into()));
            assert!(outbox.push("b".into()));
            assert!(!outbox.push("c".into()));
            assert!(!outbox.push("d".into()));
            assert_eq!(outbox.take().await, Waiting::Overflow);
            assert!(outbox.queue.lock().messages.is_empty());
        }
    }
}
