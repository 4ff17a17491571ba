//! The page's part of a connection: `RTCPeerConnection` exists on the page only.
//!
//! A data channel is given to the engine worker in the same task in which it is made or announced, before it can have
//! had an event; where the browser cannot transfer channels, `relay` carries its bytes.

mod connection;
mod gather;
mod relay;
mod stats;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use shared::id::{ConnId, EffectId};
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::{JsFuture, spawn_local};

use crate::compare::wire::Traffic;
use crate::protocol::ToWorker;
use connection::PeerConnection;
pub use stats::paths;

/// Chromium refuses the 501st connection of a process, and tabs share processes.
const CONNECTIONS_MAX: usize = 240;

/// Posts a message to the worker, with handles that are given away.
pub type Sink = Rc<dyn Fn(ToWorker, Vec<JsValue>)>;

/// All peer connections of this tab.
#[derive(Clone)]
pub struct Connections {
    shared: Rc<Shared>,
}

struct Shared {
    sink: Sink,
    ice_servers: RefCell<JsValue>,
    relay: Cell<bool>,
    open: RefCell<BTreeMap<ConnId, Rc<PeerConnection>>>,
    /// What connections that ended had carried, where somebody measures.
    ended: RefCell<Option<BTreeMap<ConnId, js_sys::Promise<JsValue>>>>,
}

impl Connections {
    /// No connections yet; `sink` takes what the worker should hear.
    pub fn new(sink: Sink) -> Self {
        let ice_servers = RefCell::new(js_sys::Array::new().into());
        Self {
            shared: Rc::new(Shared {
                sink,
                ice_servers,
                relay: Cell::new(true),
                open: RefCell::default(),
                ended: RefCell::default(),
            }),
        }
    }

    /// Sets the STUN and TURN servers of connections made from now on: an array as `RTCConfiguration` takes it.
    pub fn set_ice_servers(&self, servers: JsValue) {
        self.shared.ice_servers.replace(servers);
    }

    /// Sets whether the channels of connections made from now on stay on the page.
    pub fn set_relay(&self, relay: bool) {
        self.shared.relay.set(relay);
    }

    /// Makes a connection and an offer.
    pub fn offer(&self, effect: EffectId, conn: ConnId) {
        match self.make(conn, true) {
            Ok(peer) => self.describe(effect, conn, async move { peer.offer().await }),
            Err(reason) => self.say(ToWorker::Described { effect, conn, sdp: Err(reason) }),
        }
    }

    /// Makes a connection for a remote offer, and an answer.
    pub fn answer(&self, effect: EffectId, conn: ConnId, sdp: String) {
        match self.make(conn, false) {
            Ok(peer) => self.describe(effect, conn, async move { peer.answer(&sdp).await }),
            Err(reason) => self.say(ToWorker::Described { effect, conn, sdp: Err(reason) }),
        }
    }

    /// Gives a remote answer to a connection that offered.
    pub fn accept(&self, effect: EffectId, conn: ConnId, sdp: String) {
        let Some(peer) = self.peer(conn) else {
            return self
                .say(ToWorker::Accepted { effect, failure: Some("the connection is gone".to_owned()) });
        };
        let this = self.clone();
        spawn_local(async move {
            let failure = peer.accept(&sdp).await.err().map(|error| error.to_string());
            this.say(ToWorker::Accepted { effect, failure });
        });
    }

    /// Sends on a relayed channel.
    pub fn send(&self, conn: ConnId, buffer: &JsValue) {
        if let Some(peer) = self.peer(conn) {
            peer.send(buffer);
        }
    }

    /// Ends a connection.
    pub fn close(&self, conn: ConnId) {
        let Some(peer) = self.shared.open.borrow_mut().remove(&conn) else { return };
        let Some(ended) = &mut *self.shared.ended.borrow_mut() else { return peer.close() };
        let report: js_sys::Promise<JsValue> = peer.pc().get_stats().unchecked_into();
        ended.insert(conn, report.clone());
        spawn_local(async move {
            // Closed once it has answered: Chromium's counts are 0 where the end overtakes the question.
            let _ = JsFuture::from(report).await;
            peer.close();
        });
    }

    /// Whether what connections carried is kept after their end. Each change forgets what was kept.
    pub fn meter(&self, on: bool) {
        self.shared.ended.replace(on.then(BTreeMap::new));
    }

    /// What each connection has carried, those included that ended while it was kept.
    pub async fn traffic(&self) -> BTreeMap<ConnId, Traffic> {
        let ended: Vec<_> = {
            let ended = self.shared.ended.borrow();
            ended.iter().flatten().map(|(conn, report)| (*conn, report.clone())).collect()
        };
        stats::traffic(self, ended).await
    }

    /// Ends all of them: the worker is gone, or the page is about to be.
    pub fn close_all(&self) {
        let all = std::mem::take(&mut *self.shared.open.borrow_mut());
        for peer in all.values() {
            peer.close();
        }
    }

    /// Whether there is any connection to ask statistics of.
    pub fn is_empty(&self) -> bool {
        self.shared.open.borrow().is_empty()
    }

    fn make(&self, conn: ConnId, offering: bool) -> Result<Rc<PeerConnection>, String> {
        if self.shared.open.borrow().len() >= CONNECTIONS_MAX {
            return Err(format!("this tab has {CONNECTIONS_MAX} connections already"));
        }
        let servers = self.shared.ice_servers.borrow().clone();
        let sink = Rc::clone(&self.shared.sink);
        let peer = PeerConnection::new(conn, &servers, offering, self.shared.relay.get(), sink)
            .map_err(|error| error.to_string())?;
        let peer = Rc::new(peer);
        self.shared.open.borrow_mut().insert(conn, Rc::clone(&peer));
        Ok(peer)
    }

    fn describe(
        &self,
        effect: EffectId,
        conn: ConnId,
        description: impl Future<Output = Result<String, crate::platform::JsError>> + 'static,
    ) {
        let this = self.clone();
        spawn_local(async move {
            let sdp = description.await.map_err(|error| error.to_string());
            if sdp.is_err() {
                this.close(conn);
            }
            this.say(ToWorker::Described { effect, conn, sdp });
        });
    }

    fn peer(&self, conn: ConnId) -> Option<Rc<PeerConnection>> {
        self.shared.open.borrow().get(&conn).cloned()
    }

    fn all(&self) -> Vec<(ConnId, Rc<PeerConnection>)> {
        self.shared.open.borrow().iter().map(|(conn, peer)| (*conn, Rc::clone(peer))).collect()
    }

    fn say(&self, message: ToWorker) {
        (self.shared.sink)(message, Vec::new());
    }
}
