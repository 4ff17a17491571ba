//! Every bound of the engine, with its reason. What comes from outside is checked against these before anything is
//! allocated for it.

/// The unit of requests on the wire: what every client asks for and the largest that most serve (BEP 3).
pub const BLOCK_LENGTH: u32 = 16 * 1024;

/// Smallest piece length: one block.
pub const PIECE_LENGTH_MIN: u32 = BLOCK_LENGTH;

/// Largest piece length we create; a piece is held in memory until it is verified.
pub const PIECE_LENGTH_MAX_CREATED: u32 = 4 * 1024 * 1024;

/// Largest piece length we accept from others; 64 MiB is the largest seen in the wild.
pub const PIECE_LENGTH_MAX: u32 = 64 * 1024 * 1024;

/// Most pieces in one torrent: 4 MiB pieces reach 8 TiB, and the hashes stay under 40 MB.
pub const PIECES_MAX: u32 = 2_000_000;

/// Most files in one torrent.
pub const FILES_MAX: usize = 100_000;

/// Largest info dictionary that we fetch from peers or read from a `.torrent` (20 bytes a piece, 100 or so a file).
pub const METADATA_MAX: usize = 48 * 1024 * 1024;

/// Deepest nesting of lists and dictionaries in bencode; a multi-file info dictionary needs five.
pub const BENCODE_DEPTH_MAX: usize = 32;

/// Largest block that we serve or accept. Stock WebTorrent closes above 128 KiB as well.
pub const REQUEST_LENGTH_MAX: u32 = 128 * 1024;

/// Longest wire message that we accept: a bitfield of `PIECES_MAX`, or a block with its header, whichever is longer.
pub const WIRE_MESSAGE_MAX: usize = (PIECES_MAX as usize / 8) + 1024;

/// Bytes that we put into one data-channel message, however large the peer would take it. 256 KiB is what Chromium takes.
pub const SEND_MESSAGE_MAX: usize = 256 * 1024;

/// Bytes that may wait in the host's send buffer of one connection before we hold back.
pub const SEND_BUFFER_HIGH: usize = 1024 * 1024;

/// Requests of one peer that we queue; also the `reqq` that we announce (BEP 10). At 16 KiB a block: 8 MiB in flight.
pub const REQUESTS_QUEUED_MAX: usize = 512;

/// Connections of one torrent, of either direction, including those not yet open.
pub const PEERS_PER_TORRENT: usize = 60;

/// Addresses of peers that are known of one torrent; some 200 bytes each. A swarm of thousands is not met whole anyway.
pub const ADDRESSES_PER_TORRENT: usize = 1_000;

/// Addresses of one torrent that share a public IP address. A few, for peers behind one router; more would let a stranger
/// have every port of somebody knocked at.
pub const ADDRESSES_PER_IP: usize = 4;

/// Dials under way at once for one torrent: enough to find a few that answer among many that do not.
pub const DIALS_PER_TORRENT: usize = 20;

/// Dials under way at once, of all torrents. Home routers forget connections when there are many half-open ones.
pub const DIALS_OPEN_MAX: usize = 60;

/// Addresses that one message of peer exchange may add, and as many that it may drop (BEP 11); further ones are left out.
pub const PEX_ADDRESSES_MAX: usize = 50;

/// Torrents in one engine.
pub const TORRENTS_MAX: usize = 200;

/// Trackers of one torrent; a link that names more has the rest left out.
pub const TRACKERS_PER_TORRENT: usize = 12;

/// Offers in one announce; five is what stock WebTorrent sends, ten the most that aquatic takes.
pub const OFFERS_PER_ANNOUNCE: usize = 5;

/// Longest session description that we take from a tracker. Six host candidates need about 3 KiB.
pub const SDP_MAX: usize = 32 * 1024;

/// Longest message of the WebSocket tracker protocol, either direction.
pub const TRACKER_MESSAGE_MAX: usize = 128 * 1024;

/// Longest URL that a link or torrent may name.
pub const URL_MAX: usize = 2_048;

/// Longest link that we parse.
pub const LINK_MAX: usize = 64 * 1024;

/// Bytes of pieces that are begun but not verified and written, per torrent. Holds a few pieces of the largest size we create.
pub const PIECES_IN_MEMORY_MAX: usize = 96 * 1024 * 1024;

/// Longest payload of an extension message (BEP 10): a block of metadata with its dictionary, with room for extensions
/// that list peers.
pub const EXTENDED_MAX: u32 = 64 * 1024;

/// Most characters of a program's name and version as a peer tells them.
pub const CLIENT_NAME_MAX: usize = 64;

/// Longest `.torrent`: the info dictionary, and what stands beside it (trackers, web seeds, the piece layers of a hybrid).
pub const TORRENT_MAX: usize = METADATA_MAX + 16 * 1024 * 1024;

/// Most characters of a torrent's comment that are kept.
pub const COMMENT_MAX: usize = 1_000;

/// Most parts of a path within a torrent.
pub const PATH_PARTS_MAX: usize = 32;

/// Longest name of a file or folder in bytes; what ext4, APFS, NTFS and OPFS all take.
pub const NAME_MAX: usize = 255;

/// Web seeds of one torrent; further ones are left out.
pub const WEB_SEEDS_PER_TORRENT: usize = 16;

/// Places of the `.torrent` that a link may name; further ones are left out.
pub const LINK_SOURCES_MAX: usize = 4;

/// Addresses of peers that a link may name; further ones are left out.
pub const LINK_PEERS_MAX: usize = 16;

/// Ranges of files that a link may name.
pub const LINK_RANGES_MAX: usize = 1_024;

/// Bytes of blocks read or being read for one peer but not yet given to the host: keeps the channel full while the next
/// read is under way.
pub const UPLOAD_AHEAD: usize = 1024 * 1024;

/// Most bytes in one read for a peer; adjacent requests are read together.
pub const READ_LENGTH_MAX: u32 = 512 * 1024;

/// Pieces on their way to peers that a seed keeps account of, so that each goes to one of them first.
pub const PIECES_GIVEN_MAX: usize = 4_096;

/// Bytes of control messages that may wait for one peer. A peer that takes so little for so long is closed.
pub const CONTROL_QUEUED_MAX: usize = 4 * 1024 * 1024;

/// Requests that a peer may have unanswered when it does not say how many it queues (libtorrent's default).
pub const REQUESTS_QUEUED_DEFAULT: usize = 250;

/// Requests that are given up but may still be answered, remembered per peer, so that a late block is not held
/// against it.
pub const REQUESTS_FORGIVEN_MAX: usize = 2 * REQUESTS_QUEUED_MAX;

/// Requests for metadata of one peer that we queue: enough for the largest metadata asked for at once.
pub const METADATA_REQUESTS_MAX: usize = METADATA_MAX / (16 * 1024);

/// Pieces that a peer may name as allowed while choked (BEP 6); stock WebTorrent keeps 100.
pub const ALLOWED_FAST_MAX: usize = 100;

/// Peers banned from one torrent that are remembered; beyond it the oldest are forgotten.
pub const BANNED_MAX: usize = 1_000;

/// Checks of stored pieces under way at once for one torrent: keeps a disk busy, not the memory.
pub const CHECKS_IN_FLIGHT: usize = 4;

/// Offers of strangers that are being answered at once for one torrent; each is a connection that may never open.
pub const ANSWERS_PENDING_MAX: usize = 20;

/// Characters of a tracker's own words that are kept.
pub const TRACKER_TEXT_MAX: usize = 200;

/// Offers that are open at once, of all torrents: each is a connection in the browser, and Chromium has 500 a process.
pub const OFFERS_OPEN_MAX: usize = 100;

/// Failed pieces whose blocks are remembered by their hashes, to find out who gave wrong ones; 44 bytes a block.
pub const SUSPICIONS_MAX: usize = 64;

/// Addresses of peers that we take from one reply of a tracker, and the most that ours gives; trackers send 50 to 200.
pub const TRACKER_PEERS_MAX: usize = 1_000;

/// Longest reply of an HTTP tracker that we read: `TRACKER_PEERS_MAX` in the form of dictionaries, twice over.
pub const TRACKER_REPLY_MAX: usize = 256 * 1024;

/// Longest query of an HTTP announce or scrape that is taken apart.
pub const TRACKER_QUERY_MAX: usize = 8 * 1024;

/// Longest `tracker id` that is kept and sent back, in bytes.
pub const TRACKER_ID_MAX: usize = 256;

/// Swarms in one scrape that names them: what fits into one UDP packet (BEP 15).
pub const SCRAPE_HASHES_MAX: usize = 74;

/// Peers that a report of our own to a tracker names: the fastest. [`PEERS_PER_TORRENT`] are connected at most, and few of them
/// carry most of the bytes.
pub const REPORT_PEERS_MAX: usize = 32;

/// Longest such report: as many peers, each with an id of which every byte is escaped.
pub const REPORT_MAX: usize = 1_024 + 256 * REPORT_PEERS_MAX;

/// Seconds between two such reports of one torrent that a tracker may ask for.
pub const REPORT_INTERVAL: core::ops::RangeInclusive<u32> = 1..=3_600;
