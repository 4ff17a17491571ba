//! What page and engine worker say to each other. Handles that serde cannot carry (files, channels, buffers) travel
//! beside the message, see [`crate::platform::message`]; each variant says which.

use serde::{Deserialize, Serialize};
use shared::engine::{Command, TorrentSnapshot};
use shared::id::{ConnId, EffectId, InfoHash};

use crate::client::{Backing, Capabilities, Creation, CreationId, Level, Quota, Stored};

/// What the page tells the worker.
#[derive(Debug, Serialize, Deserialize)]
pub enum ToWorker {
    /// A throw-away `RTCDataChannel` beside it, before anything else: the worker notes whether one came.
    ProbeChannel,
    /// First of all, and once.
    Start(StartOptions),
    /// To the engine as it is.
    Command(Command),
    /// A link was opened; parsed by the page already.
    OpenLink {
        /// What it names.
        torrent: InfoHash,
        /// The link as text.
        link: String,
    },
    /// A `.torrent` was opened. Answer: [`FromWorker::TorrentOpened`].
    OpenTorrent {
        /// Correlates the answer.
        request: u32,
        /// The whole file.
        #[serde(with = "serde_bytes")]
        metainfo: Vec<u8>,
    },
    /// Hashes files and seeds them. Beside it: the `File`s, in the order of `paths`.
    Share {
        /// Given by the page.
        id: CreationId,
        /// Name of the torrent, where one was chosen.
        name: Option<String>,
        /// Path of each file, the dropped folder's name first.
        paths: Vec<Vec<String>>,
    },
    /// Gives up a creation, or takes it off the list.
    CancelShare(CreationId),
    /// Goes on with what an earlier tab left.
    ResumeStored {
        /// Which torrent.
        torrent: InfoHash,
        /// Which of its directories.
        slot: u32,
    },
    /// Deletes what an earlier tab left.
    DiscardStored {
        /// Which torrent.
        torrent: InfoHash,
        /// Which of its directories.
        slot: u32,
    },
    /// Asks for the bytes of a verified file. Answer: [`FromWorker::File`].
    File {
        /// Correlates the answer.
        request: u32,
        /// Which torrent.
        torrent: InfoHash,
        /// Which of its files.
        file: usize,
    },
    /// Asks for the `.torrent`. Answer: [`FromWorker::File`].
    TorrentFile {
        /// Correlates the answer.
        request: u32,
        /// Which torrent.
        torrent: InfoHash,
    },
    /// What came of [`FromWorker::Offer`] or [`FromWorker::Answer`]: a description with its candidates.
    Described {
        /// The effect that asked.
        effect: EffectId,
        /// Which connection.
        conn: ConnId,
        /// The description, or why there is none.
        sdp: Result<String, String>,
    },
    /// What came of [`FromWorker::Accept`].
    Accepted {
        /// The effect that asked.
        effect: EffectId,
        /// Why it was not taken, if it was not.
        failure: Option<String>,
    },
    /// A data channel was made. Beside it: the `RTCDataChannel`, or nothing where the page relays its bytes.
    Channel {
        /// Of which connection.
        conn: ConnId,
    },
    /// A relayed channel is open.
    ChannelOpened {
        /// Which.
        conn: ConnId,
    },
    /// A message of a relayed channel. Beside it: an `ArrayBuffer`.
    ChannelData {
        /// Which.
        conn: ConnId,
    },
    /// A relayed channel has sent most of what it had.
    ChannelDrained {
        /// Which.
        conn: ConnId,
        /// Bytes that wait in the browser.
        buffered: u64,
        /// Bytes that the page has taken from the worker for this channel so far.
        taken: u64,
    },
    /// A relayed channel was closed by the other side.
    ChannelClosed {
        /// Which.
        conn: ConnId,
    },
    /// The peer connection itself failed (ICE, DTLS), whether its channel was open or not.
    ConnectionFailed {
        /// Which.
        conn: ConnId,
        /// In the browser's words.
        reason: String,
    },
    /// Whether the browser promised to keep our storage.
    Persisted(bool),
    /// The tab is about to go.
    Shutdown,
}

/// What the worker is started with.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct StartOptions {
    /// Announce URL of this origin, added to every torrent.
    pub tracker: String,
    /// What the page has found out.
    pub capabilities: Capabilities,
    /// Keeps everything in memory, as if there were no private file system.
    pub force_memory: bool,
    /// Directories that this tab held before it was reloaded. Their locks may take a moment to come free.
    pub held: Vec<(InfoHash, u32)>,
}

/// What the worker tells the page.
#[derive(Debug, Serialize, Deserialize)]
pub enum FromWorker {
    /// Its wasm runs: messages are heard from now on.
    Loaded,
    /// It is started and has looked around.
    Ready {
        /// With the worker's part filled in.
        capabilities: Capabilities,
        /// What earlier tabs left.
        stored: Vec<Stored>,
    },
    /// All torrents, in order, as they are now.
    Transfers(Vec<TransferUpdate>),
    /// All creations.
    Creations(Vec<Creation>),
    /// What earlier tabs left, after a change.
    Stored(Vec<Stored>),
    /// Storage of the origin, after a change.
    Quota(Option<Quota>),
    /// Directories that this tab holds, after a change.
    Held(Vec<(InfoHash, u32)>),
    /// Something for a person.
    Notice {
        /// How much it matters.
        level: Level,
        /// About which torrent.
        torrent: Option<InfoHash>,
        /// In words.
        text: String,
    },
    /// Ask the browser to keep our storage. Answer: [`ToWorker::Persisted`].
    Persist,
    /// Make a connection with one data channel, and an offer. Answers: [`ToWorker::Channel`], [`ToWorker::Described`].
    Offer {
        /// Correlates the answer.
        effect: EffectId,
        /// What the connection is called.
        conn: ConnId,
    },
    /// Make a connection that answers an offer. Answers: [`ToWorker::Described`], later [`ToWorker::Channel`].
    Answer {
        /// Correlates the answer.
        effect: EffectId,
        /// What the connection is called.
        conn: ConnId,
        /// The offer.
        sdp: String,
    },
    /// Give an answer to a connection that offered. Answer: [`ToWorker::Accepted`].
    Accept {
        /// Correlates the answer.
        effect: EffectId,
        /// Which.
        conn: ConnId,
        /// The remote answer.
        sdp: String,
    },
    /// Send on a relayed channel. Beside it: an `ArrayBuffer`.
    Send {
        /// Which.
        conn: ConnId,
    },
    /// Close a connection: a relayed channel first sends what it has.
    Close {
        /// Which.
        conn: ConnId,
    },
    /// Answer to [`ToWorker::OpenTorrent`].
    TorrentOpened {
        /// Which request.
        request: u32,
        /// It as a link, trackers included, or why it is none, in words for a person.
        link: Result<String, String>,
    },
    /// Answer to [`ToWorker::File`] and [`ToWorker::TorrentFile`]. Beside it, where it worked: a `Blob` or `File`.
    File {
        /// Which request.
        request: u32,
        /// The file's own name, or why there is none.
        name: Result<String, String>,
    },
    /// The worker cannot go on.
    Died {
        /// Why.
        reason: String,
    },
}

/// One torrent, as the worker tells it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TransferUpdate {
    /// The engine's view.
    pub torrent: TorrentSnapshot,
    /// Why it stopped, in words for a person, where it did.
    pub failure: Option<String>,
    /// Where its bytes are.
    pub backing: Backing,
    /// Whether data channels live in the worker; otherwise the page relays their bytes.
    pub direct: bool,
}
