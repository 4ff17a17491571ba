//! The way to the other nodes: publish and subscribe of Redis or Valkey.
//!
//! Publish and subscribe rather than streams: what is lost is noticed by its number and asked for again, so nothing has to be
//! kept by Redis, read up or trimmed; a message is at its receivers in one step; and Redis holds no state that could be stale
//! after it was down.
//!
//! One connection publishes and another listens, so that all that a node sends reaches another in order, on whichever channel.
//! Nobody waits for Redis: what does not fit into a bounded queue is dropped, and counted.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::StreamExt as _;
use parking_lot::Mutex;
use redis::{AsyncConnectionConfig, Client, RedisResult};
use tokio::sync::{Notify, mpsc};
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use super::codec::NodeId;
use super::options::ClusterConfig;
use super::replica::To;

/// Bytes on their way to Redis. With more it is too slow, or gone, and the others will ask again.
const OUTGOING_MAX: usize = 32 * 1024 * 1024;

/// Bytes from Redis that wait to be read. As much as Redis itself keeps for a slow subscriber.
const INCOMING_MAX: usize = 32 * 1024 * 1024;

/// Messages from Redis that wait to be read.
const INCOMING_MESSAGES: usize = 16_384;

/// Bytes that are published in one go; while they are under way, others gather.
const PIPELINE: usize = 512 * 1024;

/// A connection that cannot be made, or says nothing, for so long does not work.
const PATIENCE: Duration = Duration::from_secs(3);

/// The waits between two attempts to connect.
const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(1);

/// What comes from Redis.
#[derive(Debug)]
pub(super) enum Incoming {
    /// Both connections work, now.
    Up,
    /// One does not.
    Down,
    /// Somebody published this.
    Message(Vec<u8>),
    /// What all nodes share, to find the same bucket for the same address.
    Secret([u8; 16]),
}

/// What is to be published.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    queue: Mutex<Queue>,
    wake: Notify,
    dropped: AtomicU64,
    published: AtomicU64,
    published_bytes: AtomicU64,
}

#[derive(Debug, Default)]
struct Queue {
    open: bool,
    messages: VecDeque<(To, Vec<u8>)>,
    bytes: usize,
}

impl Outgoing {
    /// Appends a message, unless there is no room or no connection.
    pub(super) fn push(&self, to: To, message: Vec<u8>) {
        {
            let mut queue = self.queue.lock();
            if !queue.open || queue.bytes + message.len() > OUTGOING_MAX {
                self.dropped.fetch_add(1, Ordering::Relaxed);
                return;
            }
            queue.bytes += message.len();
            queue.messages.push_back((to, message));
        }
        self.wake.notify_one();
    }

    /// Bytes that wait.
    pub(super) fn waiting(&self) -> usize {
        self.queue.lock().bytes
    }

    fn set_open(&self, open: bool) {
        let mut queue = self.queue.lock();
        self.dropped.fetch_add(queue.messages.len() as u64, Ordering::Relaxed);
        *queue = Queue { open, ..Queue::default() };
    }

    /// Waits until there is something, and takes as much as is published in one go.
    async fn take(&self) -> Vec<(To, Vec<u8>)> {
        loop {
            {
                let mut queue = self.queue.lock();
                let mut bytes = 0;
                let mut taken = Vec::new();
                while bytes < PIPELINE
                    && let Some(message) = queue.messages.pop_front()
                {
                    bytes += message.1.len();
                    taken.push(message);
                }
                queue.bytes -= bytes;
                if !taken.is_empty() {
                    return taken;
                }
            }
            self.wake.notified().await;
        }
    }
}

/// What went to Redis and came from it since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Traffic {
    /// Messages that were published, and their bytes.
    pub(crate) sent: (u64, u64),
    /// Messages that came, this node's own among them, and their bytes.
    pub(crate) received: (u64, u64),
    /// Messages that were not published, for lack of a connection or of room.
    pub(crate) dropped_sent: u64,
    /// Messages that came and were not taken in, for lack of room.
    pub(crate) dropped_received: u64,
    /// Times that Redis was reached, the first among them.
    pub(crate) connects: u64,
}

/// What came from Redis.
#[derive(Debug, Default)]
struct Came {
    messages: AtomicU64,
    bytes: AtomicU64,
    dropped: AtomicU64,
    connects: AtomicU64,
}

/// Tells what goes and comes.
#[derive(Debug)]
pub(super) struct Meter {
    outgoing: Arc<Outgoing>,
    came: Arc<Came>,
}

impl Meter {
    /// What went and came so far.
    pub(super) fn traffic(&self) -> Traffic {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let (out, came) = (&self.outgoing, &self.came);
        Traffic {
            sent: (of(&out.published), of(&out.published_bytes)),
            received: (of(&came.messages), of(&came.bytes)),
            dropped_sent: of(&out.dropped),
            dropped_received: of(&came.dropped),
            connects: of(&came.connects),
        }
    }
}

/// Where from messages come, bounded in number and bytes.
#[derive(Debug)]
pub(super) struct Arrivals {
    receiver: mpsc::Receiver<Incoming>,
    bytes: Arc<AtomicUsize>,
}

impl Arrivals {
    /// The next; `None` at the end. May be dropped while it waits.
    pub(super) async fn next(&mut self) -> Option<Incoming> {
        let incoming = self.receiver.recv().await;
        self.account(incoming.as_ref());
        incoming
    }

    /// The next, if it is there.
    pub(super) fn try_next(&mut self) -> Option<Incoming> {
        let incoming = self.receiver.try_recv().ok();
        self.account(incoming.as_ref());
        incoming
    }

    fn account(&self, incoming: Option<&Incoming>) {
        if let Some(Incoming::Message(message)) = incoming {
            self.bytes.fetch_sub(message.len(), Ordering::Relaxed);
        }
    }
}

/// The two connections.
#[derive(Clone)]
pub(super) struct Link {
    client: Client,
    /// Where it is, without what is secret about it.
    place: String,
    name: String,
    own: NodeId,
    outgoing: Arc<Outgoing>,
    sender: mpsc::Sender<Incoming>,
    bytes: Arc<AtomicUsize>,
    came: Arc<Came>,
    publishes: Arc<AtomicBool>,
    listens: Arc<AtomicBool>,
}

impl Link {
    /// Nothing is connected yet.
    pub(super) fn new(config: &ClusterConfig, own: NodeId) -> RedisResult<(Self, Arrivals)> {
        let client = Client::open(config.url.as_str())?;
        let place = client.get_connection_info().addr().to_string();
        let (sender, receiver) = mpsc::channel(INCOMING_MESSAGES);
        let bytes = Arc::<AtomicUsize>::default();
        let arrivals = Arrivals { receiver, bytes: bytes.clone() };
        let name = config.name.clone();
        let (outgoing, came) = (Arc::default(), Arc::default());
        let (publishes, listens) = (Arc::default(), Arc::default());
        Ok((Self { client, place, name, own, outgoing, sender, bytes, came, publishes, listens }, arrivals))
    }

    pub(super) fn outgoing(&self) -> Arc<Outgoing> {
        self.outgoing.clone()
    }

    pub(super) fn meter(&self) -> Meter {
        Meter { outgoing: self.outgoing.clone(), came: self.came.clone() }
    }

    fn channel(&self, to: To) -> String {
        match to {
            To::All => format!("{}:all", self.name),
            To::Node(id) => format!("{}:node:{id}", self.name),
        }
    }

    /// Publishes, for ever. `secret` is what this node would have all share, if none has been agreed on.
    pub(super) async fn publish(self, secret: [u8; 16]) {
        let mut retry = Retry::default();
        loop {
            let error = match self.publish_once(secret, &mut retry).await {
                Ok(never) => match never {},
                Err(error) => error,
            };
            self.outgoing.set_open(false);
            self.changed(&self.publishes, false, Some(&error)).await;
            retry.wait().await;
        }
    }

    async fn publish_once(
        &self,
        secret: [u8; 16],
        retry: &mut Retry,
    ) -> Result<std::convert::Infallible, String> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(Some(PATIENCE));
        let connecting = self.client.get_multiplexed_async_connection_with_config(&config);
        let mut connection = within(connecting).await?;
        let key = format!("{}:secret", self.name);
        let mut agree = redis::pipe();
        agree.cmd("SET").arg(&key).arg(&secret[..]).arg("NX").ignore().cmd("GET").arg(&key);
        let (agreed,): (Vec<u8>,) = within(agree.query_async(&mut connection)).await?;
        if let Ok(secret) = agreed.try_into() {
            let _ = self.sender.send(Incoming::Secret(secret)).await;
        }
        self.outgoing.set_open(true);
        self.changed(&self.publishes, true, None).await;
        *retry = Retry::default();
        loop {
            let mut pipeline = redis::pipe();
            let (mut messages, mut bytes) = (0, 0);
            for (to, message) in self.outgoing.take().await {
                messages += 1;
                bytes += message.len() as u64;
                pipeline.publish(self.channel(to), message).ignore();
            }
            within(pipeline.query_async::<()>(&mut connection)).await?;
            self.outgoing.published.fetch_add(messages, Ordering::Relaxed);
            self.outgoing.published_bytes.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    /// Listens, for ever.
    pub(super) async fn listen(self) {
        let mut retry = Retry::default();
        loop {
            let error = match self.listen_once(&mut retry).await {
                Ok(never) => match never {},
                Err(error) => error,
            };
            self.changed(&self.listens, false, Some(&error)).await;
            retry.wait().await;
        }
    }

    async fn listen_once(&self, retry: &mut Retry) -> Result<std::convert::Infallible, String> {
        let mut connection = within(self.client.get_async_pubsub()).await?;
        let channels = [self.channel(To::All), self.channel(To::Node(self.own))];
        within(connection.subscribe(&channels)).await?;
        self.changed(&self.listens, true, None).await;
        *retry = Retry::default();
        let mut messages = connection.into_on_message();
        loop {
            // This node's own word comes back each second, if both connections work.
            match timeout(PATIENCE, messages.next()).await {
                Ok(Some(message)) => self.arrived(message.get_payload_bytes()),
                Ok(None) => return Err("the connection broke".to_owned()),
                Err(_) if self.publishes.load(Ordering::Relaxed) => {
                    return Err("it says nothing any more".to_owned());
                }
                Err(_) => {}
            }
        }
    }

    /// Never waits: the library would keep without bound what is not taken from it.
    fn arrived(&self, message: &[u8]) {
        self.came.messages.fetch_add(1, Ordering::Relaxed);
        self.came.bytes.fetch_add(message.len() as u64, Ordering::Relaxed);
        let before = self.bytes.fetch_add(message.len(), Ordering::Relaxed);
        let fits = before + message.len() <= INCOMING_MAX;
        if !fits || self.sender.try_send(Incoming::Message(message.to_vec())).is_err() {
            self.bytes.fetch_sub(message.len(), Ordering::Relaxed);
            self.came.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Tells when the way is there, and when it is not.
    async fn changed(&self, which: &AtomicBool, now: bool, error: Option<&str>) {
        let was_up = self.is_up();
        which.store(now, Ordering::Relaxed);
        match (was_up, self.is_up()) {
            (false, true) => {
                self.came.connects.fetch_add(1, Ordering::Relaxed);
                info!(redis = self.place, "connected to the cluster");
                let _ = self.sender.send(Incoming::Up).await;
            }
            (true, false) => {
                let error = error.unwrap_or_default();
                warn!(
                    redis = self.place,
                    error, "lost the cluster: swarms are this node's own until it is back"
                );
                let _ = self.sender.send(Incoming::Down).await;
            }
            _ => {
                if let Some(error) = error {
                    warn!(redis = self.place, error, "no connection to the cluster; trying again");
                }
            }
        }
    }

    fn is_up(&self) -> bool {
        self.publishes.load(Ordering::Relaxed) && self.listens.load(Ordering::Relaxed)
    }
}

/// What the library does, if it does not take too long.
async fn within<T>(doing: impl Future<Output = RedisResult<T>>) -> Result<T, String> {
    match timeout(PATIENCE, doing).await {
        Ok(done) => done.map_err(|error| error.to_string()),
        Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
    }
}

/// Waits that grow.
#[derive(Debug)]
struct Retry(Duration);

impl Default for Retry {
    fn default() -> Self {
        Self(RETRY_FIRST)
    }
}

impl Retry {
    async fn wait(&mut self) {
        sleep(self.0).await;
        self.0 = (self.0 * 2).min(RETRY_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_to_be_published_waits_in_order_and_within_bounds() {
        let dropped = |outgoing: &Outgoing| outgoing.dropped.load(Ordering::Relaxed);
        let outgoing = Outgoing::default();
        outgoing.push(To::All, vec![1]);
        assert_eq!((dropped(&outgoing), outgoing.waiting()), (1, 0), "there is no connection");
        outgoing.set_open(true);
        outgoing.push(To::All, vec![2]);
        outgoing.push(To::Node(NodeId(1)), vec![3]);
        let taken = outgoing.take().await;
        assert_eq!(taken, [(To::All, vec![2]), (To::Node(NodeId(1)), vec![3])]);
        let large = OUTGOING_MAX / 4;
        (0..5).for_each(|_| outgoing.push(To::All, vec![0; large]));
        assert_eq!((dropped(&outgoing), outgoing.waiting()), (2, 4 * large));
        assert_eq!(outgoing.take().await.len(), 1, "not all in one go");
        outgoing.set_open(false);
        assert_eq!((dropped(&outgoing), outgoing.waiting()), (5, 0));
    }
}
