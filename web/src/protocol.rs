//! What page and engine worker say to each other. Handles that serde cannot carry (files, channels, buffers) travel
//! beside the message, see [`crate::platform::message`]; each variant says which.

use serde::{Deserialize, Serialize};
use shared::engine::{Command, FileSnapshot, TorrentSnapshot};
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
    /// Somebody logged in here, or out: the socket to our own tracker stands for somebody else from now on.
    LoggedIn(bool),
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
    /// Whether our own tracker has accounts.
    pub accounts: bool,
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
    /// Our own tracker wants a login.
    LoginRequired,
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
    /// The engine's view, without the files: a hundred thousand of them, four times a second, would freeze the page.
    pub torrent: TorrentSnapshot,
    /// What is new of the files.
    pub files: FilesUpdate,
    /// Why it stopped, in words for a person, where it did.
    pub failure: Option<String>,
    /// Where its bytes are.
    pub backing: Backing,
    /// Whether data channels live in the worker; otherwise the page relays their bytes.
    pub direct: bool,
}

/// What is new of a torrent's files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum FilesUpdate {
    /// Nothing.
    #[default]
    Same,
    /// All of them, as soon as they are known.
    All {
        /// In the torrent's order.
        files: Vec<FileSnapshot>,
        /// Numbers of those that only pad (BEP 47), in order: nothing to be listed or saved.
        padding: Vec<u32>,
    },
    /// Verified bytes of those that have more, or fewer, than before, by number.
    Verified(Vec<(u32, u64)>),
}

impl FilesUpdate {
    /// What makes of `told` what `now` is, and keeps that in `told`. `padding` is asked only where all are told.
    pub fn between(
        told: &mut Vec<FileSnapshot>,
        now: Vec<FileSnapshot>,
        padding: impl FnOnce() -> Vec<u32>,
    ) -> Self {
        // Paths and lengths are the metadata's: they come once.
        if told.len() != now.len() {
            told.clone_from(&now);
            return Self::All { files: now, padding: padding() };
        }
        let mut changed = Vec::new();
        for (number, (told, now)) in (0..).zip(told.iter_mut().zip(now)) {
            if told.verified != now.verified {
                told.verified = now.verified;
                changed.push((number, now.verified));
            }
        }
        if changed.is_empty() { Self::Same } else { Self::Verified(changed) }
    }

    /// Brings a view's files up to date; answers whether they changed.
    pub fn apply(self, files: &mut Vec<FileSnapshot>, padding: &mut Vec<u32>) -> bool {
        match self {
            Self::Same => return false,
            Self::All { files: all, padding: pads } => {
                *files = all;
                *padding = pads;
            }
            Self::Verified(changed) => {
                for (number, verified) in changed {
                    if let Some(file) = files.get_mut(number as usize) {
                        file.verified = verified;
                    }
                }
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(verified: &[u64]) -> Vec<FileSnapshot> {
        let file = |verified: &u64| FileSnapshot { path: "a".to_owned(), length: 9, verified: *verified };
        verified.iter().map(file).collect()
    }

    #[test]
    fn the_list_of_files_comes_once_and_then_what_changed() {
        let (mut told, mut shown, mut padding) = (Vec::new(), Vec::new(), Vec::new());
        for (now, expected) in [
            (files(&[]), FilesUpdate::Same),
            (files(&[0, 0, 0]), FilesUpdate::All { files: files(&[0, 0, 0]), padding: vec![1] }),
            (files(&[0, 0, 0]), FilesUpdate::Same),
            (files(&[9, 0, 4]), FilesUpdate::Verified(vec![(0, 9), (2, 4)])),
            (files(&[0, 0, 0]), FilesUpdate::Verified(vec![(0, 0), (2, 0)])),
        ] {
            let update = FilesUpdate::between(&mut told, now.clone(), || vec![1]);
            assert_eq!(update, expected);
            assert_eq!(update.clone().apply(&mut shown, &mut padding), update != FilesUpdate::Same);
            assert_eq!(shown, now);
        }
        assert_eq!(padding, [1]);
    }
}
