//! Peer exchange (BEP 11): what peers over TCP tell each other of the swarm.

use core::net::SocketAddr;
use std::collections::BTreeMap;

use super::addresses::Source;
use super::{Context, Torrent};
use crate::address;
use crate::id::ConnId;
use crate::metainfo::Metainfo;
use crate::peer::Peer;
use crate::wire::extension::pex::{Contact, PexMessage};

impl Torrent {
    /// Whether addresses are exchanged with a peer over TCP. In a private torrent peers come from its trackers alone
    /// (BEP 27).
    pub(super) fn exchanges(&self, ctx: &Context) -> bool {
        ctx.dials && !self.is_private()
    }

    fn is_private(&self) -> bool {
        self.meta.as_ref().is_some_and(|meta: &std::sync::Arc<Metainfo>| meta.is_private())
    }

    /// A peer said whom it is connected to. Whom it no longer is may be there all the same.
    pub(super) fn exchanged(&mut self, ctx: &Context, message: &PexMessage) {
        if self.exchanges(ctx) {
            for contact in &message.added {
                self.add_address(ctx, contact.address, Source::Exchange);
            }
        }
    }

    /// The metadata is known: of a private torrent, what peers named before is forgotten.
    pub(super) fn forget_exchanged(&mut self) {
        if self.is_private() {
            self.addresses.forget_exchanged();
        }
    }

    /// Tells a peer whom we are connected to, where we know that this may be told. One on the internet is not told of
    /// addresses in private networks.
    pub(super) fn exchange(&mut self, ctx: &Context, conn: ConnId) {
        let known = self.meta.is_some() && self.exchanges(ctx);
        let public = self
            .peers
            .get(&conn)
            .and_then(|peer| peer.address)
            .map(|address| address::is_public(address.ip()));
        let contact = |peer: &Peer| {
            let listens = peer.listens.filter(|_| peer.address.is_some() && peer.shaken().is_some())?;
            let told = known && (public == Some(false) || address::is_public(listens.ip()));
            let seed = peer.pieces().is_complete();
            told.then_some((listens, Contact { address: listens, seed, reachable: peer.initiated }))
        };
        let all: BTreeMap<SocketAddr, Contact> = self.peers.values().filter_map(contact).collect();
        if let Some(peer) = self.peers.get_mut(&conn) {
            peer.tell_exchange(ctx.now, &all);
            self.dirty.insert(conn);
        }
    }
}
