//! Both ways to receive and to send, over real sockets.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::*;

type Answer<'a> = &'a mut dyn FnMut(&[u8], SocketAddr, &mut Vec<u8>);

type Way = fn(&UdpSocket, &mut Batch, Answer<'_>) -> io::Result<Passed>;

const WAYS: [Way; 2] = [
    |socket, batch, answer| calls::answer(socket, batch, answer),
    |socket, batch, answer| single::answer(socket, batch, answer),
];

async fn open(ip: impl Into<IpAddr>) -> UdpSocket {
    UdpSocket::bind(SocketAddr::from((ip.into(), 0))).await.unwrap()
}

#[tokio::test]
async fn datagrams_are_answered_in_order_each_to_its_sender() {
    // More of them find no room at the socket.
    const SENT: usize = BATCH + 3;
    for way in WAYS {
        for ip in [IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()] {
            let (socket, senders) = (open(ip).await, [open(ip).await, open(ip).await]);
            let to = socket.local_addr().unwrap();
            for number in 0..SENT {
                senders[number % 2].send_to(&vec![number as u8; number * 29], to).await.unwrap();
            }
            let (mut batch, mut lengths, mut passed) = (Batch::default(), Vec::new(), Passed::default());
            while lengths.len() < SENT {
                socket.readable().await.unwrap();
                let before = lengths.len();
                let mut answer = |bytes: &[u8], from: SocketAddr, reply: &mut Vec<u8>| {
                    let number = lengths.len();
                    assert_eq!(from, senders[number % 2].local_addr().unwrap());
                    assert!(bytes.iter().all(|byte| usize::from(*byte) == number), "whose bytes");
                    lengths.push(bytes.len());
                    // To every third there is no reply.
                    if !number.is_multiple_of(3) {
                        reply.extend([number as u8; 5]);
                    }
                };
                match way(&socket, &mut batch, &mut answer) {
                    Ok(more) => {
                        passed.received += more.received;
                        passed.replied += more.replied;
                        assert!((1..=BATCH).contains(&(lengths.len() - before)));
                    }
                    Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
                }
                assert_eq!(batch.finish(&socket).await, 0);
            }
            let expected: Vec<_> = (0..SENT).map(|number| (number * 29).min(DATAGRAM_MAX)).collect();
            assert_eq!(lengths, expected);
            let replied = (0..SENT).filter(|number| !number.is_multiple_of(3));
            assert_eq!(
                passed,
                Passed { received: expected.iter().sum(), replied: replied.clone().count() * 5 }
            );
            for number in replied {
                let mut bytes = [0; 64];
                let (length, from) = senders[number % 2].recv_from(&mut bytes).await.unwrap();
                assert_eq!((&bytes[..length], from), (&[number as u8; 5][..], to));
            }
        }
    }
}

#[tokio::test]
async fn a_reply_that_is_refused_takes_none_with_it() {
    let (socket, receiver) = (open(Ipv4Addr::UNSPECIFIED).await, open(Ipv4Addr::LOCALHOST).await);
    let mut batch = Batch::default();
    for number in 0..100_u8 {
        let push = batch.replies.push(receiver.local_addr().unwrap(), |bytes| bytes.extend([number; 40]));
        assert_eq!(push, 40);
        // Nobody can be sent anything at port 0.
        batch.replies.push(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), |bytes| bytes.push(1));
    }
    assert_eq!(batch.finish(&socket).await, 100);
    assert_eq!(batch.finish(&socket).await, 0);
    for number in 0..100_u8 {
        let mut bytes = [0; 64];
        let length = receiver.recv(&mut bytes).await.unwrap();
        assert_eq!(bytes[..length], [number; 40]);
    }
}

#[test]
fn what_finds_no_room_is_sent_later() {
    let to = SocketAddr::from((Ipv4Addr::LOCALHOST, 9));
    let mut replies = Replies::default();
    for number in 0..5_u8 {
        replies.push(to, |bytes| bytes.extend([number; 7]));
    }
    let mut calls = Vec::new();
    let mut room = [Ok(2), Err(io::ErrorKind::PermissionDenied), Err(io::ErrorKind::WouldBlock)].into_iter();
    let mut call = |bytes: &[u8], from: usize, heads: &[(usize, SocketAddr)]| {
        calls.push((bytes[from], heads.len()));
        room.next().unwrap_or(Ok(9)).map_err(io::Error::from)
    };
    assert!(!replies.send(&mut call));
    assert_eq!((replies.sent, replies.lost), (3, 1));
    assert!(replies.send(&mut call));
    assert_eq!(calls, [(0, 5), (2, 3), (3, 2), (3, 2)]);
}
