//! Does what the engine says.

use std::rc::Rc;

use bytes::Bytes;
use sha1::{Digest as _, Sha1};
use shared::engine::{ClosedBy, Effect, EffectFailure, EffectResult, Input, Output};
use shared::id::{ConnId, EffectId, TrackerId};
use shared::time::Instant;
use shared::tracker::ws::refusal_code;
use wasm_bindgen_futures::spawn_local;

use super::fetches::Wanted;
use super::host::{Host, Socket};
use super::stores::Work;
use crate::client::same_server;
use crate::net::announce_token;
use crate::net::tracker_socket::{Heard, TrackerSocket};
use crate::protocol::FromWorker;

impl Host {
    /// Does everything that the engine wants now, and notes when it wants to be called next.
    pub(super) fn drain(&mut self, now: Instant) {
        self.now = now;
        loop {
            match self.engine.poll_output() {
                Output::Timeout(next) => {
                    self.deadline = next.map(|(deadline, _)| deadline);
                    return;
                }
                Output::Send { conn, data } => self.send(conn, &data),
                Output::Close { conn, reason: _ } => self.close(conn),
                // Not asked for: `Config::dials` is not set.
                Output::Dial { conn, address: _ } => self.lose(conn, ClosedBy::Unreachable),
                Output::TrackerConnect { tracker, url } => self.connect_tracker(tracker, &url),
                Output::TrackerSend { tracker, text } => self.send_to_tracker(tracker, &text),
                Output::TrackerClose(tracker) => drop(self.sockets.remove(&tracker)),
                Output::Effect { id, effect } => self.perform(id, effect),
                Output::Event(event) => self.event(event),
            }
        }
    }

    fn perform(&mut self, id: EffectId, effect: Effect) {
        match effect {
            Effect::Open { torrent, metainfo } => self.open_store(id, torrent, &metainfo),
            Effect::Read { torrent, offset, length } => self.work(torrent, Work::Read { id, offset, length }),
            Effect::Check { torrent, offset, length } => {
                self.work(torrent, Work::Check { id, offset, length })
            }
            Effect::Write { torrent, offset, blocks } => {
                self.work(torrent, Work::Write { id, offset, blocks })
            }
            Effect::Persist { torrent, record } => self.work(torrent, Work::Persist { id, record }),
            Effect::Close { torrent, erase } => self.close_store(id, torrent, erase),
            Effect::Hash { blocks } => self.pump.done(id, EffectResult::Digest(sha1(&blocks))),
            Effect::Fetch { conn, url, offset, length } => {
                self.fetch(id, conn, Wanted { url, offset, length });
            }
            // Not asked for: `Config::dials` is not set.
            Effect::Announce { .. } => {
                let why = "a browser does not reach it".to_owned();
                self.pump.done(id, EffectResult::Failed(EffectFailure::Unsupported(why)));
            }
            Effect::Offer { conn } => {
                if self.begin_connection(id, conn, None) {
                    self.say(&FromWorker::Offer { effect: id, conn });
                }
            }
            Effect::Answer { conn, sdp } => {
                if self.begin_connection(id, conn, Some(&sdp)) {
                    self.say(&FromWorker::Answer { effect: id, conn, sdp });
                }
            }
            Effect::Accept { conn, sdp } => {
                self.described(conn, &sdp);
                self.say(&FromWorker::Accept { effect: id, conn, sdp });
            }
        }
    }

    fn connect_tracker(&mut self, tracker: TrackerId, url: &str) {
        self.sockets_made += 1;
        let number = self.sockets_made;
        let is_own = self.accounts && same_server(url, &self.tracker);
        self.sockets.insert(tracker, Socket { number, is_own, socket: None });
        if !is_own || !self.asks_token {
            return self.open_socket(tracker, number, url);
        }
        let (pump, url) = (self.pump.clone(), url.to_owned());
        spawn_local(async move {
            let url = announce_token::with_token(&url).await;
            pump.run(move |host| host.open_socket(tracker, number, &url));
        });
    }

    fn open_socket(&mut self, tracker: TrackerId, number: u64, url: &str) {
        let pump = self.pump.clone();
        let heard = Rc::new(move |heard: Heard| {
            pump.run(move |host| host.hear_tracker(tracker, number, heard));
        });
        // It may be wanted no longer, or another in its place.
        let Some(place) = self.sockets.get_mut(&tracker).filter(|present| present.number == number) else {
            return;
        };
        match TrackerSocket::connect(url, heard) {
            Ok(socket) => place.socket = Some(socket),
            Err(error) => {
                self.sockets.remove(&tracker);
                self.pump.input(Input::TrackerClosed { tracker, reason: error.to_string() });
            }
        }
    }

    fn hear_tracker(&mut self, tracker: TrackerId, number: u64, heard: Heard) {
        // A tracker's next socket has the same id; what the one before still says is not about it.
        let Some(present) = self.sockets.get(&tracker).filter(|present| present.number == number) else {
            return;
        };
        self.pump.input(match heard {
            Heard::Opened => Input::TrackerOpened(tracker),
            Heard::Text(text) => {
                let wants_login = |code: String| code == "login_required" || code == "credential_invalid";
                if present.is_own && refusal_code(&text).is_some_and(wants_login) {
                    self.say(&FromWorker::LoginRequired);
                }
                Input::TrackerMessage { tracker, text }
            }
            Heard::Closed(reason) => {
                self.sockets.remove(&tracker);
                Input::TrackerClosed { tracker, reason }
            }
        });
    }

    /// Somebody logged in, or out: the sockets to our own tracker are opened anew, for them.
    pub(super) fn logged_in(&mut self, is: bool) {
        self.asks_token = self.accounts && is;
        let own: Vec<TrackerId> =
            self.sockets.iter().filter(|(_, socket)| socket.is_own).map(|(tracker, _)| *tracker).collect();
        for tracker in own {
            self.sockets.remove(&tracker);
            let reason = "opened again for another login".to_owned();
            self.pump.input(Input::TrackerClosed { tracker, reason });
        }
    }

    fn send_to_tracker(&self, tracker: TrackerId, text: &str) {
        let Some(socket) = self.sockets.get(&tracker).and_then(|present| present.socket.as_ref()) else {
            return;
        };
        // A socket that is closing says so by its own event; only one that is not open yet makes this fail.
        if let Err(error) = socket.send(text) {
            self.pump.input(Input::TrackerClosed { tracker, reason: error.to_string() });
        }
    }

    fn send(&mut self, conn: ConnId, data: &Bytes) {
        let Some(channel) =
            self.connections.get_mut(&conn).and_then(|connection| connection.channel.as_mut())
        else {
            return;
        };
        if let Err(error) = channel.send(data) {
            self.lose(conn, ClosedBy::Transport(error.to_string()));
        }
    }
}

/// Why an effect that needs WebRTC fails without it.
pub(super) fn no_webrtc() -> EffectResult {
    EffectResult::Failed(EffectFailure::Unsupported("this browser has no WebRTC".to_owned()))
}

/// SHA-1 over blocks, one after the other.
pub(super) fn sha1(blocks: &[Bytes]) -> [u8; 20] {
    let mut sha1 = Sha1::new();
    for block in blocks {
        sha1.update(block);
    }
    sha1.finalize().into()
}
