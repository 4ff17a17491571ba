use core::net::SocketAddr;

use super::{ANNOUNCE, CONNECT, CONNECT_LENGTH, ERROR, Reader, SCRAPE, UdpError};
use crate::limits;
use crate::text::shown;
use crate::tracker::announce::AnnounceResponse;
use crate::tracker::compact::{self, Family};
use crate::tracker::scrape::ScrapeCounts;

/// Bytes in front of what a reply says.
const HEAD: usize = 8;

/// A datagram of a tracker. The transaction is that of the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UdpResponse {
    /// A connection id, good for a minute.
    Connect {
        /// Opaque.
        connection: u64,
    },
    /// Peers. Only the fields that BEP 15 has are there: interval, complete, incomplete, peers.
    Announce(Box<AnnounceResponse>),
    /// Numbers of the swarms in the order of the request; at most [`limits::SCRAPE_HASHES_MAX`].
    Scrape(Vec<ScrapeCounts>),
    /// The request is not granted.
    Error(String),
}

impl UdpResponse {
    /// Reads a datagram: the transaction, and what it says. `family` is that of the packet; it says how long an address is.
    /// Text is bounded by [`limits::TRACKER_TEXT_MAX`], peers by [`limits::TRACKER_PEERS_MAX`].
    ///
    /// # Errors
    ///
    /// See [`UdpError`].
    pub fn parse(datagram: &[u8], family: Family) -> Result<(u32, Self), UdpError> {
        let mut reader = Reader::new(datagram);
        let action = reader.u32(HEAD)?;
        let transaction = reader.u32(HEAD)?;
        let response = match action {
            CONNECT => Self::Connect { connection: reader.u64(CONNECT_LENGTH)? },
            ANNOUNCE => {
                let mut response = AnnounceResponse { interval: reader.u32(20)?, ..Default::default() };
                response.incomplete = Some(reader.u32(20)?);
                response.complete = Some(reader.u32(20)?);
                response.add_peers(compact::decode(reader.rest, family)?);
                Self::Announce(Box::new(response))
            }
            SCRAPE => {
                let counts = reader.rest.as_chunks::<12>().0.iter().take(limits::SCRAPE_HASHES_MAX);
                Self::Scrape(counts.map(counts_of).collect())
            }
            ERROR => Self::Error(shown(&String::from_utf8_lossy(reader.rest), limits::TRACKER_TEXT_MAX)),
            other => return Err(UdpError::Action(other)),
        };
        Ok((transaction, response))
    }

    /// Appends the datagram of an announce's reply whose peers are there already as `run`: addresses of the packet's family.
    pub fn write_announce(
        transaction: u32,
        [interval, incomplete, complete]: [u32; 3],
        run: &[u8],
        out: &mut Vec<u8>,
    ) {
        push(out, &[ANNOUNCE, transaction, interval, incomplete, complete]);
        out.extend_from_slice(run);
    }

    /// Appends the datagram. Peers of another family than `family` have no place in it and are left out.
    pub fn encode(&self, transaction: u32, family: Family, out: &mut Vec<u8>) {
        let action = match self {
            Self::Connect { .. } => CONNECT,
            Self::Announce(_) => ANNOUNCE,
            Self::Scrape(_) => SCRAPE,
            Self::Error(_) => ERROR,
        };
        push(out, &[action, transaction]);
        match self {
            Self::Connect { connection } => out.extend_from_slice(&connection.to_be_bytes()),
            Self::Announce(response) => {
                let (complete, incomplete) = (response.complete, response.incomplete);
                push(out, &[response.interval, incomplete.unwrap_or(0), complete.unwrap_or(0)]);
                let fits = |peer: &&SocketAddr| Family::of(peer.ip()) == family;
                for peer in response.peers.iter().filter(fits) {
                    compact::push(out, SocketAddr::new(peer.ip().to_canonical(), peer.port()));
                }
            }
            Self::Scrape(counts) => {
                for ScrapeCounts { complete, incomplete, downloaded, .. } in counts {
                    push(out, &[*complete, *downloaded, *incomplete]);
                }
            }
            Self::Error(message) => out.extend_from_slice(message.as_bytes()),
        }
    }
}

fn push(out: &mut Vec<u8>, numbers: &[u32]) {
    numbers.iter().for_each(|number| out.extend_from_slice(&number.to_be_bytes()));
}

fn counts_of(bytes: &[u8; 12]) -> ScrapeCounts {
    let (numbers, _) = bytes.as_chunks::<4>();
    let number = |at: usize| numbers.get(at).map_or(0, |bytes| u32::from_be_bytes(*bytes));
    ScrapeCounts { complete: number(0), downloaded: number(1), incomplete: number(2), downloaders: None }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encoded(response: &UdpResponse, family: Family) -> Vec<u8> {
        let mut out = Vec::new();
        response.encode(5, family, &mut out);
        out
    }

    #[test]
    fn replies_are_the_bytes_of_bep_15() {
        let peers: Vec<SocketAddr> =
            vec!["10.0.0.1:128".parse().unwrap(), "[2001:db8::1]:6881".parse().unwrap()];
        let response = |peers: &[SocketAddr]| {
            UdpResponse::Announce(Box::new(AnnounceResponse {
                interval: 900,
                complete: Some(2),
                incomplete: Some(1),
                peers: peers.to_vec(),
                ..Default::default()
            }))
        };
        let head = b"\0\0\0\x01\0\0\0\x05\0\0\x03\x84\0\0\0\x01\0\0\0\x02";
        let v4 = [&head[..], b"\x0a\0\0\x01\0\x80"].concat();
        let v6 = [&head[..], b"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x1a\xe1"].concat();
        assert_eq!(encoded(&response(&peers), Family::V4), v4);
        assert_eq!(encoded(&response(&peers), Family::V6), v6);
        assert_eq!(UdpResponse::parse(&v4, Family::V4), Ok((5, response(&peers[..1]))));
        assert_eq!(UdpResponse::parse(&v6, Family::V6), Ok((5, response(&peers[1..]))));
        for (response, bytes) in [
            (UdpResponse::Connect { connection: 6 }, &b"\0\0\0\0\0\0\0\x05\0\0\0\0\0\0\0\x06"[..]),
            (
                UdpResponse::Scrape(vec![ScrapeCounts {
                    complete: 1,
                    incomplete: 3,
                    downloaded: 2,
                    downloaders: None,
                }]),
                b"\0\0\0\x02\0\0\0\x05\0\0\0\x01\0\0\0\x02\0\0\0\x03",
            ),
            (UdpResponse::Error("no".to_owned()), b"\0\0\0\x03\0\0\0\x05no"),
        ] {
            assert_eq!(encoded(&response, Family::V4), bytes);
            assert_eq!(UdpResponse::parse(bytes, Family::V4), Ok((5, response)));
        }
    }

    #[test]
    fn what_is_no_reply_says_why() {
        let parse = |bytes: &[u8]| UdpResponse::parse(bytes, Family::V4);
        assert_eq!(parse(b"\0\0\0\x03\0\0\0"), Err(UdpError::Short { expected: 8, got: 7 }));
        assert_eq!(parse(&[0; 15]), Err(UdpError::Short { expected: 16, got: 15 }));
        assert_eq!(parse(b"\0\0\0\x04\0\0\0\0"), Err(UdpError::Action(4)));
        let mut announce = vec![0; 27];
        announce[3] = 1;
        assert!(matches!(parse(&announce), Err(UdpError::Peers(_))));
        assert_eq!(parse(&announce[..19]), Err(UdpError::Short { expected: 20, got: 19 }));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused_and_bounded(bytes: Vec<u8>, action in 0_u8..5) {
            let bytes = [&[0, 0, 0, action, 1, 2, 3, 4][..], &bytes].concat();
            for family in [Family::V4, Family::V6] {
                if let Ok((transaction, response)) = UdpResponse::parse(&bytes, family) {
                    prop_assert_eq!(transaction, 0x0102_0304);
                    let mut again = Vec::new();
                    response.encode(transaction, family, &mut again);
                    prop_assert_eq!(UdpResponse::parse(&again, family), Ok((transaction, response)));
                }
            }
        }
    }
}
