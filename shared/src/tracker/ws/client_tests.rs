use proptest::prelude::*;
use serde_json::json;

use super::super::{Json, Request, Response};
use super::*;

const HASH: InfoHash = InfoHash([0xe9; 20]);
const PEER: PeerId = PeerId(*b"-PM0100-\"\\\n\0abcdefgh");

fn announce(event: Event, offers: usize) -> ClientAnnounce {
    let offer =
        |number| ClientOffer { offer_id: OfferId([number as u8; 20]), sdp: "v=0\r\n\"é\"".to_owned() };
    ClientAnnounce {
        info_hash: HASH,
        peer_id: PEER,
        event,
        uploaded: 1,
        downloaded: 2,
        left: Some(3),
        offers: (0..offers).map(offer).collect(),
        tracker_id: None,
    }
}

#[test]
fn an_announce_looks_like_the_reference_clients() {
    let sent: serde_json::Value =
        serde_json::from_str(&ClientMessage::Announce(announce(Event::Started, 1)).to_json()).expect("JSON");
    assert_eq!(
        sent,
        json!({"numwant": 1, "uploaded": 1, "downloaded": 2, "left": 3, "event": "started", "action": "announce",
            "info_hash": "é".repeat(20), "peer_id": "-PM0100-\"\\\n\0abcdefgh",
            "offers": [{"offer": {"type": "offer", "sdp": "v=0\r\n\"é\""}, "offer_id": "\0".repeat(20)}]})
    );
    let mut stopped = announce(Event::Stopped, 0);
    stopped.left = None;
    stopped.tracker_id = Some("t\"1".to_owned());
    let sent: serde_json::Value =
        serde_json::from_str(&ClientMessage::Announce(stopped).to_json()).expect("JSON");
    assert_eq!(sent.get("offers"), None);
    assert_eq!((&sent["left"], &sent["trackerid"]), (&json!(16_384), &json!("t\"1")));
}

#[test]
fn the_tracker_reads_what_we_send() {
    for (event, offers) in [
        (Event::Update, 5),
        (Event::Started, 2),
        (Event::Completed, 0),
        (Event::Stopped, 0),
        (Event::Paused, 0),
    ] {
        let text = ClientMessage::Announce(announce(event, offers)).to_json();
        let Ok(Request::Announce(read)) = Request::parse(&text) else { panic!("{event:?}") };
        assert_eq!((read.info_hash, read.peer_id, read.left, read.event), (HASH, PEER, Some(3), event));
        assert_eq!(read.offers.len(), offers);
    }
    let answer = ClientMessage::Answer {
        info_hash: HASH,
        peer_id: PEER,
        to_peer_id: PeerId([1; 20]),
        offer_id: "any \u{1F600}".to_owned(),
        sdp: "v=0".to_owned(),
        tracker_id: Some("t".to_owned()),
    };
    let text = answer.to_json();
    let Ok(Request::Answer(read)) = Request::parse(&text) else { panic!("an answer") };
    assert_eq!((read.to_peer_id, &*read.offer_id), (PeerId([1; 20]), "any \u{1F600}"));
    assert_eq!(read.answer.get(), r#"{"type":"answer","sdp":"v=0"}"#);
    for hashes in [vec![HASH], vec![HASH, InfoHash([0; 20])]] {
        let Ok(Request::Scrape(read)) = Request::parse(&ClientMessage::Scrape(hashes.clone()).to_json())
        else {
            panic!("a scrape");
        };
        assert_eq!(read, hashes);
    }
}

#[test]
fn we_read_what_the_tracker_sends() {
    let raw = |text: &'static str| Json::parse(text).expect("JSON");
    let parse = |response: Response<'_>| ServerMessage::parse(&response.to_json()).expect("sound");
    assert_eq!(
        parse(Response::Announced { info_hash: HASH, interval: 120, complete: 1, incomplete: 2 }),
        ServerMessage::Announced(AnnounceReply {
            info_hash: HASH,
            interval: Some(120),
            complete: Some(1),
            incomplete: Some(2),
            tracker_id: None,
            warning: None
        })
    );
    assert_eq!(
        parse(Response::Offer {
            info_hash: HASH,
            peer_id: PEER,
            offer_id: "x".into(),
            offer: raw(r#"{"type":"offer","sdp":"v=0\r\n","more":1}"#)
        }),
        ServerMessage::Offer {
            info_hash: HASH,
            peer_id: PEER,
            offer_id: "x".to_owned(),
            sdp: "v=0\r\n".to_owned()
        }
    );
    let answer = |offer_id: &'static str| Response::Answer {
        info_hash: HASH,
        peer_id: PEER,
        offer_id: offer_id.into(),
        answer: raw(r#"{"sdp":"v=1"}"#),
    };
    assert_eq!(
        parse(answer("éééééééééééééééééééé")),
        ServerMessage::Answer {
            info_hash: HASH,
            peer_id: PEER,
            offer_id: OfferId([0xe9; 20]),
            sdp: "v=1".to_owned()
        }
    );
    assert_eq!(ServerMessage::parse(&answer("short").to_json()), Err(twenty("offer_id")));
    let counts = ScrapeCounts { complete: 1, incomplete: 2, downloaded: 3, downloaders: Some(1) };
    let files = vec![(HASH, counts), (InfoHash([0; 20]), ScrapeCounts::default())];
    assert_eq!(
        parse(Response::Scraped { files: files.clone(), min_request_interval: 9 }),
        ServerMessage::Scraped { files }
    );
}

#[test]
fn failures_and_warnings_are_read_however_little_they_say() {
    assert_eq!(
        ServerMessage::parse(r#"{"failure reason":"no"}"#),
        Ok(ServerMessage::Failure { action: None, info_hash: None, reason: "no".to_owned() })
    );
    let text = format!(r#"{{"action":"announce","info_hash":"{}","failure reason":7}}"#, "é".repeat(20));
    assert_eq!(
        ServerMessage::parse(&text),
        Ok(ServerMessage::Failure {
            action: Some(Action::Announce),
            info_hash: Some(HASH),
            reason: String::new()
        })
    );
    let text = format!(
        r#"{{"action":"announce","info_hash":"{}","interval":-1,"min interval":30.5,"complete":null,
            "warning message":"a\u0000b\u202ec","tracker id":"{}"}}"#,
        "é".repeat(20),
        "x".repeat(1_000)
    );
    let Ok(ServerMessage::Announced(reply)) = ServerMessage::parse(&text) else { panic!("a reply") };
    assert_eq!((reply.interval, reply.complete, reply.warning.as_deref()), (Some(30), None, Some("abc")));
    assert_eq!(reply.tracker_id.map(|id| id.len()), Some(TEXT_MAX));
}

#[test]
fn what_the_tracker_should_not_send_is_a_typed_error() {
    let hash = "é".repeat(20);
    let wrong = |rest: &str| {
        ServerMessage::parse(&format!(
            r#"{{"action":"announce","info_hash":"{hash}","peer_id":"{hash}",{rest}}}"#
        ))
        .expect_err(rest)
    };
    let long = "x".repeat(limits::SDP_MAX + 1);
    for offer in [
        r#""v=0""#,
        r#"["offer","v=0"]"#,
        r#"{"type":"answer","sdp":"v=0"}"#,
        r#"{"type":"offer","sdp":""}"#,
        r#"{"type":"offer","sdp":7}"#,
        r#"{"type":"offer"}"#,
        &format!(r#"{{"sdp":"{long}"}}"#),
    ] {
        let error = wrong(&format!(r#""offer_id":"x","offer":{offer}"#));
        assert!(matches!(error, ServerMessageError::Field { field: "offer", .. }), "{offer:.40}");
    }
    assert!(matches!(wrong(r#""offer":{"sdp":"x"}"#), ServerMessageError::Field { field: "offer_id", .. }));
    assert_eq!(ServerMessage::parse(r#"{"action":"announce"}"#), Err(twenty("info_hash")));
    let high = format!(r#"{{"action":"announce","info_hash":"Ł{}"}}"#, "a".repeat(19));
    assert_eq!(ServerMessage::parse(&high), Err(twenty("info_hash")));
    assert!(matches!(ServerMessage::parse("{}"), Err(ServerMessageError::Action(_))));
    assert!(matches!(ServerMessage::parse(r#"["announce"]"#), Err(ServerMessageError::Json(_))));
    assert_eq!(
        ServerMessage::parse(&" ".repeat(limits::TRACKER_MESSAGE_MAX + 1)),
        Err(ServerMessageError::TooLong(limits::TRACKER_MESSAGE_MAX + 1))
    );
}

proptest! {
    #[test]
    fn any_ids_and_texts_survive_the_way_to_the_tracker(
        info_hash: [u8; 20], peer_id: [u8; 20], offer_id: [u8; 20], left: Option<u32>, sdp: String,
    ) {
        let sent = ClientMessage::Announce(ClientAnnounce {
            info_hash: InfoHash(info_hash),
            peer_id: PeerId(peer_id),
            event: Event::Update,
            uploaded: u64::MAX,
            downloaded: 0,
            left: left.map(u64::from),
            offers: vec![ClientOffer { offer_id: OfferId(offer_id), sdp: sdp.clone() }],
            tracker_id: Some(sdp.clone()),
        });
        let text = sent.to_json();
        let Ok(Request::Announce(read)) = Request::parse(&text) else { panic!("unread") };
        prop_assert_eq!((read.info_hash.0, read.peer_id.0), (info_hash, peer_id));
        prop_assert_eq!(read.left, Some(left.map_or(LEFT_UNKNOWN, u64::from)));
        prop_assert_eq!(binary::decode(&read.offers[0].offer_id), Some(offer_id));
        let relayed = Response::Offer {
            info_hash: read.info_hash,
            peer_id: read.peer_id,
            offer_id: read.offers[0].offer_id.clone(),
            offer: read.offers[0].offer,
        };
        match ServerMessage::parse(&relayed.to_json()) {
            Ok(ServerMessage::Offer { sdp: got, .. }) => prop_assert_eq!(got, sdp),
            Err(_) if sdp.is_empty() => {}
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn no_text_of_a_tracker_panics(text: String) {
        let _ = ServerMessage::parse(&text);
    }
}

#[test]
fn an_invitation_to_report_names_seconds_in_bounds() {
    let text = super::super::report::invitation(core::time::Duration::from_secs(3));
    assert_eq!(ServerMessage::parse(&text), Ok(ServerMessage::Invitation { reports: 3 }));
    let read =
        |reports: &str| ServerMessage::parse(&format!(r#"{{"action":"piecemeal","reports":{reports}}}"#));
    assert_eq!(read("0"), Ok(ServerMessage::Invitation { reports: 0 }));
    for wrong in ["-1", "3601", "null", "\"3\"", "{}"] {
        assert!(read(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn a_refusal_says_why_to_programs_and_an_offer_cannot_pretend_to_be_one() {
    let code = |text: &str| refusal_code(text);
    assert_eq!(
        code(
            r#"{"action":"announce","failure reason":"login required: x","code":"login_required","info_hash":"x"}"#
        ),
        Some("login_required".to_owned())
    );
    for other in [
        r#"{"action":"announce","offer":{"failure reason":"x","code":"login_required"},"offer_id":"x"}"#,
        r#"{"action":"announce","failure reason":"x"}"#,
        r#"{"action":"announce","interval":120,"code":"login_required"}"#,
        "{",
    ] {
        assert_eq!(code(other), None, "{other}");
    }
}
