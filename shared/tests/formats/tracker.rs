use shared::id::{InfoHash, OfferId, PeerId};
use shared::tracker::ws::{ClientAnnounce, ClientMessage, ClientOffer, Event, Request, ServerMessage};

use super::mutations;

fn announce() -> ClientMessage {
    ClientMessage::Announce(ClientAnnounce {
        info_hash: InfoHash(*b"\0\x01\"\\\xff\xe9abcdefghijklmn"),
        peer_id: PeerId(*b"-PM0100-abcdefghijkl"),
        event: Event::Started,
        uploaded: 1,
        downloaded: 2,
        left: Some(3),
        offers: vec![ClientOffer { offer_id: OfferId([0x80; 20]), sdp: "v=0\r\n".to_owned() }],
        tracker_id: Some("t".to_owned()),
    })
}

#[test]
fn every_mutation_of_a_tracker_message_is_read_or_refused() {
    let answer = ClientMessage::Answer {
        info_hash: InfoHash([1; 20]),
        peer_id: PeerId([0xe9; 20]),
        to_peer_id: PeerId([b'b'; 20]),
        offer_id: "any".to_owned(),
        sdp: "v=0".to_owned(),
        tracker_id: None,
    };
    let hash = "h".repeat(20);
    let texts = [
        announce().to_json(),
        answer.to_json(),
        ClientMessage::Scrape(vec![InfoHash([1; 20]), InfoHash([0xff; 20])]).to_json(),
        format!(r#"{{"complete":1,"incomplete":2,"action":"announce","interval":120,"info_hash":"{hash}"}}"#),
        format!(
            r#"{{"action":"announce","offer":{{"type":"offer","sdp":"v"}},"offer_id":"o","peer_id":"{hash}","info_hash":"{hash}"}}"#
        ),
        format!(
            r#"{{"action":"announce","answer":{{"type":"answer","sdp":"v"}},"offer_id":"{hash}","peer_id":"{hash}","info_hash":"{hash}"}}"#
        ),
        format!(
            r#"{{"action":"scrape","files":{{"{hash}":{{"complete":1,"incomplete":2,"downloaded":3}}}},"flags":{{"min_request_interval":9}}}}"#
        ),
        format!(r#"{{"action":"announce","failure reason":"no","info_hash":"{hash}"}}"#),
    ];
    let (mut asked, mut told, mut refused) = (0, 0, 0);
    for text in &texts {
        for mutated in mutations(text.as_bytes()) {
            shared::fuzz::tracker_ws(&mutated);
            let Ok(mutated) = core::str::from_utf8(&mutated) else { continue };
            asked += usize::from(Request::parse(mutated).is_ok());
            match ServerMessage::parse(mutated) {
                Ok(_) => told += 1,
                Err(error) => {
                    refused += 1;
                    assert!(!error.to_string().is_empty());
                }
            }
        }
    }
    assert!(asked > 1_000 && told > 1_000 && refused > 1_000, "{asked} {told} {refused}");
}
