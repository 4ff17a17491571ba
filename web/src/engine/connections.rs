//! Connections as the worker sees them: asked of the page, their channels here.

use std::rc::Rc;

use gloo_timers::callback::Timeout;
use shared::engine::{ClosedBy, EffectFailure, EffectResult, Input};
use shared::id::{ConnId, EffectId};
use shared::limits::SEND_MESSAGE_MAX;
use wasm_bindgen::{JsCast as _, JsValue};

use super::effects::no_webrtc;
use super::host::Host;
use super::pump::Pump;
use crate::net::channel::{Channel, Heard, max_message};
use crate::platform::message::Port as _;
use crate::platform::{files, scope};
use crate::protocol::FromWorker;

/// How long a connection may take from the exchange of descriptions until its channel is open. Browsers give up on
/// their own after 15 to 30 seconds.
const OPEN_WITHIN_MS: u32 = 25_000;

/// How long a channel that is being closed may take to send what it has.
const CLOSE_WITHIN_MS: u32 = 3_000;

/// A connection that the engine asked for.
pub(super) struct Connection {
    pub(super) channel: Option<Channel>,
    max_message: usize,
    open: bool,
    /// Runs while both descriptions are known and the channel is not open.
    overdue: Option<Timeout>,
}

/// A channel that sends what it has before it closes.
pub(super) struct Closing {
    _channel: Channel,
    _overdue: Timeout,
}

impl Host {
    /// Notes a connection that the page is to make; `remote` is the offer it answers. Answers whether it can be.
    pub(super) fn begin_connection(&mut self, effect: EffectId, conn: ConnId, remote: Option<&str>) -> bool {
        if !self.capabilities.webrtc {
            self.pump.done(effect, no_webrtc());
            return false;
        }
        let max_message = remote.map_or(SEND_MESSAGE_MAX, max_message);
        self.connections.insert(conn, Connection { channel: None, max_message, open: false, overdue: None });
        true
    }

    /// Takes in the remote description of a connection that we offered.
    pub(super) fn described(&mut self, conn: ConnId, remote: &str) {
        if let Some(connection) = self.connections.get_mut(&conn) {
            connection.max_message = max_message(remote);
        }
        self.expect_open(conn);
    }

    /// The page has made a description, or could not.
    pub(super) fn hear_description(&mut self, effect: EffectId, conn: ConnId, sdp: Result<String, String>) {
        let result = match sdp {
            Ok(sdp) => EffectResult::Sdp(sdp),
            Err(reason) => {
                self.connections.remove(&conn);
                EffectResult::Failed(EffectFailure::Failed(reason))
            }
        };
        self.pump.done(effect, result);
    }

    /// From here on the channel has to open in time.
    pub(super) fn expect_open(&mut self, conn: ConnId) {
        let Some(connection) = self.connections.get_mut(&conn).filter(|connection| !connection.open) else {
            return;
        };
        let pump = self.pump.clone();
        connection.overdue = Some(Timeout::new(OPEN_WITHIN_MS, move || {
            pump.run(move |host| host.lose(conn, ClosedBy::Unreachable));
        }));
    }

    /// A channel came to this worker, or is relayed by the page.
    fn take_channel(&mut self, conn: ConnId, channel: Channel) {
        match self.connections.get_mut(&conn) {
            Some(connection) => connection.channel = Some(channel),
            // Closed meanwhile; dropping a channel here does not close it.
            None => {
                channel.close();
            }
        }
    }

    /// A channel is open.
    pub(super) fn opened(&mut self, conn: ConnId) {
        let Some(connection) = self.connections.get_mut(&conn).filter(|connection| !connection.open) else {
            return;
        };
        connection.open = true;
        connection.overdue = None;
        let max_message = connection.max_message;
        self.pump.input(Input::ConnectionOpened { conn, max_message });
    }

    /// Bytes of a relayed channel.
    pub(super) fn relayed_data(&self, conn: ConnId, buffer: &JsValue) {
        if self.connections.contains_key(&conn) {
            self.pump.input(Input::ConnectionData { conn, data: files::bytes_of(buffer) });
        }
    }

    /// The page's report on a relayed channel.
    pub(super) fn relayed_drained(&mut self, conn: ConnId, buffered: u64, taken: u64) {
        let channel = self.connections.get_mut(&conn).and_then(|connection| connection.channel.as_mut());
        if let Some(buffered) = channel.and_then(|channel| channel.drained_on_page(buffered, taken)) {
            self.pump.input(Input::ConnectionWritable { conn, buffered });
        }
    }

    /// The other side closed a channel, or a channel that we closed is done.
    pub(super) fn closed(&mut self, conn: ConnId) {
        if self.closing.remove(&conn).is_some() {
            self.say(&FromWorker::Close { conn });
        } else {
            self.lose(conn, ClosedBy::Remote);
        }
    }

    /// The peer connection failed.
    pub(super) fn failed(&mut self, conn: ConnId, reason: String) {
        if self.closing.remove(&conn).is_some() {
            self.say(&FromWorker::Close { conn });
        }
        let open = self.connections.get(&conn).is_some_and(|connection| connection.open);
        self.lose(conn, if open { ClosedBy::Transport(reason) } else { ClosedBy::Unreachable });
    }

    /// A connection is no more: tells engine and page.
    pub(super) fn lose(&mut self, conn: ConnId, by: ClosedBy) {
        if self.connections.remove(&conn).is_some() {
            self.say(&FromWorker::Close { conn });
            self.pump.input(Input::ConnectionClosed { conn, by });
        }
    }

    /// The engine closes a connection: what was sent leaves first.
    pub(super) fn close(&mut self, conn: ConnId) {
        if self.fetches.remove(&conn).is_some() {
            return;
        }
        let Some(connection) = self.connections.remove(&conn) else { return };
        let lingering = connection.channel.filter(|channel| connection.open && channel.close());
        let Some(channel) = lingering else {
            return self.say(&FromWorker::Close { conn });
        };
        let pump = self.pump.clone();
        let overdue = Timeout::new(CLOSE_WITHIN_MS, move || pump.run(move |host| host.closed(conn)));
        self.closing.insert(conn, Closing { _channel: channel, _overdue: overdue });
    }

    /// Buffers of which the engine believes too much, and of which no event would tell.
    pub(super) fn correct_buffers(&mut self) {
        for (conn, connection) in &mut self.connections {
            if let Some(buffered) = connection.channel.as_mut().and_then(Channel::overestimated) {
                self.pump.input(Input::ConnectionWritable { conn: *conn, buffered });
            }
        }
    }

    fn drained(&mut self, conn: ConnId) {
        let channel = self.connections.get_mut(&conn).and_then(|connection| connection.channel.as_mut());
        if let Some(channel) = channel {
            let buffered = channel.drained();
            self.pump.input(Input::ConnectionWritable { conn, buffered });
        }
    }
}

/// The page gives a channel to this worker, or says that it relays one.
///
/// The host takes it in its turn; it is listened to at once, since what a channel says to nobody is lost.
pub(super) fn hear_channel(pump: &Pump, conn: ConnId, handle: Option<JsValue>) {
    let Some(handle) = handle else {
        return pump.run(move |host| host.take_channel(conn, Channel::relayed(relay(conn))));
    };
    let heard = {
        let pump = pump.handle();
        Rc::new(move |heard: Heard| match heard {
            Heard::Data(data) => pump.input(Input::ConnectionData { conn, data }),
            Heard::Opened => pump.run(move |host| host.opened(conn)),
            Heard::Drained => pump.run(move |host| host.drained(conn)),
            Heard::Closed => pump.run(move |host| host.closed(conn)),
        })
    };
    match Channel::direct(handle.unchecked_into(), heard) {
        Ok(channel) => {
            let open = channel.is_open();
            pump.run(move |host| host.take_channel(conn, channel));
            if open {
                pump.run(move |host| host.opened(conn));
            }
        }
        Err(error) => pump.run(move |host| host.lose(conn, ClosedBy::Transport(error.to_string()))),
    }
}

/// Gives buffers of a relayed channel to the page.
fn relay(conn: ConnId) -> Rc<dyn Fn(JsValue)> {
    Rc::new(move |buffer| {
        let posted = scope::worker().and_then(|page| page.post(&FromWorker::Send { conn }, &[buffer], &[]));
        if let Err(error) = posted {
            web_sys::console::error_1(&format!("a message to the page was lost: {error}").into());
        }
    })
}
