use core::net::SocketAddr;
use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use super::{Effect, Event};
use crate::id::{ConnId, EffectId, InfoHash, PeerId, TrackerId};
use crate::layout::PieceIndex;
use crate::peer::CloseReason;
use crate::rate::TokenBucket;
use crate::rng::Rng;
use crate::time::Instant;
use crate::tracker::ws::ClientMessage;

/// What torrents share: the time, who we are, the limits, and the one queue of what is to be done.
#[derive(Debug)]
pub struct Context {
    /// The time that came with the input at hand.
    pub now: Instant,
    /// What we call ourselves.
    pub peer_id: PeerId,
    /// Name and version told to peers.
    pub version: String,
    /// Peers unchoked at once in one torrent.
    pub upload_slots: usize,
    /// Connections of one torrent.
    pub peers_max: usize,
    /// The host fetches from web seeds.
    pub web_seeds: bool,
    /// Private addresses that strangers name may be contacted.
    pub private_addresses: bool,
    /// Bytes that may go to all peers.
    pub upload: TokenBucket,
    /// Bytes that may be asked of all peers.
    pub download: TokenBucket,
    /// The torrent that got the last tokens of the upload limit.
    pub served_last: Option<InfoHash>,
    /// Ids of offers are drawn from this: nobody may guess them.
    pub offer_ids: Rng,
    /// Offers that are made and not answered, of all torrents.
    pub offers_open: usize,
    /// The host can open TCP connections and ask HTTP and UDP trackers.
    pub dials: bool,
    /// A check of what was never written costs nothing.
    pub sparse: bool,
    /// Dials under way, of all torrents.
    pub dials_open: usize,
    /// TCP port on which the host takes connections.
    pub listen_port: Option<u16>,
    /// Told to HTTP and UDP trackers, by which they know us again from another address.
    pub tracker_key: u32,
    /// What is to be done, in order.
    pub actions: VecDeque<Action>,
    /// Which torrent a connection belongs to.
    pub conns: BTreeMap<ConnId, InfoHash>,
    jobs: BTreeMap<EffectId, (InfoHash, Job)>,
    next_conn: u32,
    next_effect: u64,
}

/// One thing that a torrent wants done.
#[derive(Debug)]
pub enum Action {
    /// Send bytes to a peer.
    Send {
        /// Its connection.
        conn: ConnId,
        /// What.
        data: Bytes,
    },
    /// End a connection.
    Close {
        /// Which.
        conn: ConnId,
        /// Why.
        reason: CloseReason,
    },
    /// Open a TCP connection.
    Dial {
        /// What it will be called.
        conn: ConnId,
        /// Where to.
        address: SocketAddr,
    },
    /// Do something that only the host can.
    Effect {
        /// Correlates the result.
        id: EffectId,
        /// What.
        effect: Effect,
    },
    /// Send a message to a tracker whose socket is open.
    Tell {
        /// Which.
        tracker: TrackerId,
        /// What.
        message: Box<ClientMessage>,
    },
    /// Open the socket of a tracker.
    Connect {
        /// Which.
        tracker: TrackerId,
        /// Its URL.
        url: String,
    },
    /// Close the socket of a tracker.
    Disconnect(TrackerId),
    /// Let the host know.
    Event(Event),
}

/// What an effect under way is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Job {
    /// The storage is opened.
    Open,
    /// Bytes are read for a peer.
    Read {
        /// For whom.
        conn: ConnId,
        /// Which of its reads.
        number: u64,
    },
    /// A whole piece is hashed.
    Hash(PieceIndex),
    /// A stored piece is hashed.
    Check(PieceIndex),
    /// A verified piece is written.
    Write(PieceIndex),
    /// The resume record is written.
    Persist,
    /// The storage is closed.
    Close,
    /// An offer is made.
    Offer(ConnId),
    /// An answer is made.
    Answer(ConnId),
    /// An answer is taken.
    Accept(ConnId),
    /// Bytes are fetched from a web seed.
    Fetch(ConnId),
    /// A tracker is told something over HTTP or UDP.
    Announce {
        /// Which tracker.
        tracker: TrackerId,
        /// Which of its announces.
        number: u32,
    },
}

impl Job {
    /// Whether it is about pieces and the storage that is open, rather than about connections.
    const fn is_of_storage(&self) -> bool {
        !matches!(
            self,
            Self::Close
                | Self::Offer(_)
                | Self::Answer(_)
                | Self::Accept(_)
                | Self::Fetch(_)
                | Self::Announce { .. }
        )
    }
}

impl Context {
    /// A context in which nothing has happened.
    pub fn new(now: Instant, peer_id: PeerId, version: String, rng: &Rng) -> Self {
        Self {
            now,
            peer_id,
            version,
            upload_slots: 0,
            peers_max: 0,
            web_seeds: false,
            private_addresses: false,
            upload: TokenBucket::new(None, now),
            download: TokenBucket::new(None, now),
            served_last: None,
            offer_ids: rng.fork("offer ids"),
            offers_open: 0,
            dials: false,
            sparse: false,
            dials_open: 0,
            listen_port: None,
            tracker_key: rng.fork("tracker key").next_u32(),
            actions: VecDeque::new(),
            conns: BTreeMap::new(),
            jobs: BTreeMap::new(),
            next_conn: 0,
            next_effect: 0,
        }
    }

    /// Asks the host for an effect.
    pub fn effect(&mut self, torrent: InfoHash, job: Job, effect: Effect) {
        let id = EffectId(self.next_effect);
        self.next_effect += 1;
        self.jobs.insert(id, (torrent, job));
        self.actions.push_back(Action::Effect { id, effect });
    }

    /// What an effect that ended was for; `None` if nobody waits for it any more.
    pub fn take_job(&mut self, id: EffectId) -> Option<(InfoHash, Job)> {
        self.jobs.remove(&id)
    }

    /// The torrent is gone: nobody waits for its effects.
    pub fn forget_jobs(&mut self, torrent: InfoHash) {
        self.jobs.retain(|_, (of, _)| *of != torrent);
    }

    /// The storage of a torrent is closed: nobody waits for what it was to do.
    pub fn forget_storage_jobs(&mut self, torrent: InfoHash) {
        self.jobs.retain(|_, (of, job)| *of != torrent || !job.is_of_storage());
    }

    /// A new connection of a torrent.
    pub fn new_conn(&mut self, torrent: InfoHash) -> ConnId {
        let conn = ConnId(self.next_conn);
        self.next_conn += 1;
        self.conns.insert(conn, torrent);
        conn
    }

    /// Lets the host know.
    pub fn event(&mut self, event: Event) {
        self.actions.push_back(Action::Event(event));
    }

    /// Ends a connection that the host still has.
    pub fn close(&mut self, conn: ConnId, reason: CloseReason) {
        if self.conns.remove(&conn).is_some() {
            self.actions.push_back(Action::Close { conn, reason });
        }
    }
}
