//! Connections over TCP: to addresses that are known, and from whoever dials us.

use core::net::SocketAddr;
use core::time::Duration;

use super::addresses::{Refused, Source};
use super::peers::Dial;
use super::{Action, Context, Event, Phase, Torrent};
use crate::id::ConnId;
use crate::limits;
use crate::peer::{CloseReason, Peer};
use crate::time::Instant;
use crate::{address, limits::SEND_MESSAGE_MAX};

/// Connections with which no more are dialled; the other half of the room is for those who dial us.
const ENOUGH: usize = 30;

/// Most dials that begin at one moment, and how long after that the next do.
const BATCH: (usize, Duration) = (10, Duration::from_millis(500));

impl Torrent {
    /// The host names addresses of peers.
    pub fn add_peers(&mut self, ctx: &Context, addresses: &[SocketAddr]) {
        for address in addresses {
            self.add_address(ctx, *address, Source::Host);
        }
    }

    /// The link names addresses of peers, as `host:port`. Says which are of no use.
    pub fn add_link_peers(&mut self, ctx: &mut Context, peers: &[String]) {
        for peer in peers {
            let reason = match peer.parse::<SocketAddr>() {
                Ok(address) => match self.add_address(ctx, address, Source::Link) {
                    Some(Refused::Unfit) => {
                        format!("the address {peer} that the link names is private or nobody's")
                    }
                    Some(Refused::NoRoom) | None => continue,
                },
                Err(_) => format!("expected an IP address and a port as a peer in the link, got {peer}"),
            };
            ctx.event(Event::Refused { torrent: Some(self.info_hash), reason });
        }
    }

    /// Somebody names an address of a peer. Answers why it is not taken; banned ones are found out when they are due.
    pub(super) fn add_address(
        &mut self,
        ctx: &Context,
        address: SocketAddr,
        source: Source,
    ) -> Option<Refused> {
        self.addresses.add(address, source, ctx.private_addresses, ctx.now).err()
    }

    /// Whether addresses would be dialled now if any were due.
    fn may_dial(&self, ctx: &Context) -> bool {
        ctx.dials
            && self.is_active()
            && self.phase != Phase::Checking
            && self.connections() < ENOUGH.min(ctx.peers_max)
            && self.dials_under_way() < limits::DIALS_PER_TORRENT
    }

    fn dials_under_way(&self) -> usize {
        self.dials.values().filter(|dial| dial.address.is_some()).count()
    }

    /// When the next dial may begin.
    pub(super) fn dial_deadline(&self, ctx: &Context) -> Option<Instant> {
        let at = self.addresses.next_at()?;
        self.may_dial(ctx).then(|| at.max(self.dial_at).max(ctx.now))
    }

    /// Dials addresses that are due.
    pub(super) fn dial_due(&mut self, ctx: &mut Context) {
        if self.dial_at > ctx.now {
            return;
        }
        let (batch, pace) = BATCH;
        for _ in 0..batch {
            if !self.may_dial(ctx) || self.addresses.next_at().is_none_or(|at| at > ctx.now) {
                return;
            }
            if ctx.dials_open >= limits::DIALS_OPEN_MAX {
                break;
            }
            let Some(address) = self.addresses.dial(self.is_complete(), ctx.now) else { return };
            if self.blame.is_ip_banned(address.ip(), ctx.now) {
                self.addresses.failed(address, None, ctx.now);
                continue;
            }
            let conn = ctx.new_conn(self.info_hash);
            ctx.dials_open += 1;
            let dial = Dial {
                since: ctx.now,
                remote: None,
                initiated: true,
                answer_to: None,
                address: Some(address),
            };
            self.dial(conn, dial);
            ctx.actions.push_back(Action::Dial { conn, address });
        }
        self.dial_at = ctx.now + pace;
    }

    /// Somebody connected. Its stream follows, from the handshake on.
    pub fn connection_incoming(&mut self, ctx: &mut Context, conn: ConnId, from: SocketAddr) {
        let refusal = if !self.is_active() {
            Some(CloseReason::Stopped)
        } else if self.blame.is_ip_banned(from.ip(), ctx.now) {
            Some(CloseReason::Banned)
        } else if self.connections() >= ctx.peers_max || self.crowds(ctx, from) {
            Some(CloseReason::TooManyPeers)
        } else {
            None
        };
        if let Some(reason) = refusal {
            return ctx.actions.push_back(Action::Close { conn, reason });
        }
        ctx.conns.insert(conn, self.info_hash);
        let peer = self.open_peer(ctx, conn, false, SEND_MESSAGE_MAX);
        peer.address = Some(address::canonical(from));
    }

    /// Whether whoever has this public IP address has half of the room already.
    fn crowds(&self, ctx: &Context, from: SocketAddr) -> bool {
        let ip = from.ip().to_canonical();
        let same = |peer: &&Peer| peer.address.is_some_and(|address| address.ip() == ip);
        address::is_public(ip) && self.peers.values().filter(same).count() >= ctx.peers_max.div_ceil(2)
    }

    /// A peer said on which port it listens: whoever dialled us can be dialled there.
    pub(super) fn port_told(&mut self, ctx: &Context, conn: ConnId, port: Option<u16>) {
        let (Some(port), Some(peer)) = (port, self.peers.get_mut(&conn)) else { return };
        let Some(from) = peer.address.filter(|_| peer.listens.is_none()) else { return };
        let listens = SocketAddr::new(from.ip(), port);
        peer.listens = Some(listens);
        if self.add_address(ctx, listens, Source::Itself).is_none() {
            self.addresses.connected(listens, conn);
        }
    }
}
