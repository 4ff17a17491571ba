//! TURN (RFC 8656) over UDP and IPv4, without IO: datagrams and the time in, replies and what is to be relayed out.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use shared::address::{is_public, network};
use shared::stun::{Class, Message, Writer, attribute, channel_data, method, put_channel_data};
use shared::time::Instant;

use super::allocation::{Allocation, TooMany};
use super::counts::Counts;
use super::credentials::{Credentials, Key, REALM};

/// How long an allocation lasts unless it is kept (RFC 8656, 7.2: the default, and here the longest too).
const LIFETIME: Duration = Duration::from_secs(600);

/// Seconds for which a nonce is good, once or twice.
const NONCE_SLOT: u64 = 600;

/// The number of UDP in `REQUESTED-TRANSPORT`.
const UDP: u8 = 17;

/// Bounds, and to whom may be sent.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    /// Allocations at once.
    pub(crate) allocations: usize,
    /// Of one client address.
    pub(crate) per_address: usize,
    /// Bytes a second of each, both ways together.
    pub(crate) per_second: u64,
    /// Peers on private networks and this machine too: whoever relays to them is let into the network behind the tracker.
    pub(crate) private_peers: bool,
}

/// All allocations, by the address of their client.
#[derive(Debug)]
pub(crate) struct Table<R> {
    rules: Rules,
    pub(crate) credentials: Credentials,
    nonces: RandomState,
    allocations: HashMap<SocketAddr, Allocation<R>>,
    /// Whose client each address that is relayed from belongs to.
    relays: HashMap<SocketAddr, SocketAddr>,
    pub(crate) counts: Counts,
}

/// What a datagram leads to, besides the reply.
#[derive(Debug)]
pub(crate) struct Relay<'a, R> {
    pub(crate) by: Arc<R>,
    pub(crate) to: SocketAddr,
    pub(crate) bytes: &'a [u8],
}

/// A status of an error response.
type Code = u16;

impl<R> Table<R> {
    pub(crate) fn new(rules: Rules, credentials: Credentials) -> Self {
        let (allocations, relays) = (HashMap::new(), HashMap::new());
        let (nonces, counts) = (RandomState::new(), Counts::default());
        Self { rules, credentials, nonces, allocations, relays, counts }
    }

    /// Takes a datagram of a client. `open` gives an address to be relayed from.
    pub(crate) fn client_sent<'a>(
        &mut self,
        (now, unix): (Instant, u64),
        client: SocketAddr,
        datagram: &'a [u8],
        open: impl FnOnce() -> Option<(Arc<R>, SocketAddr)>,
        reply: &mut Vec<u8>,
    ) -> Option<Relay<'a, R>> {
        if let Some((number, bytes)) = channel_data(datagram) {
            let to = self.allocations.get(&client).and_then(|allocation| allocation.peer(now, number));
            if to.is_none() {
                self.counts.not_permitted += 1;
            }
            return self.relay(now, client, to?, bytes);
        }
        let message = Message::parse(datagram).ok()?;
        match (message.class, message.method) {
            (Class::Indication, method::SEND) => {
                let to = message.address(attribute::XOR_PEER_ADDRESS)?;
                let bytes = message.attribute(attribute::DATA)?.value;
                return self.relay(now, client, to, bytes);
            }
            (Class::Request, _) => self.answer((now, unix), client, &message, open, reply),
            _ => {}
        }
        None
    }

    /// Takes a datagram of a peer to `at`; the client it goes to. It is put into `out` as that takes it.
    pub(crate) fn peer_sent(
        &mut self,
        now: Instant,
        at: SocketAddr,
        peer: SocketAddr,
        bytes: &[u8],
        out: &mut Vec<u8>,
    ) -> Option<SocketAddr> {
        let client = *self.relays.get(&at)?;
        let allocation = self.allocations.get_mut(&client)?;
        if allocation.expires <= now || !allocation.permits(now, peer.ip()) {
            self.counts.not_permitted += 1;
            return None;
        }
        if !allocation.spend(now, bytes.len(), self.rules.per_second) {
            self.counts.beyond_rate += 1;
            return None;
        }
        self.counts.to_clients += bytes.len() as u64;
        out.clear();
        if let Some(number) = allocation.channel(now, peer) {
            put_channel_data(number, bytes, out);
        } else {
            // Nobody compares an indication's transaction with anything.
            let transaction = shared::stun::TransactionId([0; 12]);
            let mut writer = Writer::new(out, Class::Indication, method::DATA, transaction);
            writer.address(attribute::XOR_PEER_ADDRESS, peer);
            writer.attribute(attribute::DATA, |value| value.extend_from_slice(bytes));
        }
        Some(client)
    }

    /// Forgets what is over.
    pub(crate) fn expire(&mut self, now: Instant) {
        let over: Vec<_> =
            self.allocations.iter().filter(|(_, it)| it.expires <= now).map(|(client, _)| *client).collect();
        over.iter().for_each(|client| self.remove(client));
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.allocations.len()
    }

    fn remove(&mut self, client: &SocketAddr) {
        if let Some(allocation) = self.allocations.remove(client) {
            self.relays.remove(&allocation.at);
        }
    }

    fn relay<'a>(
        &mut self,
        now: Instant,
        client: SocketAddr,
        to: SocketAddr,
        bytes: &'a [u8],
    ) -> Option<Relay<'a, R>> {
        let is_allowed = self.may_send(to);
        let allocation = self.allocations.get_mut(&client);
        let allocation = allocation.filter(|it| is_allowed && it.expires > now && it.permits(now, to.ip()));
        let Some(allocation) = allocation else {
            self.counts.not_permitted += 1;
            return None;
        };
        if !allocation.spend(now, bytes.len(), self.rules.per_second) {
            self.counts.beyond_rate += 1;
            return None;
        }
        self.counts.to_peers += bytes.len() as u64;
        Some(Relay { by: allocation.relay.clone(), to, bytes })
    }

    /// Whether anything may be sent there. At an address that is relayed from, nothing but what relays: the machine's other
    /// services are not for strangers.
    fn may_send(&self, to: SocketAddr) -> bool {
        if self.relays.contains_key(&to) {
            return true;
        }
        let own = self.relays.keys().any(|at| at.ip() == to.ip());
        to.port() != 0 && !to.ip().is_multicast() && !own && self.may_be_peer(to.ip())
    }

    fn may_be_peer(&self, ip: IpAddr) -> bool {
        is_public(ip) || self.rules.private_peers
    }

    /// Whether a client may let this one in: whoever it may send to, and those who are relayed from here as it is.
    fn may_permit(&self, ip: IpAddr) -> bool {
        self.may_be_peer(ip) || self.relays.keys().any(|at| at.ip() == ip)
    }

    fn answer(
        &mut self,
        (now, unix): (Instant, u64),
        client: SocketAddr,
        message: &Message<'_>,
        open: impl FnOnce() -> Option<(Arc<R>, SocketAddr)>,
        reply: &mut Vec<u8>,
    ) {
        let known = [method::ALLOCATE, method::REFRESH, method::CREATE_PERMISSION, method::CHANNEL_BIND];
        if !known.contains(&message.method) {
            return;
        }
        let (key, username) = match self.prove((now, unix), client, message) {
            Ok(proven) => proven,
            Err(code) => {
                // Who shows nothing asks for what it takes: so everybody begins.
                if message.attribute(attribute::MESSAGE_INTEGRITY).is_some() {
                    self.counts.refused(code);
                }
                return self.challenge(now, client, message, code, reply);
            }
        };
        let mut writer = Writer::new(reply, Class::Success, message.method, message.transaction);
        let unknown = not_understood(message);
        let done = if unknown.is_some() {
            Err(420)
        } else {
            match message.method {
                method::ALLOCATE => self.allocate(now, (client, username), message, open, &mut writer),
                _ => match self.allocations.get(&client) {
                    None => Err(437),
                    Some(allocation) if allocation.username != username => Err(441),
                    Some(_) => match message.method {
                        method::REFRESH => self.refresh(now, client, message, &mut writer),
                        method::CREATE_PERMISSION => self.permit(now, client, message),
                        _ => self.bind(now, client, message),
                    },
                },
            }
        };
        if let Err(code) = done {
            self.counts.refused(code);
            writer = Writer::new(reply, Class::Error, message.method, message.transaction);
            writer.error(code, reason(code));
            if let Some(kind) = unknown {
                writer.attribute(attribute::UNKNOWN_ATTRIBUTES, |value| value.extend(kind.to_be_bytes()));
            }
        }
        writer.integrity(|covered| key.sign(covered));
        if message.has_fingerprint() {
            writer.fingerprint();
        }
    }

    /// Who asks, and with which key; or the status of a refusal.
    fn prove(
        &self,
        (now, unix): (Instant, u64),
        client: SocketAddr,
        message: &Message<'_>,
    ) -> Result<(Key, String), Code> {
        if message.attribute(attribute::MESSAGE_INTEGRITY).is_none() {
            return Err(401);
        }
        let text = |kind| message.attribute(kind).map(|attribute| attribute.value).ok_or(400_u16);
        let (username, nonce) = (text(attribute::USERNAME)?, text(attribute::NONCE)?);
        text(attribute::REALM)?;
        let slot = slot(now);
        let fresh = [Some(slot), slot.checked_sub(1)].into_iter().flatten();
        if !fresh.into_iter().any(|slot| self.nonce(client, slot).as_bytes() == nonce) {
            return Err(438);
        }
        let username = core::str::from_utf8(username).map_err(|_| 401_u16)?;
        let key = self.credentials.key(unix, username).ok_or(401_u16)?;
        if key.signed(message) { Ok((key, username.to_owned())) } else { Err(401) }
    }

    /// Refuses, with what is needed to ask again.
    fn challenge(
        &self,
        now: Instant,
        client: SocketAddr,
        message: &Message<'_>,
        code: Code,
        reply: &mut Vec<u8>,
    ) {
        let mut writer = Writer::new(reply, Class::Error, message.method, message.transaction);
        writer.error(code, "");
        if code != 400 {
            writer.attribute(attribute::REALM, |value| value.extend_from_slice(REALM.as_bytes()));
            let nonce = self.nonce(client, slot(now));
            writer.attribute(attribute::NONCE, |value| value.extend_from_slice(nonce.as_bytes()));
        }
        if message.has_fingerprint() {
            writer.fingerprint();
        }
    }

    /// A keyed hash of the client's address and the time: nothing has to be remembered to know it again.
    fn nonce(&self, client: SocketAddr, slot: u64) -> String {
        format!("{:016x}", self.nonces.hash_one((client, slot)))
    }

    fn allocate(
        &mut self,
        now: Instant,
        (client, username): (SocketAddr, String),
        message: &Message<'_>,
        open: impl FnOnce() -> Option<(Arc<R>, SocketAddr)>,
        writer: &mut Writer<'_>,
    ) -> Result<(), Code> {
        let transport = message.attribute(attribute::REQUESTED_TRANSPORT).ok_or(400_u16)?;
        if transport.value.first() != Some(&UDP) {
            return Err(442);
        }
        let family = message.attribute(attribute::REQUESTED_ADDRESS_FAMILY);
        if family.is_some_and(|family| family.value.first() != Some(&1)) {
            return Err(440);
        }
        let at = match self.allocations.get(&client) {
            // The reply was lost.
            Some(known) if known.made_by == message.transaction => known.at,
            Some(_) => return Err(437),
            None => {
                let own = network(client.ip());
                let held = self.allocations.keys().filter(|other| network(other.ip()) == own).count();
                if held >= self.rules.per_address {
                    return Err(486);
                }
                if self.allocations.len() >= self.rules.allocations {
                    return Err(508);
                }
                let (relay, at) = open().ok_or(508_u16)?;
                let made = Allocation::new((relay, at), username, message.transaction, now + LIFETIME);
                self.allocations.insert(client, made);
                self.relays.insert(at, client);
                self.counts.allocated += 1;
                at
            }
        };
        writer.address(attribute::XOR_RELAYED_ADDRESS, at);
        writer.attribute(attribute::LIFETIME, |value| value.extend(seconds(LIFETIME)));
        writer.address(attribute::XOR_MAPPED_ADDRESS, client);
        Ok(())
    }

    fn refresh(
        &mut self,
        now: Instant,
        client: SocketAddr,
        message: &Message<'_>,
        writer: &mut Writer<'_>,
    ) -> Result<(), Code> {
        let asked = message.attribute(attribute::LIFETIME).map(|asked| asked.value);
        let lifetime = if asked == Some(&[0; 4]) { Duration::ZERO } else { LIFETIME };
        if lifetime.is_zero() {
            self.remove(&client);
        } else if let Some(allocation) = self.allocations.get_mut(&client) {
            allocation.expires = now + lifetime;
        }
        writer.attribute(attribute::LIFETIME, |value| value.extend(seconds(lifetime)));
        Ok(())
    }

    fn permit(&mut self, now: Instant, client: SocketAddr, message: &Message<'_>) -> Result<(), Code> {
        let named = message.attributes().filter(|attribute| attribute.kind == attribute::XOR_PEER_ADDRESS);
        let peers: Option<Vec<_>> = named.map(|attribute| message.address_in(&attribute)).collect();
        let peers = peers.filter(|peers| !peers.is_empty()).ok_or(400_u16)?;
        if peers.iter().any(|peer| !peer.is_ipv4()) {
            return Err(443);
        }
        if peers.iter().any(|peer| !self.may_permit(peer.ip())) {
            return Err(403);
        }
        let allocation = self.allocations.get_mut(&client).ok_or(437_u16)?;
        let permitted = peers.iter().try_for_each(|peer| allocation.permit(now, peer.ip()));
        permitted.map_err(|TooMany| 508)
    }

    fn bind(&mut self, now: Instant, client: SocketAddr, message: &Message<'_>) -> Result<(), Code> {
        let number =
            message.attribute(attribute::CHANNEL_NUMBER).and_then(|it| it.value.first_chunk().copied());
        let number =
            number.map(u16::from_be_bytes).filter(|it| shared::stun::CHANNELS.contains(it)).ok_or(400_u16)?;
        let peer = message.address(attribute::XOR_PEER_ADDRESS).ok_or(400_u16)?;
        if !peer.is_ipv4() {
            return Err(443);
        }
        if !self.may_permit(peer.ip()) {
            return Err(403);
        }
        let allocation = self.allocations.get_mut(&client).ok_or(437_u16)?;
        match allocation.bind(now, number, peer) {
            Ok(true) => Ok(()),
            Ok(false) => Err(400),
            Err(TooMany) => Err(508),
        }
    }
}

/// The first attribute that has to be understood and is not.
fn not_understood(message: &Message<'_>) -> Option<u16> {
    use attribute as a;
    let known = [
        a::USERNAME,
        a::MESSAGE_INTEGRITY,
        a::CHANNEL_NUMBER,
        a::LIFETIME,
        a::XOR_PEER_ADDRESS,
        a::DATA,
        a::REALM,
        a::NONCE,
        a::REQUESTED_ADDRESS_FAMILY,
        a::REQUESTED_TRANSPORT,
        a::MESSAGE_INTEGRITY_SHA256,
    ];
    let kinds = message.attributes().map(|attribute| attribute.kind);
    kinds.filter(|kind| *kind < 0x8000).find(|kind| !known.contains(kind))
}

fn reason(code: Code) -> &'static str {
    match code {
        400 => "Bad Request",
        403 => "Forbidden",
        437 => "Allocation Mismatch",
        440 => "Address Family not Supported",
        441 => "Wrong Credentials",
        442 => "Unsupported Transport Protocol",
        443 => "Peer Address Family Mismatch",
        486 => "Allocation Quota Reached",
        508 => "Insufficient Capacity",
        _ => "",
    }
}

fn seconds(duration: Duration) -> [u8; 4] {
    (duration.as_secs() as u32).to_be_bytes()
}

const fn slot(now: Instant) -> u64 {
    now.as_millis() / 1_000 / NONCE_SLOT
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
