//! Who takes what is somebody else's: a name, or the answer to an offer.

use std::time::Duration;

use serde_json::json;
use tokio::time::{sleep, timeout};

use super::Attacker;
use crate::behaved::{ANSWERER, ASKER, SWARM, offer_id, stolen_answer};
use crate::socket::Socket;

/// Announces somebody else's peer_id and leaves the swarm in its name, or hangs up.
pub(super) async fn peer_ids(attacker: Attacker) {
    for number in 0_u64.. {
        let Ok(mut socket) = Socket::open(attacker.target.clear, attacker.from).await else { continue };
        let name = if number % 2 == 0 { ANSWERER } else { ASKER };
        let say = |event: &str| json!({"action": "announce", "info_hash": SWARM, "peer_id": name, "left": 0, "event": event, "offers": []});
        if number % 5 != 0 {
            let _ = socket.send(&say("started")).await;
            let _ = timeout(Duration::from_secs(1), socket.next()).await;
        }
        if number % 3 != 0 {
            let _ = socket.send(&say("stopped")).await;
            let _ = timeout(Duration::from_secs(1), socket.next()).await;
        }
        attacker.did_it().await;
        drop(socket);
        sleep(Duration::from_millis(10)).await;
    }
}

/// Answers offers that others got, under all names; it is a member of no swarm and was offered nothing.
pub(super) async fn answers(attacker: Attacker) {
    let mut rng = attacker.rng();
    loop {
        let Ok(mut socket) = Socket::open(attacker.target.clear, attacker.from).await else { continue };
        for name in [ANSWERER, ASKER, "nobody-nobody-nobody"].iter().cycle().take(600) {
            let answer = stolen_answer(name, &offer_id(rng.below(400), rng.below(20)));
            if socket.send(&answer).await.is_err() {
                break;
            }
            attacker.did_it().await;
            sleep(Duration::from_millis(2)).await;
        }
    }
}
