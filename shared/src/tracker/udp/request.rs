use super::{ANNOUNCE, CONNECT, CONNECT_LENGTH, PROTOCOL_ID, Reader, SCRAPE, UdpError};
use crate::id::{InfoHash, PeerId};
use crate::limits;
use crate::tracker::announce::{AnnounceRequest, Event, LEFT_UNKNOWN};

/// Length of an announce without options.
const ANNOUNCE_LENGTH: usize = 98;

/// Option types of BEP 41.
const OPTION_END: u8 = 0;
const OPTION_NOP: u8 = 1;
const OPTION_URL_DATA: u8 = 2;

/// A datagram to a tracker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Repeated in the reply.
    pub transaction: u32,
    /// What is asked.
    pub request: UdpRequest,
}

/// What a datagram asks of a tracker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UdpRequest {
    /// For a connection id.
    Connect,
    /// For peers.
    Announce {
        /// From the reply to a connect request, not older than a minute.
        connection: u64,
        /// What it says. The address field is written as 0 and not read: the tracker takes the packet's own. The protocol has
        /// no unknown `left`; it is written as [`LEFT_UNKNOWN`].
        request: Box<AnnounceRequest>,
        /// Path and query of the announce URL (BEP 41), empty if it has none; at most [`limits::URL_MAX`] bytes.
        url_data: Vec<u8>,
    },
    /// For the numbers of these swarms.
    Scrape {
        /// As in an announce.
        connection: u64,
        /// One to [`limits::SCRAPE_HASHES_MAX`].
        hashes: Vec<InfoHash>,
    },
}

impl Packet {
    /// Reads a datagram. What follows a packet is ignored, as BEP 15 asks.
    ///
    /// # Errors
    ///
    /// See [`UdpError`].
    pub fn parse(datagram: &[u8]) -> Result<Self, UdpError> {
        let mut reader = Reader::new(datagram);
        let connection = reader.u64(CONNECT_LENGTH)?;
        let action = reader.u32(CONNECT_LENGTH)?;
        let transaction = reader.u32(CONNECT_LENGTH)?;
        let request = match action {
            CONNECT if connection == PROTOCOL_ID => UdpRequest::Connect,
            CONNECT => return Err(UdpError::Protocol(connection)),
            ANNOUNCE => {
                let request = Box::new(announce(&mut reader)?);
                UdpRequest::Announce { connection, request, url_data: url_data(reader.rest) }
            }
            SCRAPE => UdpRequest::Scrape { connection, hashes: hashes(reader.rest, datagram.len())? },
            other => return Err(UdpError::Action(other)),
        };
        Ok(Self { transaction, request })
    }

    /// Appends the datagram.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let (connection, action) = match &self.request {
            UdpRequest::Connect => (PROTOCOL_ID, CONNECT),
            UdpRequest::Announce { connection, .. } => (*connection, ANNOUNCE),
            UdpRequest::Scrape { connection, .. } => (*connection, SCRAPE),
        };
        out.extend_from_slice(&connection.to_be_bytes());
        out.extend_from_slice(&action.to_be_bytes());
        out.extend_from_slice(&self.transaction.to_be_bytes());
        match &self.request {
            UdpRequest::Connect => {}
            UdpRequest::Announce { request, url_data, .. } => {
                write_announce(out, request);
                for part in url_data[..url_data.len().min(limits::URL_MAX)].chunks(255) {
                    out.extend_from_slice(&[OPTION_URL_DATA, part.len() as u8]);
                    out.extend_from_slice(part);
                }
            }
            UdpRequest::Scrape { hashes, .. } => {
                hashes.iter().take(limits::SCRAPE_HASHES_MAX).for_each(|hash| out.extend_from_slice(&hash.0));
            }
        }
    }
}

fn announce(reader: &mut Reader<'_>) -> Result<AnnounceRequest, UdpError> {
    const WHOLE: usize = ANNOUNCE_LENGTH;
    let info_hash = InfoHash(reader.take(WHOLE)?);
    let peer_id = PeerId(reader.take(WHOLE)?);
    let (downloaded, left, uploaded) = (reader.u64(WHOLE)?, reader.u64(WHOLE)?, reader.u64(WHOLE)?);
    let event = reader.u32(WHOLE)?;
    let _address = reader.u32(WHOLE)?;
    let key = reader.u32(WHOLE)?;
    // Signed on the wire; -1, and what else is below 0, leaves it to the tracker.
    let wanted = Some(reader.u32(WHOLE)?).filter(|wanted| wanted.cast_signed() >= 0);
    let port = reader.u16(WHOLE)?;
    let event = match event {
        0 => Event::Update,
        1 => Event::Completed,
        2 => Event::Started,
        3 => Event::Stopped,
        // Not in BEP 15; libtorrent and bittorrent-tracker agree on it for BEP 21.
        4 => Event::Paused,
        other => return Err(UdpError::Event(other)),
    };
    Ok(AnnounceRequest {
        info_hash,
        peer_id,
        port,
        uploaded,
        downloaded,
        left: Some(left),
        event,
        wanted,
        key,
        tracker_id: None,
    })
}

fn write_announce(out: &mut Vec<u8>, request: &AnnounceRequest) {
    let event: u32 = match request.event {
        Event::Update => 0,
        Event::Completed => 1,
        Event::Started => 2,
        Event::Stopped => 3,
        Event::Paused => 4,
    };
    out.extend_from_slice(&request.info_hash.0);
    out.extend_from_slice(&request.peer_id.0);
    out.extend_from_slice(&request.downloaded.to_be_bytes());
    out.extend_from_slice(&request.left.unwrap_or(LEFT_UNKNOWN).to_be_bytes());
    out.extend_from_slice(&request.uploaded.to_be_bytes());
    out.extend_from_slice(&event.to_be_bytes());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&request.key.to_be_bytes());
    let wanted = request.wanted.map_or(-1, |wanted| i32::try_from(wanted).unwrap_or(i32::MAX));
    out.extend_from_slice(&wanted.to_be_bytes());
    out.extend_from_slice(&request.port.to_be_bytes());
}

/// The path and query in the options behind an announce. Options that are cut off, and all behind them, are not there.
fn url_data(mut options: &[u8]) -> Vec<u8> {
    let mut data = Vec::new();
    while let Some((kind, rest)) = options.split_first() {
        options = match *kind {
            OPTION_END => break,
            OPTION_NOP => rest,
            kind => {
                let Some((length, rest)) = rest.split_first() else { break };
                let Some((value, rest)) = rest.split_at_checked(usize::from(*length)) else { break };
                if kind == OPTION_URL_DATA && data.len() + value.len() <= limits::URL_MAX {
                    data.extend_from_slice(value);
                }
                rest
            }
        };
    }
    data
}

fn hashes(rest: &[u8], got: usize) -> Result<Vec<InfoHash>, UdpError> {
    let (hashes, _) = rest.as_chunks::<20>();
    match hashes.len() {
        0 => Err(UdpError::Short { expected: CONNECT_LENGTH + 20, got }),
        1..=limits::SCRAPE_HASHES_MAX => Ok(hashes.iter().copied().map(InfoHash).collect()),
        count => Err(UdpError::TooMany(count)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encoded(packet: &Packet) -> Vec<u8> {
        let mut out = Vec::new();
        packet.encode(&mut out);
        out
    }

    fn announced() -> AnnounceRequest {
        AnnounceRequest {
            info_hash: InfoHash([b'h'; 20]),
            peer_id: PeerId([b'p'; 20]),
            port: 6881,
            uploaded: 3,
            downloaded: 1,
            left: Some(2),
            event: Event::Started,
            wanted: None,
            key: 0x0a0b_0c0d,
            tracker_id: None,
        }
    }

    #[test]
    fn requests_are_the_bytes_of_bep_15() {
        let connect = Packet { transaction: 0x0102_0304, request: UdpRequest::Connect };
        assert_eq!(encoded(&connect), b"\0\0\x04\x17\x27\x10\x19\x80\0\0\0\0\x01\x02\x03\x04");
        let request = Box::new(announced());
        let packet = |url_data: &[u8]| {
            let (request, url_data) = (request.clone(), url_data.to_vec());
            Packet { transaction: 5, request: UdpRequest::Announce { connection: 7, request, url_data } }
        };
        let mut expected = b"\0\0\0\0\0\0\0\x07\0\0\0\x01\0\0\0\x05".to_vec();
        expected.extend_from_slice(&[b'h'; 20]);
        expected.extend_from_slice(&[b'p'; 20]);
        expected
            .extend_from_slice(b"\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\x03\0\0\0\x02\0\0\0\0");
        expected.extend_from_slice(b"\x0a\x0b\x0c\x0d\xff\xff\xff\xff\x1a\xe1");
        assert_eq!(encoded(&packet(b"")), expected);
        assert_eq!(expected.len(), ANNOUNCE_LENGTH);
        // The example of BEP 41: udp://tracker/dir?a=b&c=d with padding, an unknown option, and what follows the end.
        let mut options = expected.clone();
        options.extend_from_slice(b"\x01\x02\x04/dir\x07\x01x\x02\x08?a=b&c=d\x00\x02\x01z");
        assert_eq!(Packet::parse(&options), Ok(packet(b"/dir?a=b&c=d")));
        expected.extend_from_slice(b"\x02\x0c/dir?a=b&c=d");
        assert_eq!(encoded(&packet(b"/dir?a=b&c=d")), expected);
        // An option that is cut off.
        assert_eq!(Packet::parse(&expected[..expected.len() - 1]), Ok(packet(b"")));
    }

    #[test]
    fn a_scrape_is_the_bytes_of_bep_15() {
        let hashes = vec![InfoHash([1; 20]), InfoHash([2; 20])];
        let packet = Packet { transaction: 9, request: UdpRequest::Scrape { connection: 8, hashes } };
        let mut expected = b"\0\0\0\0\0\0\0\x08\0\0\0\x02\0\0\0\x09".to_vec();
        expected.extend_from_slice(&[1; 20]);
        expected.extend_from_slice(&[2; 20]);
        assert_eq!(encoded(&packet), expected);
        assert_eq!(Packet::parse(&expected), Ok(packet));
    }

    #[test]
    fn what_is_no_request_says_why() {
        assert_eq!(Packet::parse(b""), Err(UdpError::Short { expected: 16, got: 0 }));
        assert_eq!(Packet::parse(&[0; 16]), Err(UdpError::Protocol(0)));
        let with = |action: u8, length: usize| {
            let mut bytes = vec![0; length];
            bytes[11] = action;
            bytes
        };
        assert_eq!(Packet::parse(&with(1, 97)), Err(UdpError::Short { expected: 98, got: 97 }));
        assert_eq!(Packet::parse(&with(2, 35)), Err(UdpError::Short { expected: 36, got: 35 }));
        assert_eq!(Packet::parse(&with(2, 16 + 75 * 20)), Err(UdpError::TooMany(75)));
        assert_eq!(Packet::parse(&with(3, 16)), Err(UdpError::Action(3)));
        let mut event = with(1, 98);
        event[83] = 5;
        assert_eq!(Packet::parse(&event), Err(UdpError::Event(5)));
    }

    proptest! {
        #[test]
        fn an_announce_survives(
            ids: ([u8; 20], [u8; 20]), numbers: (u64, u64, u64, u64), port: u16, key: u32, transaction: u32,
            wanted in prop::option::of(0..=i32::MAX as u32), url_data in prop::collection::vec(any::<u8>(), 0..600),
            event in prop::sample::select(vec![
                Event::Update, Event::Started, Event::Completed, Event::Stopped, Event::Paused,
            ]),
        ) {
            let (uploaded, downloaded, left, connection) = numbers;
            let request = Box::new(AnnounceRequest {
                info_hash: InfoHash(ids.0), peer_id: PeerId(ids.1), port, uploaded, downloaded,
                left: Some(left), event, wanted, key, tracker_id: None,
            });
            let packet = Packet { transaction, request: UdpRequest::Announce { connection, request, url_data } };
            prop_assert_eq!(Packet::parse(&encoded(&packet)), Ok(packet));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>, action in 0_u8..4) {
            let _ = Packet::parse(&bytes);
            let mut announce = bytes;
            announce.resize(announce.len() + 98, 0);
            announce[8..12].copy_from_slice(&[0, 0, 0, action]);
            let _ = Packet::parse(&announce);
        }
    }
}
