//! What trackers say, brought to the torrents that it is about.

use super::{EffectFailure, EffectResult, Engine, Event};
use crate::id::{InfoHash, TrackerId};
use crate::limits;
use crate::time::Instant;
use crate::torrent::{Job, Torrent};
use crate::tracker::ws::{Action, ServerMessage, reconnect};

impl Engine {
    pub(super) fn tracker_opened(&mut self, tracker: TrackerId) {
        if self.trackers.opened(tracker) {
            for info_hash in self.torrents_of(tracker) {
                self.with(info_hash, |torrent, ctx| torrent.tracker_opened(ctx, tracker));
            }
        }
    }

    pub(super) fn tracker_closed(&mut self, tracker: TrackerId, reason: &str) {
        if self.trackers.closed(tracker, self.ctx.now, reconnect::wait(reason)) {
            for info_hash in self.torrents_of(tracker) {
                self.with(info_hash, |torrent, _| torrent.tracker_closed(tracker));
            }
        }
    }

    /// An announce made at `since` has no reply: if nothing else came either, the other end of the socket is gone, which
    /// no transport tells before it gives up sending.
    pub(super) fn tracker_silent(&mut self, tracker: TrackerId, since: Instant) {
        if self.trackers.is_silent(tracker, since) {
            self.ctx.actions.push_back(crate::torrent::Action::Disconnect(tracker));
            self.tracker_closed(tracker, "");
        }
    }

    pub(super) fn tracker_message(&mut self, tracker: TrackerId, text: &str) {
        if !self.trackers.spoke(tracker, self.ctx.now) {
            return;
        }
        let message = match ServerMessage::parse(text) {
            Ok(message) => message,
            Err(error) => return self.warn(tracker, &error.to_string()),
        };
        match message {
            ServerMessage::Announced(reply) => {
                let mut known = false;
                self.with_of(tracker, reply.info_hash, |torrent, ctx| {
                    torrent.announced(ctx, tracker, &reply);
                    known = true;
                });
                if let Some(warning) = reply.warning.filter(|_| known) {
                    self.warn(tracker, &warning);
                }
            }
            ServerMessage::Offer { info_hash, peer_id, offer_id, sdp } => {
                self.with_of(tracker, info_hash, |torrent, ctx| {
                    torrent.offered(ctx, tracker, peer_id, offer_id, sdp)
                });
            }
            ServerMessage::Answer { info_hash, peer_id, offer_id, sdp } => {
                self.with_of(tracker, info_hash, |torrent, ctx| {
                    torrent.answered(ctx, peer_id, offer_id, sdp)
                });
            }
            ServerMessage::Invitation { reports } => self.trackers.invited(tracker, reports, self.ctx.now),
            ServerMessage::Failure { action: Some(Action::Scrape), .. } | ServerMessage::Scraped { .. } => {}
            ServerMessage::Failure { action: _, info_hash, reason } => {
                self.refused(tracker, info_hash, &reason)
            }
        }
    }

    /// The tracker refuses: one torrent, or, where it does not say which, all that wait for its reply.
    fn refused(&mut self, tracker: TrackerId, info_hash: Option<InfoHash>, reason: &str) {
        let about = info_hash.map_or_else(|| self.torrents_of(tracker), |info_hash| vec![info_hash]);
        let mut concerns = false;
        for concerned in about {
            self.with_of(tracker, concerned, |torrent, ctx| {
                concerns |= torrent.refused(ctx, tracker, reason, info_hash.is_some());
            });
        }
        if concerns {
            self.warn(tracker, reason);
        }
    }

    /// What a tracker that was asked over HTTP or UDP wants a person to know.
    pub(super) fn hear_tracker(&mut self, job: Job, result: &EffectResult) {
        let Job::Announce { tracker, .. } = job else { return };
        match result {
            EffectResult::Announced(response) => {
                if let Some(warning) = &response.warning {
                    self.warn(tracker, warning);
                }
            }
            EffectResult::Failed(EffectFailure::Refused(reason)) => self.warn(tracker, reason),
            _ => {}
        }
    }

    /// A tracker said something that a person should know: once, however often it says so.
    fn warn(&mut self, tracker: TrackerId, text: &str) {
        let text: String = text.chars().take(limits::TRACKER_TEXT_MAX).collect();
        if self.trackers.says(tracker, &text) {
            self.ctx.event(Event::TrackerWarning { tracker, text });
        }
    }

    /// Like [`Engine::with`], if the torrent has this tracker: another may not speak about it.
    fn with_of(
        &mut self,
        tracker: TrackerId,
        info_hash: InfoHash,
        hear: impl FnOnce(&mut Torrent, &mut super::Context),
    ) {
        if self.torrents.get(&info_hash).is_some_and(|torrent| torrent.trackers().any(|of| of == tracker)) {
            self.with(info_hash, hear);
        }
    }

    pub(super) fn torrents_of(&self, tracker: TrackerId) -> Vec<InfoHash> {
        let names = |torrent: &&Torrent| torrent.trackers().any(|of| of == tracker);
        self.torrents.values().filter(names).map(Torrent::info_hash).collect()
    }
}
