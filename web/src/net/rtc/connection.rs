//! One `RTCPeerConnection`.

use std::cell::RefCell;
use std::rc::Rc;

use shared::id::ConnId;
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    Event, RtcConfiguration, RtcDataChannel, RtcDataChannelEvent, RtcDataChannelType, RtcPeerConnection,
    RtcPeerConnectionState, RtcSdpType, RtcSessionDescriptionInit,
};

use super::relay::Relay;
use super::{Sink, gather};
use crate::platform::JsError;
use crate::platform::listener::Listener;
use crate::protocol::ToWorker;

/// A connection and, where it stays on the page, its channel. Closed when dropped.
pub(super) struct PeerConnection {
    pc: RtcPeerConnection,
    relay: Rc<RefCell<Option<Relay>>>,
    _listeners: Vec<Listener>,
}

impl PeerConnection {
    /// Makes the connection. The offering side makes the one data channel; the answering side waits for it.
    pub(super) fn new(
        conn: ConnId,
        ice_servers: &JsValue,
        offering: bool,
        relayed: bool,
        sink: Sink,
    ) -> Result<Self, JsError> {
        let configuration = RtcConfiguration::new();
        configuration.set_ice_servers(ice_servers);
        let pc = RtcPeerConnection::new_with_configuration(&configuration)?;
        let relay: Rc<RefCell<Option<Relay>>> = Rc::default();

        let state = {
            let (pc, sink) = (pc.clone(), Rc::clone(&sink));
            Listener::new(&pc.clone(), "connectionstatechange", move |_: Event| {
                if pc.connection_state() == RtcPeerConnectionState::Failed {
                    let reason = "no path between the two networks".to_owned();
                    sink(ToWorker::ConnectionFailed { conn, reason }, Vec::new());
                }
            })?
        };
        let announced = {
            let (relay, sink) = (Rc::clone(&relay), Rc::clone(&sink));
            let mut first = !offering;
            Listener::new(&pc, "datachannel", move |event: RtcDataChannelEvent| {
                // One channel a connection; a remote that opens more has those closed.
                if std::mem::take(&mut first) {
                    hand_over(conn, event.channel(), relayed, &relay, &sink);
                } else {
                    event.channel().close();
                }
            })?
        };
        if offering {
            hand_over(conn, pc.create_data_channel("piecemeal"), relayed, &relay, &sink);
        }
        Ok(Self { pc, relay, _listeners: vec![state, announced] })
    }

    /// An offer, complete with candidates.
    pub(super) async fn offer(&self) -> Result<String, JsError> {
        let offer = JsFuture::from(self.pc.create_offer()).await?;
        self.describe(offer.unchecked_into()).await
    }

    /// An answer to a remote offer, complete with candidates.
    pub(super) async fn answer(&self, sdp: &str) -> Result<String, JsError> {
        self.set_remote(RtcSdpType::Offer, sdp).await?;
        let answer = JsFuture::from(self.pc.create_answer()).await?;
        self.describe(answer.unchecked_into()).await
    }

    /// Takes the remote answer to our offer.
    pub(super) async fn accept(&self, sdp: &str) -> Result<(), JsError> {
        self.set_remote(RtcSdpType::Answer, sdp).await
    }

    /// Sends on the relayed channel.
    pub(super) fn send(&self, buffer: &JsValue) {
        if let Some(relay) = &*self.relay.borrow() {
            relay.send(buffer);
        }
    }

    /// Closes the channel, which sends what it has first, and then the connection.
    pub(super) fn close(self: &Rc<Self>) {
        let relay = self.relay.borrow_mut().take();
        match relay {
            // Dropped, and with it closed, when the relay has drained.
            Some(relay) => relay.drain_and_close(Rc::clone(self)),
            None => self.pc.close(),
        }
    }

    pub(super) fn pc(&self) -> &RtcPeerConnection {
        &self.pc
    }

    async fn set_remote(&self, kind: RtcSdpType, sdp: &str) -> Result<(), JsError> {
        let description = RtcSessionDescriptionInit::new(kind);
        description.set_sdp(sdp);
        JsFuture::from(self.pc.set_remote_description(&description)).await?;
        Ok(())
    }

    async fn describe(&self, description: RtcSessionDescriptionInit) -> Result<String, JsError> {
        JsFuture::from(self.pc.set_local_description(&description)).await?;
        gather::complete(&self.pc).await?;
        let local = self.pc.local_description();
        local.map(|local| local.sdp()).ok_or_else(|| JsError::unexpected("expected a local description"))
    }
}

impl Drop for PeerConnection {
    fn drop(&mut self) {
        self.pc.close();
    }
}

/// Gives a channel to the worker, or keeps it and carries its bytes.
fn hand_over(
    conn: ConnId,
    channel: RtcDataChannel,
    relayed: bool,
    relay: &RefCell<Option<Relay>>,
    sink: &Sink,
) {
    channel.set_binary_type(RtcDataChannelType::Arraybuffer);
    if !relayed {
        return sink(ToWorker::Channel { conn }, vec![channel.into()]);
    }
    sink(ToWorker::Channel { conn }, Vec::new());
    match Relay::new(conn, channel, Rc::clone(sink)) {
        Ok(made) => {
            relay.replace(Some(made));
        }
        Err(error) => sink(ToWorker::ConnectionFailed { conn, reason: error.to_string() }, Vec::new()),
    }
}
