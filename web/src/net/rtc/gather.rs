//! Waiting for candidates: descriptions leave whole, candidates are not sent one by one (trackers relay two messages only).

use std::cell::RefCell;
use std::rc::Rc;

use futures_channel::oneshot;
use gloo_timers::callback::Timeout;
use web_sys::{Event, RtcIceGatheringState, RtcPeerConnection, RtcPeerConnectionIceEvent};

use crate::platform::JsError;
use crate::platform::listener::Listener;

/// A STUN server that does not answer holds gathering up for ten seconds; host candidates come within milliseconds.
const AFTER_FIRST_MS: u32 = 1_500;

/// Without any candidate by then there is no network; the description goes out as it is.
const AT_MOST_MS: u32 = 3_000;

/// Resolves when gathering is complete, or when waiting longer is not worth it.
pub(super) async fn complete(pc: &RtcPeerConnection) -> Result<(), JsError> {
    if pc.ice_gathering_state() == RtcIceGatheringState::Complete {
        return Ok(());
    }
    let (sender, receiver) = oneshot::channel();
    let sender = Rc::new(RefCell::new(Some(sender)));
    let done = move || {
        if let Some(sender) = sender.borrow_mut().take() {
            // The receiver waits below.
            let _ = sender.send(());
        }
    };

    let cap = Timeout::new(AT_MOST_MS, done.clone());
    let state = {
        let (pc, done) = (pc.clone(), done.clone());
        Listener::new(&pc.clone(), "icegatheringstatechange", move |_: Event| {
            if pc.ice_gathering_state() == RtcIceGatheringState::Complete {
                done();
            }
        })?
    };
    let mut after_first = None;
    let candidates = Listener::new(pc, "icecandidate", move |event: RtcPeerConnectionIceEvent| {
        if event.candidate().is_none() {
            done();
        } else if after_first.is_none() {
            after_first = Some(Timeout::new(AFTER_FIRST_MS, done.clone()));
        }
    })?;
    // Cancelled only where the sender is gone, which lives as long as the listeners.
    let _ = receiver.await;
    drop((cap, state, candidates));
    Ok(())
}
