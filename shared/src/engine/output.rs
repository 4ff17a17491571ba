use core::net::SocketAddr;

use bytes::Bytes;

use super::{Effect, Event, Timer};
use crate::id::{ConnId, EffectId, TrackerId};
use crate::peer::CloseReason;
use crate::time::Instant;

/// What to do next. Drained until [`Output::Timeout`].
#[derive(Debug)]
pub enum Output {
    /// Nothing more for now. The host gives [`super::Input::Timeout`] at that instant if nothing else happens before;
    /// `None` is never.
    Timeout(Option<(Instant, Timer)>),
    /// Sends bytes: one message of at most the connection's `max_message` on a data channel.
    Send {
        /// Which connection.
        conn: ConnId,
        /// Whole wire messages where they fit.
        data: Bytes,
    },
    /// Ends a connection, after what was sent before has left as far as the transport can. No
    /// `ConnectionClosed` is expected in return, and one that comes is ignored.
    Close {
        /// Which connection.
        conn: ConnId,
        /// Why.
        reason: CloseReason,
    },
    /// Opens a TCP connection. The host answers with `ConnectionOpened` or `ConnectionClosed`. Only where
    /// [`super::Config::dials`] is set.
    Dial {
        /// What it will be called.
        conn: ConnId,
        /// Where to.
        address: SocketAddr,
    },
    /// Opens a WebSocket to a tracker.
    TrackerConnect {
        /// What it will be called.
        tracker: TrackerId,
        /// `ws:` or `wss:` URL.
        url: String,
    },
    /// Sends one text message to a tracker whose socket is open.
    TrackerSend {
        /// Which.
        tracker: TrackerId,
        /// The whole text frame.
        text: String,
    },
    /// Closes the WebSocket of a tracker that no torrent needs any more, after what was sent has left, or of one that no
    /// longer replies. No `TrackerClosed` is expected in return; the tracker may be connected again later.
    TrackerClose(TrackerId),
    /// Does some work and reports its result.
    Effect {
        /// Correlates the result.
        id: EffectId,
        /// What to do.
        effect: Effect,
    },
    /// Something that a host may show or log; nothing is expected in return.
    Event(Event),
}
