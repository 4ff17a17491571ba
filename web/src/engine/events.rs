//! What the engine tells, for people.

use shared::engine::{Event, Phase};

use super::host::Host;
use crate::client::Level;
use crate::protocol::FromWorker;

impl Host {
    pub(super) fn event(&mut self, event: Event) {
        match event {
            Event::Added(_) => self.publisher.hurry(),
            Event::Phase { torrent: _, phase } => {
                self.publisher.hurry();
                if phase == Phase::Downloading {
                    self.ask_to_persist();
                }
            }
            Event::Removed(torrent) => {
                self.publisher.hurry();
                self.sources.remove(&torrent);
            }
            Event::Refused { torrent, reason } => self.notice(Level::Warning, torrent, reason),
            Event::Failed { torrent, failure } => {
                self.publisher.hurry();
                self.notice(Level::Error, Some(torrent), failure.to_string());
            }
            Event::PeerBanned { torrent, peer: _ } => {
                let text = "Somebody sent pieces that do not match the link. They were thrown away, and nothing \
                            more is taken from there.";
                self.notice(Level::Warning, Some(torrent), text);
            }
            Event::TrackerWarning { tracker: _, text } => {
                self.notice(Level::Info, None, format!("A tracker says: {text}"));
            }
            // The list of peers shows that it went; why it went is for whoever looks into a slow or lonely transfer.
            Event::PeerClosed { torrent, conn, reason } => {
                web_sys::console::debug_1(&format!("{torrent}: {conn:?} ended: {reason}").into());
            }
            // Seen in the snapshot, at its pace.
            Event::PieceVerified { .. } | Event::PieceFailed { .. } | Event::PeerConnected { .. } => {}
        }
    }

    /// Asks the browser, once, not to clear our storage when it needs room: something is about to be worth keeping.
    fn ask_to_persist(&mut self) {
        if self.library.is_some() && !std::mem::replace(&mut self.asked_to_persist, true) {
            self.say(&FromWorker::Persist);
        }
    }
}
