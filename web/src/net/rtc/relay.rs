//! A data channel that stays on the page: its bytes go to and from the worker as transferred buffers.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use gloo_timers::callback::Timeout;
use js_sys::ArrayBuffer;
use shared::id::ConnId;
use shared::limits::SEND_BUFFER_HIGH;
use wasm_bindgen::{JsCast as _, JsValue};
use web_sys::{Event, MessageEvent, RtcDataChannel};

use super::Sink;
use super::connection::PeerConnection;
use crate::platform::JsError;
use crate::platform::listener::Listener;
use crate::protocol::ToWorker;

/// How long a channel that is being closed may take to send what it has.
const DRAIN_MS: u32 = 3_000;

/// The page's end of a relayed channel.
pub(super) struct Relay {
    conn: ConnId,
    channel: RtcDataChannel,
    /// Bytes taken from the worker so far. Told back with each report, so that the worker can add what was still on its way.
    taken: Rc<Cell<u64>>,
    sink: Sink,
    _listeners: Vec<Listener>,
}

impl Relay {
    pub(super) fn new(conn: ConnId, channel: RtcDataChannel, sink: Sink) -> Result<Self, JsError> {
        channel.set_buffered_amount_low_threshold(SEND_BUFFER_HIGH as u32 / 2);
        let taken = Rc::new(Cell::new(0));
        let opened = {
            let sink = Rc::clone(&sink);
            Listener::new(&channel, "open", move |_: Event| {
                sink(ToWorker::ChannelOpened { conn }, Vec::new())
            })?
        };
        let closed = {
            let sink = Rc::clone(&sink);
            Listener::new(&channel, "close", move |_: Event| {
                sink(ToWorker::ChannelClosed { conn }, Vec::new())
            })?
        };
        let data = {
            let sink = Rc::clone(&sink);
            Listener::new(&channel, "message", move |event: MessageEvent| {
                // Text has no place in the protocol; a peer that sends some is not answered.
                if event.data().is_instance_of::<ArrayBuffer>() {
                    sink(ToWorker::ChannelData { conn }, vec![event.data()]);
                }
            })?
        };
        let drained = {
            let (sink, channel, taken) = (Rc::clone(&sink), channel.clone(), Rc::clone(&taken));
            Listener::new(&channel.clone(), "bufferedamountlow", move |_: Event| {
                sink(drained(conn, &channel, taken.get()), Vec::new());
            })?
        };
        Ok(Self { conn, channel, taken, sink, _listeners: vec![opened, closed, data, drained] })
    }

    pub(super) fn send(&self, buffer: &JsValue) {
        let Some(buffer) = buffer.dyn_ref::<ArrayBuffer>() else { return };
        self.taken.set(self.taken.get() + u64::from(buffer.byte_length()));
        if let Err(error) = self.channel.send_with_array_buffer(buffer) {
            let reason = JsError::from(error).to_string();
            return (self.sink)(ToWorker::ConnectionFailed { conn: self.conn, reason }, Vec::new());
        }
        // Nothing that stays below the threshold gives an event: the worker hears of it here.
        if (self.channel.buffered_amount() as usize) <= SEND_BUFFER_HIGH / 2 {
            (self.sink)(drained(self.conn, &self.channel, self.taken.get()), Vec::new());
        }
    }

    /// Closes the channel, which sends what it has first, and lets go of the connection after that.
    pub(super) fn drain_and_close(self, connection: Rc<PeerConnection>) {
        self.channel.close();
        let owned = Rc::new(RefCell::new(None));
        let end = {
            let owned = Rc::clone(&owned);
            move || drop(owned.borrow_mut().take())
        };
        let timeout = Timeout::new(DRAIN_MS, end);
        owned.replace(Some((self, connection, timeout)));
    }
}

fn drained(conn: ConnId, channel: &RtcDataChannel, taken: u64) -> ToWorker {
    ToWorker::ChannelDrained { conn, buffered: u64::from(channel.buffered_amount()), taken }
}
