//! Bounds of the swarm store.

use core::time::Duration;

/// Bounds and times of [`super::Swarms`]; each default says why.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Time between two announces of one member. Two minutes is what WebTorrent's servers ask for.
    pub interval: Duration,
    /// A member that did not announce for this long is gone: three missed announces, since a hidden tab may be late.
    pub member_timeout: Duration,
    /// The same two for members that are reached by address. Ten minutes is what bittorrent-tracker asks for; nothing tells
    /// when such a peer vanishes, but its clients do without announcing for less.
    pub address_interval: Duration,
    /// Two missed announces, and a late third.
    pub address_timeout: Duration,
    /// An offer may be answered for this long. WebTorrent gives up its own side after 50 s.
    pub offer_timeout: Duration,
    /// Offers of one announce that are relayed; the rest is dropped. The reference server takes 82, nobody sends more
    /// than ten.
    pub offers_per_announce: usize,
    /// Longest offer or answer that is relayed, in bytes. With more, a stranger could fill the queue of a peer behind a
    /// slow line and so have it closed.
    pub offer_bytes: usize,
    /// Memberships (torrent and peer_id) of one socket.
    pub members_per_socket: usize,
    /// Peer_ids of one socket in one swarm. A page with several clients has a few.
    pub peer_ids_per_swarm: usize,
    /// Memberships (torrent and port) of one address, or of one IPv6 network of 64 bits; 0 is no bound. A seedbox with a
    /// thousand torrents, four times over.
    pub members_per_address: usize,
    /// The same in one swarm, off with it: with all of them there one subscriber would be most of what a swarm's others are
    /// told. A school behind one address has so many of one swarm. Loopback addresses are not bound by it.
    pub peers_per_swarm: usize,
    /// Members of one swarm.
    pub members_per_torrent: usize,
    /// Members of all swarms together; about 130 bytes each, those reached by address some 50 (IPv6: 60) in large swarms and 150 in
    /// swarms of one, and at most half of all: they cost who announces them no connection.
    pub members: usize,
    /// Offers of one socket that wait for an answer: 200 torrents with ten offers each.
    pub pending_per_socket: u32,
    /// Offers of all sockets that wait for an answer; the oldest gives way. About 60 bytes each.
    pub pending: usize,
    /// Leading bits of an IPv6 address that make one address to these bounds.
    pub ipv6_prefix: u8,
    /// Whether members of one network are introduced to each other before all others. A member then takes 50 to 125 bytes more.
    pub neighbours_first: bool,
    /// Torrents in one scrape reply; the reply stays far below the longest message.
    pub scrape: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(120),
            member_timeout: Duration::from_secs(3 * 120),
            address_interval: Duration::from_secs(600),
            address_timeout: Duration::from_secs(1_500),
            offer_timeout: Duration::from_secs(120),
            offers_per_announce: 20,
            offer_bytes: shared::limits::SDP_MAX,
            members_per_socket: 1_024,
            peer_ids_per_swarm: 16,
            members_per_address: 4_096,
            peers_per_swarm: 256,
            members_per_torrent: 100_000,
            members: 1_000_000,
            pending_per_socket: 2_048,
            pending: 500_000,
            ipv6_prefix: 64,
            neighbours_first: false,
            scrape: 512,
        }
    }
}

impl Refusal {
    /// How many there are.
    pub const KINDS: usize = 7;

    /// Which of them it is, from 0 on.
    pub const fn kind(self) -> usize {
        match self {
            Self::Socket(_) => 0,
            Self::PeerIds(_) => 1,
            Self::Address(_) => 2,
            Self::AddressInSwarm(_) => 3,
            Self::Swarm(_) => 4,
            Self::Tracker(_) => 5,
            Self::Addresses(_) => 6,
        }
    }
}

/// Why somebody is not admitted. Each names the bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// [`Limits::members_per_socket`].
    #[error("too many swarms on one connection: at most {0}")]
    Socket(usize),
    /// [`Limits::peer_ids_per_swarm`].
    #[error("too many peer_ids of one connection in one swarm: at most {0}")]
    PeerIds(usize),
    /// [`Limits::members_per_address`].
    #[error("too many peers of your address in all swarms: at most {0}")]
    Address(usize),
    /// [`Limits::peers_per_swarm`].
    #[error("too many peers of your address in this swarm: at most {0}")]
    AddressInSwarm(usize),
    /// [`Limits::members_per_torrent`].
    #[error("this swarm is full: at most {0} peers")]
    Swarm(usize),
    /// [`Limits::members`].
    #[error("this tracker is full: at most {0} peers")]
    Tracker(usize),
    /// Half of [`Limits::members`].
    #[error("this tracker is full: at most {0} peers over HTTP and UDP")]
    Addresses(usize),
}
