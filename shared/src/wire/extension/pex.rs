//! `ut_pex` (BEP 11): who else is connected to the sender.

use core::net::SocketAddr;

use super::ExtensionError;
use crate::bencode::{Dictionary, Order, Writer, decode_prefix};
use crate::{address, limits};

/// Flag of a peer that wants nothing: a seed.
const SEED: u8 = 0x02;

/// Flag of a peer that the sender dialled, so that it can be reached.
const REACHABLE: u8 = 0x10;

/// A peer that the sender is connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Contact {
    /// Where it takes connections.
    pub address: SocketAddr,
    /// It has every piece.
    pub seed: bool,
    /// The sender dialled it.
    pub reachable: bool,
}

/// What changed since the sender's last message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PexMessage {
    /// Now connected; at most [`limits::PEX_ADDRESSES_MAX`].
    pub added: Vec<Contact>,
    /// No longer connected; at most [`limits::PEX_ADDRESSES_MAX`].
    pub dropped: Vec<SocketAddr>,
}

impl PexMessage {
    /// Whether nothing changed.
    pub const fn is_empty(&self) -> bool {
        self.added.is_empty() && self.dropped.is_empty()
    }

    /// Appends the payload of the message.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let [(v4, v4_flags, v4_dropped), (v6, v6_flags, v6_dropped)] = [true, false].map(|v4| {
            let (mut addresses, mut flags, mut dropped) = (Vec::new(), Vec::new(), Vec::new());
            for contact in self.added.iter().filter(|contact| contact.address.is_ipv4() == v4) {
                address::put(&contact.address, &mut addresses);
                let seed = if contact.seed { SEED } else { 0 };
                flags.push(seed | if contact.reachable { REACHABLE } else { 0 });
            }
            for gone in self.dropped.iter().filter(|gone| gone.is_ipv4() == v4) {
                address::put(gone, &mut dropped);
            }
            (addresses, flags, dropped)
        });
        Writer::new(out).dictionary(|entries| {
            entries.key("added").bytes(v4);
            entries.key("added.f").bytes(v4_flags);
            entries.key("added6").bytes(v6);
            entries.key("added6.f").bytes(v6_flags);
            entries.key("dropped").bytes(v4_dropped);
            entries.key("dropped6").bytes(v6_dropped);
        });
    }

    /// Reads the payload of the message. Flags that are missing are none; what is more than the bounds is left out.
    pub fn decode(payload: &[u8]) -> Result<Self, ExtensionError> {
        let (value, _) = decode_prefix(payload, Order::Any)?;
        let dictionary = value.dictionary().ok_or_else(|| ExtensionError::NotADictionary(value.kind()))?;
        let bytes = |key| bytes(dictionary, key);
        let (v4, v6) = (address::list_v4(bytes("added")?), address::list_v6(bytes("added6")?));
        let flags = [bytes("added.f")?, bytes("added6.f")?]
            .map(|flags| flags.iter().copied().chain(core::iter::repeat(0)));
        let [v4_flags, v6_flags] = flags;
        let added = v4.zip(v4_flags).chain(v6.zip(v6_flags));
        let contact = |(address, flags): (SocketAddr, u8)| Contact {
            address,
            seed: flags & SEED != 0,
            reachable: flags & REACHABLE != 0,
        };
        let dropped = address::list_v4(bytes("dropped")?).chain(address::list_v6(bytes("dropped6")?));
        Ok(Self {
            added: added.map(contact).take(limits::PEX_ADDRESSES_MAX).collect(),
            dropped: dropped.take(limits::PEX_ADDRESSES_MAX).collect(),
        })
    }
}

fn bytes<'a>(dictionary: Dictionary<'a>, key: &'static str) -> Result<&'a [u8], ExtensionError> {
    let Some(value) = dictionary.get(key.as_bytes()) else { return Ok(&[]) };
    let got = || value.kind().to_owned();
    value.bytes().ok_or_else(|| ExtensionError::Value { key, expected: "a byte string", got: got() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contact(text: &str, seed: bool, reachable: bool) -> Contact {
        Contact { address: text.parse().expect("valid"), seed, reachable }
    }

    #[test]
    fn a_message_gives_back_what_was_put_in() {
        let message = PexMessage {
            added: vec![contact("1.2.3.4:5", true, false), contact("[2606::1]:7", false, true)],
            dropped: vec!["5.6.7.8:9".parse().expect("valid"), "[2606::2]:7".parse().expect("valid")],
        };
        let mut payload = Vec::new();
        message.encode(&mut payload);
        assert_eq!(PexMessage::decode(&payload), Ok(message));
    }

    #[test]
    fn what_stock_peers_leave_out_is_none_and_floods_are_cut() {
        assert_eq!(PexMessage::decode(b"de"), Ok(PexMessage::default()));
        let one = PexMessage::decode(b"d5:added6:\x01\x02\x03\x04\x00\x05e").expect("valid");
        assert_eq!(one.added, [contact("1.2.3.4:5", false, false)]);
        let mut flood = b"d5:added6000:".to_vec();
        flood.extend((0..6_000).map(|at| at as u8));
        flood.push(b'e');
        assert_eq!(PexMessage::decode(&flood).expect("valid").added.len(), limits::PEX_ADDRESSES_MAX);
        assert!(PexMessage::decode(b"d5:addedi1ee").is_err());
        assert!(PexMessage::decode(b"le").is_err());
    }
}
