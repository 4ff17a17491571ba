//! The WebSocket of one tracker. When to connect and when to try again is the engine's business.

use std::rc::Rc;

use shared::limits;
use wasm_bindgen::JsCast as _;
use web_sys::{CloseEvent, Event, MessageEvent, WebSocket};

use crate::platform::JsError;
use crate::platform::listener::Listener;

/// Codes that `close()` takes: normal closure.
const NORMAL: u16 = 1000;

/// What a tracker's socket tells.
#[derive(Debug)]
pub enum Heard {
    /// It is open.
    Opened,
    /// A text frame.
    Text(String),
    /// It closed, or could not be opened.
    Closed(String),
}

/// A socket; closed when dropped, after what was sent has left.
pub struct TrackerSocket {
    socket: WebSocket,
    _listeners: [Listener; 3],
}

impl TrackerSocket {
    /// Begins to connect.
    pub fn connect(url: &str, heard: Rc<dyn Fn(Heard)>) -> Result<Self, JsError> {
        let socket = WebSocket::new(url)?;
        let opened = {
            let heard = Rc::clone(&heard);
            Listener::new(&socket, "open", move |_: Event| heard(Heard::Opened))?
        };
        let message = {
            let heard = Rc::clone(&heard);
            Listener::new(&socket, "message", move |event: MessageEvent| {
                // Binary frames and what no tracker sends are left out.
                if let Some(text) = event.data().dyn_ref::<js_sys::JsString>()
                    && text.length() as usize <= limits::TRACKER_MESSAGE_MAX
                {
                    heard(Heard::Text(text.into()));
                }
            })?
        };
        // An error is always followed by a close, which says as much as a page may know.
        let closed = Listener::new(&socket, "close", move |event: CloseEvent| {
            let reason =
                if event.reason().is_empty() { format!("code {}", event.code()) } else { event.reason() };
            heard(Heard::Closed(reason));
        })?;
        Ok(Self { socket, _listeners: [opened, message, closed] })
    }

    /// Sends a text frame.
    pub fn send(&self, text: &str) -> Result<(), JsError> {
        Ok(self.socket.send_with_str(text)?)
    }
}

impl Drop for TrackerSocket {
    fn drop(&mut self) {
        // Fails only for a code that may not be used.
        let _ = self.socket.close_with_code(NORMAL);
    }
}
