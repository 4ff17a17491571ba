use proptest::prelude::*;

use super::*;
use crate::id::PeerId;
use crate::rng::Rng;
use crate::tracker::announce::Event;

fn ask() -> Ask {
    Ask::Announce(Box::new(AnnounceRequest {
        info_hash: InfoHash([1; 20]),
        peer_id: PeerId([2; 20]),
        port: 6881,
        uploaded: 0,
        downloaded: 0,
        left: Some(1),
        event: Event::Started,
        wanted: None,
        key: 7,
        tracker_id: None,
    }))
}

fn at(seconds: u64) -> Instant {
    Instant::from_millis(seconds * 1_000)
}

fn client(ask: Ask, connection: Option<Connection>) -> UdpClient {
    let url = "udp://tracker.example:6969/announce?k=1#x";
    UdpClient::new(at(0), ask, url, Family::V4, connection, REPETITIONS_MAX, Rng::from_seed([3; 32]))
}

/// The next output, which must be a datagram, read as the tracker reads it.
fn sent(client: &mut UdpClient) -> Packet {
    match client.poll_output() {
        UdpOutput::Send(datagram) => Packet::parse(&datagram).unwrap(),
        other => panic!("expected a datagram, got {other:?}"),
    }
}

fn reply(response: &UdpResponse, transaction: u32) -> Vec<u8> {
    let mut out = Vec::new();
    response.encode(transaction, Family::V4, &mut out);
    out
}

fn response() -> AnnounceResponse {
    AnnounceResponse {
        interval: 900,
        complete: Some(1),
        incomplete: Some(0),
        peers: vec!["192.0.2.1:9".parse().unwrap()],
        ..Default::default()
    }
}

/// Connects at that time; answers the packet that is sent then.
fn connected(client: &mut UdpClient, now: Instant) -> Packet {
    let connect = sent(client);
    assert_eq!(connect.request, UdpRequest::Connect);
    client.handle_datagram(now, &reply(&UdpResponse::Connect { connection: 99 }, connect.transaction));
    sent(client)
}

#[test]
fn it_connects_and_announces() {
    let mut client = client(ask(), None);
    let announce = connected(&mut client, at(1));
    let Ask::Announce(request) = ask() else { panic!("an announce") };
    let url_data = b"/announce?k=1".to_vec();
    assert_eq!(announce.request, UdpRequest::Announce { connection: 99, request, url_data });
    assert_eq!(client.poll_output(), UdpOutput::Timeout(at(16)));
    let answer = reply(&UdpResponse::Announce(Box::new(response())), announce.transaction);
    client.handle_datagram(at(2), &answer);
    assert_eq!(client.poll_output(), UdpOutput::Done(Ok(Reply::Announce(Box::new(response())))));
    assert_eq!(client.connection(), Some(Connection { id: 99, since: at(1) }));
}

#[test]
fn a_scrape_is_cut_to_what_was_asked() {
    let mut client = client(Ask::Scrape(vec![InfoHash([1; 20])]), None);
    let scrape = connected(&mut client, at(0));
    let counts = ScrapeCounts { complete: 1, incomplete: 2, downloaded: 3, downloaders: None };
    client.handle_datagram(at(0), &reply(&UdpResponse::Scrape(vec![counts; 3]), scrape.transaction));
    assert_eq!(client.poll_output(), UdpOutput::Done(Ok(Reply::Scrape(vec![counts]))));
}

/// When the packets go out while nothing comes back, and whether each is a connect request.
fn timeline(client: &mut UdpClient) -> Vec<(u64, bool)> {
    let mut sends = Vec::new();
    let mut now = 0;
    loop {
        match client.poll_output() {
            UdpOutput::Send(datagram) => {
                sends.push((now, Packet::parse(&datagram).unwrap().request == UdpRequest::Connect));
            }
            UdpOutput::Timeout(deadline) => {
                now = deadline.as_millis() / 1_000;
                client.handle_timeout(deadline);
            }
            UdpOutput::Done(Err(UdpClientError::Silent(_))) => return sends,
            UdpOutput::Done(other) => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_lost_connect_is_repeated_as_in_bep_15() {
    let sends = timeline(&mut client(ask(), None));
    let times: Vec<u64> = sends.iter().map(|(time, _)| *time).collect();
    assert_eq!(times, [0, 15, 45, 105, 225, 465, 945, 1_905, 3_825]);
    assert!(sends.iter().all(|(_, connect)| *connect));
}

#[test]
fn a_lost_announce_is_repeated_until_the_connection_is_old_as_in_bep_15() {
    let mut client = client(ask(), None);
    let connect = sent(&mut client);
    client.handle_datagram(at(2), &reply(&UdpResponse::Connect { connection: 9 }, connect.transaction));
    let sends = timeline(&mut client);
    assert_eq!(sends[1..5], [(17, false), (47, false), (107, true), (227, true)]);
}

#[test]
fn strangers_and_latecomers() {
    let mut client = client(ask(), None);
    let connect = sent(&mut client);
    // Wrong transaction, no packet, a reply to what was not asked.
    client.handle_datagram(at(1), &reply(&UdpResponse::Connect { connection: 1 }, connect.transaction ^ 1));
    client.handle_datagram(at(1), b"garbage");
    client.handle_datagram(at(1), &reply(&UdpResponse::Announce(Box::new(response())), connect.transaction));
    assert_eq!(client.poll_output(), UdpOutput::Timeout(at(15)));
    // Too early.
    client.handle_timeout(at(14));
    assert_eq!(client.poll_output(), UdpOutput::Timeout(at(15)));
    // The reply to the first packet after the second was sent.
    client.handle_timeout(at(15));
    let again = sent(&mut client);
    assert_eq!(again, connect);
    client.handle_datagram(at(16), &reply(&UdpResponse::Connect { connection: 5 }, connect.transaction));
    let announce = sent(&mut client);
    assert_ne!(announce.transaction, connect.transaction);
    client.handle_datagram(at(17), &reply(&UdpResponse::Error("closed".to_owned()), announce.transaction));
    let refused = UdpOutput::Done(Err(UdpClientError::Refused("closed".to_owned())));
    assert_eq!(client.poll_output(), refused);
    client
        .handle_datagram(at(18), &reply(&UdpResponse::Announce(Box::new(response())), announce.transaction));
    assert_eq!(client.poll_output(), refused);
}

#[test]
fn a_connection_of_another_client_is_used_and_given_up_when_refused() {
    let connection = Some(Connection { id: 4, since: at(0) });
    let mut client = client(ask(), connection);
    let announce = sent(&mut client);
    assert!(matches!(announce.request, UdpRequest::Announce { connection: 4, .. }));
    client.handle_datagram(at(1), &reply(&UdpResponse::Error("bad id".to_owned()), announce.transaction));
    let announce = connected(&mut client, at(2));
    assert!(matches!(announce.request, UdpRequest::Announce { connection: 99, .. }));
    client.handle_datagram(at(3), &reply(&UdpResponse::Error("bad id".to_owned()), announce.transaction));
    assert!(matches!(client.poll_output(), UdpOutput::Done(Err(UdpClientError::Refused(_)))));
}

proptest! {
    #[test]
    fn any_datagrams_at_any_time_do_no_harm(steps: Vec<(u16, bool, Vec<u8>)>) {
        let mut client = client(ask(), None);
        let mut now = at(0);
        for (millis, whole, bytes) in steps {
            now = now + Duration::from_millis(u64::from(millis));
            let head = if whole { [&[0, 0, 0, 1][..], &client.transaction.to_be_bytes()].concat() } else { Vec::new() };
            client.handle_datagram(now, &[head, bytes].concat());
            client.handle_timeout(now);
            let mut rounds = 0;
            while matches!(client.poll_output(), UdpOutput::Send(_)) {
                rounds += 1;
                prop_assert!(rounds <= 2);
            }
        }
    }
}
