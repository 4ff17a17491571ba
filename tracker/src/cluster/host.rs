//! The node of this process: what moves between the swarms, [`Replica`] and Redis.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use rustls::crypto::aws_lc_rs;
use serde_json::{Value, json};
use shared::id::PeerId;
use shared::rng::Rng;
use shared::time::Instant;
use shared::tracker::ws::Response;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tracing::{debug, info, warn};

use super::codec::{DecodeError, Message, NodeId, RELAYS_BYTES, Relay, TALLY_MAX, Tally, decode, encode};
use super::members::Members;
use super::options::{ClusterConfig, ClusterError};
use super::redis::{Arrivals, Incoming, Link, Meter, Outgoing, Traffic};
use super::replica::{Counters, Event, Output, Replica, To, View};
use super::tally::{Elsewhere, WORTH_TELLING};
use crate::observe::events::Kind;
use crate::state::AppState;
use crate::swarm::change::Node;
use crate::swarm::{Reply, SocketId};

/// Changes are gathered for so long: many go in one message, and nobody notices.
const BATCH_INTERVAL: Duration = Duration::from_millis(50);

/// Ticks of it from one tally to the next: a second.
const TALLY_TICKS: u64 = 20;

/// Offers and answers that wait for this node's task. With more they are dropped: peers announce again.
const FORWARDS: usize = 16_384;

/// Messages that are taken in before others have their turn.
const ARRIVALS_BATCH: usize = 256;

/// At the end the others are told so, if that takes no longer.
const GOODBYE_WITHIN: Duration = Duration::from_secs(1);

/// A message that nobody can read is told of no more often than this.
const COMPLAIN_EVERY: Duration = Duration::from_secs(60);

/// A part in a cluster, as the rest of the tracker sees it.
#[derive(Debug)]
pub(crate) struct Cluster {
    config: ClusterConfig,
    forwards: mpsc::Sender<(Node, Relay)>,
    waiting: Mutex<Option<mpsc::Receiver<(Node, Relay)>>>,
    connected: AtomicBool,
    status: Mutex<Status>,
    sent: AtomicU64,
    arrived: AtomicU64,
    dropped: AtomicU64,
}

/// How the cluster is, for people.
#[derive(Clone, Debug, Default)]
pub(crate) struct Status {
    /// This node.
    pub(crate) node: String,
    /// Whether Redis is reached.
    pub(crate) connected: bool,
    /// Members of its own.
    pub(crate) members: u64,
    /// The other nodes.
    pub(crate) others: Vec<View>,
    /// Offers and answers that went to other nodes, came from them, and were dropped on the way out.
    pub(crate) relays: [u64; 3],
    /// What was replicated.
    pub(crate) counters: Counters,
    /// What went to Redis and came from it.
    pub(crate) traffic: Traffic,
    /// Messages that nobody could read.
    pub(crate) unreadable: u64,
    /// From here to Redis and back, the last time; `None` while it is not reached.
    pub(crate) round_trip: Option<Duration>,
}

impl Status {
    /// As it stands in `/stats.json`.
    pub(crate) fn to_json(&self) -> Value {
        let other = |other: &View| {
            json!({
                "id": other.id.to_string(), "name": other.name, "members": other.members, "synced": other.synced,
            })
        };
        let [sent, arrived, dropped] = self.relays;
        json!({
            "node": self.node,
            "connected": self.connected,
            "members": self.members,
            "others": self.others.iter().map(other).collect::<Vec<_>>(),
            "relaysSent": sent,
            "relaysArrived": arrived,
            "relaysDropped": dropped,
            "changesSent": self.counters.changes_sent,
            "changesApplied": self.counters.changes_applied,
            "snapshotMembers": self.counters.snapshot_members,
            "membersRefused": self.counters.refused,
            "resyncs": self.counters.resyncs,
            "messagesPublished": self.traffic.sent.0,
            "bytesPublished": self.traffic.sent.1,
            "messagesDropped": self.traffic.dropped_sent,
            "messagesArrived": self.traffic.received.0,
            "bytesArrived": self.traffic.received.1,
            "arrivalsDropped": self.traffic.dropped_received,
            "messagesUnreadable": self.unreadable,
            "connects": self.traffic.connects,
            "roundTripMicroseconds": self.round_trip.map(|time| u64::try_from(time.as_micros()).unwrap_or(u64::MAX)),
        })
    }
}

impl Cluster {
    pub(crate) fn new(config: ClusterConfig) -> Result<Self, ClusterError> {
        config.check()?;
        let (forwards, waiting) = mpsc::channel(FORWARDS);
        let status = Status { node: config.node.clone(), ..Status::default() };
        Ok(Self {
            config,
            forwards,
            waiting: Mutex::new(Some(waiting)),
            connected: AtomicBool::new(false),
            status: Mutex::new(status),
            sent: AtomicU64::new(0),
            arrived: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
        })
    }

    /// How it is, a second ago at most.
    pub(crate) fn status(&self) -> Status {
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let relays = [count(&self.sent), count(&self.arrived), count(&self.dropped)];
        Status { connected: self.connected.load(Ordering::Relaxed), relays, ..self.status.lock().clone() }
    }

    /// Sends an offer or an answer to its socket if that is another node's, and returns whether it is. `answers` names whose offer it is
    /// an answer to. Never waits.
    pub(crate) fn forwards(&self, from: SocketId, answers: Option<PeerId>, reply: &Reply<'_>) -> bool {
        let Reply { to, response } = reply;
        if to.node() == 0 {
            return false;
        }
        let (info_hash, peer_id, offer_id, payload) = match response {
            Response::Offer { info_hash, peer_id, offer_id, offer } => (info_hash, peer_id, offer_id, offer),
            Response::Answer { info_hash, peer_id, offer_id, answer } => {
                (info_hash, peer_id, offer_id, answer)
            }
            _ => return true,
        };
        let relay = Relay {
            to: to.number(),
            from: from.number(),
            info_hash: *info_hash,
            peer_id: *peer_id,
            answers,
            offer_id: offer_id.to_string(),
            payload: payload.get().to_owned(),
        };
        let taken =
            self.connected.load(Ordering::Relaxed) && self.forwards.try_send((to.node(), relay)).is_ok();
        (if taken { &self.sent } else { &self.dropped }).fetch_add(1, Ordering::Relaxed);
        true
    }
}

/// Is part of the cluster, if there is to be one, until the shutdown.
pub(crate) async fn serve(state: Arc<AppState>) {
    let Some(cluster) = &state.cluster else { return };
    let Some(forwards) = cluster.waiting.lock().take() else { return };
    let mut seed = [0; 32];
    if aws_lc_rs::default_provider().secure_random.fill(&mut seed).is_err() {
        state.swarms.forget_changes();
        return warn!("no part in the cluster: the system gives no random numbers");
    }
    let mut rng = Rng::from_seed(seed).fork("cluster");
    let own = NodeId(rng.next_u64());
    let mut secret = [0; 16];
    rng.fill(&mut secret);
    let (link, arrivals) = match Link::new(&cluster.config, own) {
        Ok(link) => link,
        Err(error) => {
            state.swarms.forget_changes();
            return warn!(%error, "no part in the cluster");
        }
    };
    let (outgoing, meter) = (link.outgoing(), link.meter());
    let tasks = [tokio::spawn(link.clone().listen()), tokio::spawn(link.publish(secret))];
    info!(node = %own, name = cluster.config.node, cluster = cluster.config.name, "a node of a cluster");
    let mut host = Host {
        replica: Replica::new(own, cluster.config.node.clone(), rng),
        state: &state,
        cluster,
        own,
        outgoing,
        meter,
        elsewhere: Elsewhere::default(),
        ticks: 0,
        hello_sent: None,
        complained: None,
    };
    host.run(arrivals, forwards).await;
    tasks.iter().for_each(tokio::task::JoinHandle::abort);
}

struct Host<'a> {
    replica: Replica,
    state: &'a AppState,
    cluster: &'a Cluster,
    own: NodeId,
    outgoing: Arc<Outgoing>,
    meter: Meter,
    elsewhere: Elsewhere,
    ticks: u64,
    hello_sent: Option<Instant>,
    complained: Option<Instant>,
}

impl Host<'_> {
    async fn run(&mut self, mut arrivals: Arrivals, mut forwards: mpsc::Receiver<(Node, Relay)>) {
        let mut ticks = interval(BATCH_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut waiting = Vec::new();
        loop {
            tokio::select! {
                biased;
                () = self.state.shutdown.cancelled() => return self.leave().await,
                _ = ticks.tick() => self.tick(&mut arrivals),
                incoming = arrivals.next() => match incoming {
                    Some(incoming) => {
                        self.take_in(incoming);
                        self.take_in_more(&mut arrivals);
                    }
                    None => return,
                },
                _ = forwards.recv_many(&mut waiting, FORWARDS) => self.forward(&mut waiting),
            }
            self.send();
        }
    }

    fn now(&self) -> Instant {
        self.state.clock.now()
    }

    fn tick(&mut self, arrivals: &mut Arrivals) {
        // What the others have said comes first: after a pause nobody is gone who only was not listened to.
        self.take_in_more(arrivals);
        let now = self.now();
        self.publish_changes();
        self.replica.tick(now, &mut Members::new(&self.state.swarms, now));
        self.ticks += 1;
        if self.ticks.is_multiple_of(TALLY_TICKS) {
            self.tell_tally();
            self.state.sockets.set_elsewhere(&self.elsewhere.sum());
            self.note();
        }
    }

    fn publish_changes(&mut self) {
        let now = self.now();
        let (changes, lost) = self.state.swarms.take_changes();
        if lost {
            warn!("more changes of members than can be told at once: the other nodes ask for all of them");
            self.replica.changes_lost(Members::new(&self.state.swarms, now).recount());
        } else {
            self.replica.changed(&changes);
        }
    }

    fn tell_tally(&self) {
        let sockets = self.state.sockets.busiest(WORTH_TELLING, TALLY_MAX);
        let requests = self.state.gate.spent(WORTH_TELLING, TALLY_MAX);
        let messages = self.state.messages.gate().spent(WORTH_TELLING, TALLY_MAX);
        let message = Message::Tally(Tally { sockets, requests, messages });
        self.outgoing.push(To::All, encode(self.own, &message));
    }

    fn note(&self) {
        let mut status = self.cluster.status.lock();
        status.members = self.replica.own_members();
        status.others = self.replica.others().collect();
        status.counters = self.replica.counters();
        status.traffic = self.meter.traffic();
    }

    fn take_in_more(&mut self, arrivals: &mut Arrivals) {
        for _ in 0..ARRIVALS_BATCH {
            let Some(incoming) = arrivals.try_next() else { return };
            self.take_in(incoming);
        }
    }

    fn take_in(&mut self, incoming: Incoming) {
        let now = self.now();
        match incoming {
            Incoming::Up => {
                self.cluster.connected.store(true, Ordering::Relaxed);
                self.replica.connected(now);
            }
            Incoming::Down => {
                self.cluster.connected.store(false, Ordering::Relaxed);
                self.cluster.status.lock().round_trip = None;
            }
            Incoming::Secret(secret) => {
                self.state.gate.share(secret);
                self.state.messages.gate().share(secret);
            }
            Incoming::Message(bytes) => match decode(&bytes) {
                Ok((from, message)) if from == self.own => self.echo(now, &message),
                Ok((from, message)) => self.heard(now, from, message),
                Err(error) => self.complain(now, &error),
            },
        }
    }

    /// This node's own word, which has been to Redis and back.
    fn echo(&mut self, now: Instant, message: &Message) {
        if let (Message::Hello { .. }, Some(sent)) = (message, self.hello_sent.take()) {
            self.cluster.status.lock().round_trip = Some(now.saturating_since(sent));
        }
    }

    fn complain(&mut self, now: Instant, error: &DecodeError) {
        self.cluster.status.lock().unreadable += 1;
        if self.complained.is_none_or(|at| now.saturating_since(at) >= COMPLAIN_EVERY) {
            self.complained = Some(now);
            warn!(%error, "a message in the cluster's channel cannot be read");
        }
    }

    fn heard(&mut self, now: Instant, from: NodeId, message: Message) {
        match message {
            Message::Relays(relays) => {
                let Some(node) = self.replica.number(from) else { return };
                self.cluster.arrived.fetch_add(relays.len() as u64, Ordering::Relaxed);
                let members = Members::new(&self.state.swarms, now);
                relays.iter().for_each(|relay| self.deliver(members.relay(node, relay)));
            }
            Message::Tally(Tally { sockets, requests, messages }) if self.replica.number(from).is_some() => {
                self.elsewhere.heard(from, sockets);
                self.state.gate.spend_elsewhere(now, &requests);
                self.state.messages.gate().spend_elsewhere(now, &messages);
            }
            message => self.replica.handle(now, from, message, &mut Members::new(&self.state.swarms, now)),
        }
    }

    fn deliver(&self, replies: Vec<Reply<'_>>) {
        for Reply { to, response } in replies {
            if let Some(outbox) = self.state.outboxes.get(to)
                && !outbox.push_from_stranger(response.to_json().into())
            {
                debug!(socket = to.0, "the receiver reads too slowly: an offer or answer was dropped");
            }
        }
    }

    /// Sends what waits for sockets of other nodes, those for one node together.
    fn forward(&self, waiting: &mut Vec<(Node, Relay)>) {
        waiting.sort_by_key(|(node, _)| *node);
        let mut relays = Vec::new();
        let mut bytes = 0;
        let mut rest = waiting.drain(..).peekable();
        while let Some((node, relay)) = rest.next() {
            bytes += relay.weight();
            relays.push(relay);
            let more = rest.peek().is_some_and(|(next, _)| *next == node);
            if more && bytes < RELAYS_BYTES {
                continue;
            }
            bytes = 0;
            let message = Message::Relays(std::mem::take(&mut relays));
            if let Some(id) = self.replica.id(node) {
                self.outgoing.push(To::Node(id), encode(self.own, &message));
            }
        }
    }

    fn send(&mut self) {
        while let Some(output) = self.replica.poll_output() {
            match output {
                Output::Send(to, message) => {
                    if matches!(message, Message::Hello { .. }) {
                        self.hello_sent = Some(self.state.clock.now());
                    }
                    self.outgoing.push(to, encode(self.own, &message));
                }
                Output::Event(event) => self.tell(event),
            }
        }
    }

    fn tell(&mut self, event: Event) {
        match event {
            Event::Met(id, name) => {
                self.state.observe.events.note(Kind::Node, None, || format!("another node, {name} ({id})"));
                info!(node = %id, name, "another node");
            }
            Event::Synced(id, members) => debug!(node = %id, members, "all members of a node are known"),
            Event::Gone(id, members) => {
                self.elsewhere.forget(id);
                let text = || format!("the node {id} is gone, and its {members} members with it");
                self.state.observe.events.note(Kind::Node, None, text);
                warn!(node = %id, members, "a node is gone, and its members with it");
            }
            Event::Resync(id, why) => info!(node = %id, why, "the members of a node are asked for again"),
            Event::Crowded(id) => warn!(node = %id, "one node more than a cluster has"),
        }
    }

    async fn leave(&mut self) {
        self.publish_changes();
        self.replica.leave();
        self.send();
        let told = async {
            while self.outgoing.waiting() > 0 {
                sleep(Duration::from_millis(10)).await;
            }
            // It was taken by the connection; the server may still have to read it.
            sleep(Duration::from_millis(50)).await;
        };
        let _ = tokio::time::timeout(GOODBYE_WITHIN, told).await;
    }
}
