//! The worker's end of a data channel: its own, or one that the page relays.

use std::cell::RefCell;
use std::rc::Rc;

use bytes::Bytes;
use js_sys::{ArrayBuffer, Uint8Array};
use shared::limits::{SEND_BUFFER_HIGH, SEND_MESSAGE_MAX};
use wasm_bindgen::{JsCast as _, JsValue};
use web_sys::{Event, MessageEvent, RtcDataChannel, RtcDataChannelState, RtcDataChannelType};

use crate::platform::listener::Listener;
use crate::platform::{JsError, files};

/// The send buffer has drained when it holds that little.
const LOW: usize = SEND_BUFFER_HIGH / 2;

/// What a remote takes that does not say (RFC 8841, section 6).
const MAX_MESSAGE_UNSAID: usize = 64 * 1024;

/// Messages that may come before the channel is said to be open: a handshake and what may follow it unasked.
const EARLY_MAX: usize = 16;

/// What a channel tells.
#[derive(Debug)]
pub enum Heard {
    /// It is open.
    Opened,
    /// Bytes.
    Data(Bytes),
    /// The send buffer has drained.
    Drained,
    /// The other side closed it.
    Closed,
}

/// A channel and what is known of its send buffer.
pub struct Channel {
    route: Route,
    /// Bytes that the engine believes are buffered: what it was told last, and what it sent since.
    believed: usize,
}

enum Route {
    Direct { channel: RtcDataChannel, _listeners: [Listener; 4] },
    Relayed { post: Rc<dyn Fn(JsValue)>, sent: u64 },
}

impl Channel {
    /// Takes over a channel that was transferred to this worker. [`Self::is_open`] tells whether it is open already;
    /// if not, it will be heard.
    pub fn direct(channel: RtcDataChannel, heard: Rc<dyn Fn(Heard)>) -> Result<Self, JsError> {
        channel.set_binary_type(RtcDataChannelType::Arraybuffer);
        channel.set_buffered_amount_low_threshold(LOW as u32);
        let tell = |event: &'static str, make: fn() -> Heard| {
            let heard = Rc::clone(&heard);
            Listener::new(&channel, event, move |_: Event| heard(make()))
        };
        // Browsers deliver the first messages of a transferred channel before they say that it is open, and nothing
        // can be sent until they do.
        let early: Rc<RefCell<Vec<Bytes>>> = Rc::default();
        let opened = {
            let (heard, early) = (Rc::clone(&heard), Rc::clone(&early));
            Listener::new(&channel, "open", move |_: Event| {
                heard(Heard::Opened);
                early.take().into_iter().for_each(|data| heard(Heard::Data(data)));
            })?
        };
        let drained = tell("bufferedamountlow", || Heard::Drained)?;
        let closed = tell("close", || Heard::Closed)?;
        let data = {
            let (heard, own) = (Rc::clone(&heard), channel.clone());
            Listener::new(&channel, "message", move |event: MessageEvent| {
                // Text has no place in the protocol; a peer that sends some is not answered.
                if !event.data().is_instance_of::<ArrayBuffer>() {
                    return;
                }
                let data = files::bytes_of(&event.data());
                if own.ready_state() != RtcDataChannelState::Connecting {
                    return heard(Heard::Data(data));
                }
                let mut early = early.borrow_mut();
                if early.len() < EARLY_MAX {
                    early.push(data);
                } else {
                    // The peer sends a lot to somebody who has not said a word: the protocol has no use for that.
                    own.close();
                }
            })?
        };
        Ok(Self {
            route: Route::Direct { channel, _listeners: [opened, drained, closed, data] },
            believed: 0,
        })
    }

    /// A channel that the page relays; `post` takes a buffer to it.
    pub fn relayed(post: Rc<dyn Fn(JsValue)>) -> Self {
        Self { route: Route::Relayed { post, sent: 0 }, believed: 0 }
    }

    /// Whether it was open when it came here, so that no event will tell.
    pub fn is_open(&self) -> bool {
        matches!(&self.route, Route::Direct { channel, .. } if channel.ready_state() == RtcDataChannelState::Open)
    }

    /// Sends one message.
    pub fn send(&mut self, data: &[u8]) -> Result<(), JsError> {
        self.believed += data.len();
        match &mut self.route {
            Route::Direct { channel, .. } => Ok(channel.send_with_u8_array(data)?),
            Route::Relayed { post, sent } => {
                *sent += data.len() as u64;
                post(Uint8Array::from(data).buffer().into());
                Ok(())
            }
        }
    }

    /// Bytes buffered, if the engine should be told: it believes in more than `LOW`, and there are no more than `LOW`,
    /// so that no event would come. To be asked after everything was sent that there was to send.
    pub fn overestimated(&mut self) -> Option<usize> {
        let Route::Direct { channel, .. } = &self.route else { return None };
        if self.believed <= LOW {
            return None;
        }
        let buffered = channel.buffered_amount() as usize;
        (buffered <= LOW).then(|| self.believe(buffered))
    }

    /// Takes in that a channel of this worker has drained; answers what is buffered.
    pub fn drained(&mut self) -> usize {
        let buffered = match &self.route {
            Route::Direct { channel, .. } => channel.buffered_amount() as usize,
            Route::Relayed { .. } => self.believed,
        };
        self.believe(buffered)
    }

    /// Takes in the page's report on a relayed channel: what waits in the browser, and how much of what was sent had
    /// arrived at the page by then. Answers what is buffered, where the engine should be told.
    pub fn drained_on_page(&mut self, buffered: u64, taken: u64) -> Option<usize> {
        let Route::Relayed { sent, .. } = &self.route else { return None };
        let on_the_way = sent.saturating_sub(taken);
        let buffered = (buffered + on_the_way) as usize;
        (self.believed > LOW && buffered <= LOW).then(|| self.believe(buffered))
    }

    /// Begins to close; what was sent before leaves first. Answers whether a close event will tell the end.
    pub fn close(&self) -> bool {
        match &self.route {
            Route::Direct { channel, .. } => {
                let closed = channel.ready_state() == RtcDataChannelState::Closed;
                channel.close();
                !closed
            }
            Route::Relayed { .. } => false,
        }
    }

    fn believe(&mut self, buffered: usize) -> usize {
        self.believed = buffered;
        buffered
    }
}

/// The most that the writer of this description takes in one message (`a=max-message-size`, RFC 8841), and no more
/// than we send in any case.
pub fn max_message(sdp: &str) -> usize {
    let said = sdp.lines().find_map(|line| line.trim_end().strip_prefix("a=max-message-size:"));
    match said.and_then(|said| said.trim().parse::<u64>().ok()) {
        None => MAX_MESSAGE_UNSAID,
        // No limit.
        Some(0) => SEND_MESSAGE_MAX,
        Some(said) => usize::try_from(said).unwrap_or(usize::MAX).min(SEND_MESSAGE_MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_of_messages_is_read_from_the_description() {
        assert_eq!(max_message("v=0\r\na=max-message-size:262144\r\n"), 262_144);
        assert_eq!(max_message("a=max-message-size:1000\n"), 1_000);
        assert_eq!(max_message("a=max-message-size:1073741823\r\n"), SEND_MESSAGE_MAX);
        assert_eq!(max_message("a=max-message-size:0\r\n"), SEND_MESSAGE_MAX);
        assert_eq!(max_message("v=0\r\na=sctp-port:5000\r\n"), MAX_MESSAGE_UNSAID);
    }
}
