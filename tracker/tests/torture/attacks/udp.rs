//! Datagrams.

use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::sleep;

use super::Attacker;
use crate::behaved::udp_announce;

/// Asks with ids that are made up, constant or another's; cut datagrams, and random ones.
pub(super) async fn forged(attacker: Attacker) {
    let mut rng = attacker.rng();
    let socket = UdpSocket::bind((attacker.from, 0)).await.unwrap();
    socket.connect(attacker.target.udp).await.unwrap();
    loop {
        for _ in 0..20 {
            let mut connection = [0; 8];
            rng.fill(&mut connection);
            if rng.below(3) == 0 {
                connection = *b"\0\0\x04\x17\x27\x10\x19\x80";
            }
            let mut datagram = udp_announce(&connection, [1, 2, 3, 4], "forged-forged-forged", 1);
            match rng.below(4) {
                0 => datagram.truncate(rng.below(98) as usize),
                1 => rng.fill(&mut datagram),
                2 => datagram[8..12].copy_from_slice(&[0, 0, 0, 2]),
                _ => {}
            }
            let _ = socket.send(&datagram).await;
            attacker.did_it().await;
        }
        sleep(Duration::from_millis(5)).await;
    }
}

/// As many announces as are let through and more, with an id of its own; replies are not read.
pub(super) async fn flood(attacker: Attacker) {
    let socket = UdpSocket::bind((attacker.from, 0)).await.unwrap();
    socket.connect(attacker.target.udp).await.unwrap();
    loop {
        socket.send(b"\0\0\x04\x17\x27\x10\x19\x80\0\0\0\0abcd").await.unwrap();
        let mut reply = [0; 16];
        // Replies to the announces before are in the way.
        let Ok(length) = socket.recv(&mut reply).await else { continue };
        if length != 16 || reply[..4] != [0; 4] {
            continue;
        }
        for port in 1..=2_500 {
            let _ = socket.send(&udp_announce(&reply[8..], [1, 2, 3, 4], "flood-flood-flood-fl", port)).await;
            attacker.did_it().await;
            if port % 25 == 0 {
                sleep(Duration::from_millis(10)).await;
            }
        }
    }
}
