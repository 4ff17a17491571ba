use core::time::Duration;

use crate::id::InfoHash;
use crate::limits;
use crate::rng::Rng;
use crate::time::Instant;
use crate::tracker::announce::LEFT_UNKNOWN;
use crate::tracker::compact::Family;
use crate::tracker::http;
use crate::tracker::udp::client::{Ask, UdpClient, UdpOutput};
use crate::tracker::udp::{Packet, UdpRequest, UdpResponse};

/// What the server reads in a query, a client can write; what a client reads in a reply, a server can write, and it is in
/// bounds.
pub fn tracker_http(data: &[u8]) {
    if let Ok(query) = core::str::from_utf8(data) {
        if let Ok(read) = http::parse_announce(query) {
            let url = http::announce_url("http://h/announce?x=y#z", &read.request);
            let again = http::parse_announce(&url["http://h/announce?".len()..]);
            let mut expected = read.request;
            expected.left.get_or_insert(LEFT_UNKNOWN);
            assert_eq!(again.map(|again| again.request), Ok(expected));
        }
        if let Ok(hashes) = http::parse_scrape(query) {
            let url = http::scrape_url("http://h/announce", &hashes).unwrap_or_default();
            let query = url.split_once('?').map_or("", |(_, query)| query);
            assert_eq!(http::parse_scrape(query), Ok(hashes));
        }
    }
    if let Ok(response) = http::parse_announce_reply(data) {
        assert!(response.peers.len() <= limits::TRACKER_PEERS_MAX);
        for form in [http::Peers::Compact, http::Peers::List(&[])] {
            let mut again = http::parse_announce_reply(&http::encode_announce(&response, form));
            if let Ok(again) = &mut again {
                // Of two runs the one of IPv4 comes first.
                again.peers.sort_unstable();
            }
            let mut expected = response.clone();
            expected.peers.sort_unstable();
            assert_eq!(again, Ok(expected));
        }
    }
    if let Ok(mut files) = http::parse_scrape_reply(data) {
        files.sort_unstable_by_key(|(hash, _)| *hash);
        let again = http::parse_scrape_reply(&http::encode_scrape(&files, None));
        assert_eq!(again, Ok(files));
    }
}

/// Packets survive being written, and a client does not mind what comes. The first byte says how much of it is cut into
/// datagrams for the client, and for which family.
pub fn tracker_udp(data: &[u8]) {
    if let Ok(packet) = Packet::parse(data) {
        let mut again = Vec::new();
        packet.encode(&mut again);
        assert_eq!(Packet::parse(&again), Ok(packet));
    }
    let Some((first, data)) = data.split_first() else { return };
    let family = if first & 1 == 0 { Family::V4 } else { Family::V6 };
    if let Ok((transaction, mut response)) = UdpResponse::parse(data, family) {
        if let UdpResponse::Announce(response) = &mut response {
            // One of IPv4 in the clothes of IPv6 is read, and has no place in a packet of IPv6.
            response.peers.retain(|peer| Family::of(peer.ip()) == family);
        }
        let mut again = Vec::new();
        response.encode(transaction, family, &mut again);
        assert_eq!(UdpResponse::parse(&again, family), Ok((transaction, response)));
    }
    client(data, family, usize::from(first >> 1) + 1);
}

/// Each chunk comes as a datagram whose action is its first byte and whose transaction is right.
fn client(data: &[u8], family: Family, length: usize) {
    let ask = Ask::Scrape(vec![InfoHash([1; 20]); 3]);
    let rng = Rng::from_seed([1; 32]);
    let mut now = Instant::ORIGIN;
    let mut client = UdpClient::new(now, ask, "udp://h:1/announce", family, None, 2, rng);
    let mut transaction = 0;
    for chunk in data.chunks(length) {
        loop {
            match client.poll_output() {
                UdpOutput::Send(datagram) => {
                    let packet = Packet::parse(&datagram).unwrap_or_else(|error| panic!("ours: {error}"));
                    assert!(matches!(packet.request, UdpRequest::Connect | UdpRequest::Scrape { .. }));
                    transaction = packet.transaction;
                }
                UdpOutput::Timeout(deadline) => {
                    assert!(deadline > now, "a client that is up to date waits");
                    break;
                }
                UdpOutput::Done(_) => return,
            }
        }
        let mut datagram = vec![0, 0, 0, chunk[0]];
        datagram.extend_from_slice(&transaction.to_be_bytes());
        datagram.extend_from_slice(&chunk[1..]);
        now = now + Duration::from_secs(u64::from(chunk[0]));
        client.handle_datagram(now, &datagram);
        client.handle_timeout(now);
    }
}
