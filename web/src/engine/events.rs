//! What the engine tells, for people.

use shared::engine::{Event, Phase};
use shared::limits;

use super::host::Host;
use crate::client::Level;
use crate::protocol::FromWorker;
use crate::text;

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
                self.failures.remove(&torrent);
            }
            // One more than fits is the person's to mend; the rest (of a torrent that was just removed) is not.
            Event::Refused { torrent, reason } => {
                web_sys::console::warn_1(&reason.into());
                if self.engine.snapshot(self.now).torrents.len() >= limits::TORRENTS_MAX {
                    self.notice(Level::Warning, torrent, text::TOO_MANY);
                }
            }
            // The transfer's status says it, in words; the reason as it came is for whoever looks into it.
            Event::Failed { torrent, failure } => {
                self.publisher.hurry();
                web_sys::console::warn_1(&format!("{torrent}: {failure}").into());
                self.failures.insert(torrent, text::failure(&failure));
            }
            // Beside the pieces that were thrown away: nobody has to do anything.
            Event::PeerBanned { torrent, peer } => {
                web_sys::console::warn_1(&format!("{torrent}: {peer} is shut out").into());
            }
            // The list of web seeds shows it.
            Event::WebSeedConvicted { torrent, url } => {
                web_sys::console::warn_1(&format!("{torrent}: {url} gave wrong bytes").into());
            }
            // In the tracker's own line.
            Event::TrackerWarning { tracker, text } => {
                web_sys::console::debug_1(&format!("{tracker:?} says: {text}").into());
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
