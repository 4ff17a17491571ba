//! Both ways to receive and to send, over real sockets.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::*;

type Receive = fn(&UdpSocket, &mut [[u8; DATAGRAM_MAX]], &mut Vec<(usize, SocketAddr)>) -> io::Result<()>;

const RECEIVE: [Receive; 2] = [calls::receive, single::receive];

async fn open(ip: impl Into<std::net::IpAddr>) -> UdpSocket {
    UdpSocket::bind(SocketAddr::from((ip.into(), 0))).await.unwrap()
}

#[tokio::test]
async fn datagrams_come_in_order_with_length_and_sender() {
    for receive in RECEIVE {
        for ip in [std::net::IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()] {
            let (socket, sender) = (open(ip).await, open(ip).await);
            let mut received = Received::default();
            let to = socket.local_addr().unwrap();
            for number in 0..BATCH + 3 {
                sender.send_to(&vec![number as u8; number * 29], to).await.unwrap();
            }
            let mut lengths = Vec::new();
            while lengths.len() < BATCH + 3 {
                socket.readable().await.unwrap();
                received.heads.clear();
                match receive(&socket, &mut received.buffers, &mut received.heads) {
                    Ok(()) => assert!((1..=BATCH).contains(&received.iter().count())),
                    Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
                }
                for (bytes, from) in received.iter() {
                    assert_eq!(from, sender.local_addr().unwrap());
                    assert!(bytes.iter().all(|byte| usize::from(*byte) == lengths.len()), "whose bytes");
                    lengths.push(bytes.len());
                }
            }
            let expected = (0..BATCH + 3).map(|number| (number * 29).min(DATAGRAM_MAX));
            assert_eq!(lengths, expected.collect::<Vec<_>>());
        }
    }
}

#[tokio::test]
async fn replies_go_to_whom_they_are_for_and_one_that_is_refused_takes_none_with_it() {
    let (socket, receivers) = (
        open(Ipv4Addr::UNSPECIFIED).await,
        [open(Ipv4Addr::LOCALHOST).await, open(Ipv4Addr::LOCALHOST).await],
    );
    let to = |which: usize| receivers[which].local_addr().unwrap();
    let mut replies = Replies::default();
    for number in 0..100_u8 {
        assert_eq!(replies.push(to(usize::from(number % 2)), |bytes| bytes.extend([number; 40])), 40);
        assert_eq!(replies.push(to(0), |_| {}), 0, "no datagram");
        // Nobody can be sent anything at port 0.
        replies.push(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), |bytes| bytes.push(1));
    }
    assert_eq!(replies.send(&socket).await, 100);
    assert_eq!((replies.bytes.len(), replies.heads.len()), (0, 0));
    for number in 0..100_u8 {
        let mut bytes = [0; 64];
        let (length, from) = receivers[usize::from(number % 2)].recv_from(&mut bytes).await.unwrap();
        assert_eq!((length, from.port()), (40, socket.local_addr().unwrap().port()));
        assert_eq!(bytes[..40], [number; 40]);
    }
    assert_eq!(replies.send(&socket).await, 0);
}

#[tokio::test]
async fn what_is_sent_one_by_one_is_the_same() {
    let (socket, receiver) = (open(Ipv4Addr::LOCALHOST).await, open(Ipv4Addr::LOCALHOST).await);
    let mut replies = Replies::default();
    for number in 0..5_u8 {
        replies.push(receiver.local_addr().unwrap(), |bytes| bytes.extend([number; 7]));
    }
    for at in 0..5 {
        let from = at * 7;
        socket.writable().await.unwrap();
        assert_eq!(single::send(&socket, &replies.bytes, from, &replies.heads[at..]).unwrap(), 1);
        let mut bytes = [0; 64];
        let length = receiver.recv(&mut bytes).await.unwrap();
        assert_eq!(bytes[..length], [at as u8; 7]);
    }
}
