//! BEP 15 and 41.

use std::net::Ipv6Addr;

use tracker::config::{Config, Strictness, Unproven};

use super::{Udp, word};
use crate::support::{Server, id};

#[tokio::test]
async fn options_behind_an_announce_change_nothing_for_who_needs_none() {
    let server = Server::start(Config::default()).await;
    let udp = Udp::connect(&server).await;
    let plain = udp.announce(id("t").as_bytes(), &id("a"), 6881, Some(1), "started");
    let expected = udp.ask(&plain).await;
    for options in [
        &b"\x00"[..],
        b"\x01\x01\x01",
        b"\x02\x09/announce",
        b"\x02\x04/ann\x01\x02\x05ounce\x00",
        b"\x02\x0a/announce?\x02\x08passkey=",
        // Cut off, of a kind that is not known, and nonsense behind the end.
        b"\x02\xff/announce",
        b"\x02",
        b"\x63\x03abc",
        b"\x00\x02\xff\xff",
        &[1; 900],
    ] {
        assert_eq!(udp.ask(&[&plain[..], options].concat()).await, expected, "{options:?}");
    }
}

#[tokio::test]
async fn the_address_in_the_packet_is_not_believed() {
    let server = Server::start(Config { lan: true, ..Config::default() }).await;
    let port = server.udp_address.unwrap().port();
    let udp = Udp::connect_to(([127, 0, 0, 1], port).into()).await;
    udp.ask(&udp.announce(id("t").as_bytes(), &id("a"), 10, Some(1), "started")).await;
    let reply = udp.ask(&udp.announce(id("t").as_bytes(), &id("b"), 20, Some(1), "started")).await;
    assert_eq!(reply[20..], [127, 0, 0, 1, 0, 10]);
    // Over IPv6 the list has addresses of 18 bytes, and none of the others.
    let udp6 = Udp::connect_to((Ipv6Addr::LOCALHOST, port).into()).await;
    udp6.ask(&udp6.announce(id("t").as_bytes(), &id("c"), 30, Some(1), "started")).await;
    let reply = udp6.ask(&udp6.announce(id("t").as_bytes(), &id("d"), 40, Some(1), "started")).await;
    assert_eq!((reply.len(), word(&reply, 12)), (20 + 18, 4), "{reply:?}");
    assert_eq!(reply[20..], [&Ipv6Addr::LOCALHOST.octets()[..], &[0, 30]].concat());
}

#[tokio::test]
async fn as_many_peers_as_are_wanted() {
    let server = Server::start(Config::default()).await;
    let udp = Udp::connect(&server).await;
    for port in 1..=60 {
        udp.ask(&udp.announce(id("t").as_bytes(), &id("a"), port, Some(1), "started")).await;
    }
    for (wanted, peers) in [(-1_i32, 50), (0, 0), (7, 7), (1_000, 60), (i32::MIN, 50)] {
        let mut request = udp.announce(id("t").as_bytes(), &id("b"), 100, Some(1), "");
        request[92..96].copy_from_slice(&wanted.to_be_bytes());
        assert_eq!(udp.ask(&request).await.len(), 20 + 6 * peers, "{wanted}");
    }
}

#[tokio::test]
async fn nobody_gets_more_than_was_sent_before_proving_an_address() {
    let server = Server::start(Config::default()).await;
    let mut udp = Udp::connect(&server).await;
    udp.connection = *b"\0\0\x04\x17\x27\x10\x19\x80";
    let connect = udp.packet(0, &[]);
    assert_eq!(udp.ask(&connect).await.len(), connect.len());
    // The constant that bittorrent-tracker takes for any connection.
    let forged = udp.announce(id("t").as_bytes(), &id("a"), 6881, Some(0), "started");
    udp.socket.send(&forged).await.unwrap();
    let scrape = udp.packet(2, &[b'h'; 20]);
    udp.socket.send(&scrape).await.unwrap();
    server.until_stat("unprovenUdp", 2).await;
    assert_eq!(
        udp.socket.try_recv(&mut [0; 100]).map_err(|error| error.kind()),
        Err(std::io::ErrorKind::WouldBlock)
    );
    assert_eq!(server.stats().await["peersAll"], 0);
}

#[tokio::test]
async fn who_kept_an_id_too_long_may_be_told_in_fewer_bytes_than_it_sent() {
    let strictness = Strictness { udp_unproven: Unproven::Error, ..Strictness::default() };
    let server = Server::start(Config { strictness, ..Config::default() }).await;
    let mut udp = Udp::connect(&server).await;
    udp.connection[0] ^= 1;
    let announce = udp.announce(id("t").as_bytes(), &id("a"), 6881, Some(0), "started");
    for request in [announce, udp.packet(2, &[b'h'; 20])] {
        let reply = udp.ask(&request).await;
        assert_eq!((word(&reply, 0), &reply[8..]), (3, &b"connect again: id expired"[..]));
        assert!(reply.len() <= request.len());
    }
    let stats = server.stats().await;
    assert_eq!((stats["unprovenUdp"].as_u64(), stats["peersAll"].as_u64()), (Some(2), Some(0)));
}
