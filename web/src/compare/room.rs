//! Tabs of one browser that take part in one comparison: the one that leads it, receivers, and perhaps one that seeds.

use serde::{Deserialize, Serialize};
use wasm_bindgen::JsCast as _;
use web_sys::{BroadcastChannel, MessageEvent};

use super::model::{Lane, Outcome};
use crate::platform::JsError;
use crate::platform::listener::Listener;

/// What the tabs say to each other. Only those of this origin hear it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Said {
    /// A receiver is there, under this name.
    Here {
        /// Its own name.
        tab: String,
    },
    /// A receiver goes.
    Gone {
        /// Its own name.
        tab: String,
    },
    /// All receivers are to begin.
    Run(Task),
    /// A receiver has this much of what it was told to fetch.
    Far {
        /// Whose.
        tab: String,
        /// Of which task.
        number: u32,
        /// Bytes.
        bytes: u64,
    },
    /// A receiver has ended a task.
    Done {
        /// Whose.
        tab: String,
        /// Which task.
        number: u32,
        /// What came of it.
        outcome: Outcome,
    },
    /// All receivers are to give up what they do.
    Stop,
    /// All tabs that were opened are to close.
    Close,
    /// The tab that is to seed is there.
    SeedHere,
    /// It is to fetch this file of the server's and seed it.
    Seed {
        /// From the root.
        path: String,
        /// Of the file.
        name: String,
    },
    /// It seeds, or does not.
    Seeding {
        /// Which file, from the root: another may have been chosen meanwhile.
        path: String,
        /// The magnet link, or why not.
        outcome: Result<String, String>,
    },
}

/// One transfer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// Grows.
    pub number: u32,
    /// Which way.
    pub lane: Lane,
    /// Origin for HTTP.
    pub origin: String,
    /// Path for HTTP, or the link for P2P.
    pub what: String,
    /// Bytes expected.
    pub size: u64,
}

/// One comparison's channel. It is left when this is dropped.
pub struct Room {
    channel: BroadcastChannel,
    _listener: Listener,
}

impl Room {
    /// Enters the room of this name; `hear` is told what others say there.
    pub fn enter(name: &str, hear: impl Fn(Said) + 'static) -> Result<Self, JsError> {
        let channel = BroadcastChannel::new(&["piecemeal-compare-", name].concat())?;
        let listener = Listener::new(&channel, "message", move |event: MessageEvent| {
            // A tab of another build may say what this one does not know.
            let Ok(bytes) = event.data().dyn_into::<js_sys::Uint8Array>() else { return };
            if let Ok(said) = postcard::from_bytes(&bytes.to_vec()) {
                hear(said);
            }
        })?;
        Ok(Self { channel, _listener: listener })
    }

    /// Says something to all others.
    pub fn say(&self, said: &Said) {
        let Ok(bytes) = postcard::to_allocvec(said) else { return };
        // Fails only for what cannot be cloned, and bytes can.
        let _ = self.channel.post_message(&js_sys::Uint8Array::from(bytes.as_slice()));
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.channel.close();
    }
}

/// Whether this may be a room's name: what an address brings is not taken as it comes.
pub fn is_name(name: &str) -> bool {
    (16..=64).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}
