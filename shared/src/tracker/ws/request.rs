//! What a peer sends to the tracker.

use std::borrow::Cow;
use std::cell::RefCell;

use super::binary;
use super::json::{Json, JsonError};
use super::response::{Action, Failure};
use crate::id::{InfoHash, PeerId};
use crate::tracker::announce::Event;

/// Longest offer_id in characters. Twenty are usual, but nothing in the field insists on it.
pub const OFFER_ID_MAX: usize = 64;

/// How much of a stranger's text a failure repeats, in characters.
const QUOTED_MAX: usize = 32;

/// One message of a peer. What it carries for others is borrowed from the text.
#[derive(Clone, Debug)]
pub enum Request<'a> {
    /// The peer is in a swarm, or leaves it.
    Announce(Announce<'a>),
    /// The peer answers an offer that was relayed to it.
    Answer(Answer<'a>),
    /// The peer asks how many members these swarms have; none named means all.
    Scrape(Vec<InfoHash>),
}

/// A peer says that it takes part in a swarm, and offers connections.
#[derive(Clone, Debug)]
pub struct Announce<'a> {
    /// Which swarm.
    pub info_hash: InfoHash,
    /// What the peer calls itself. Proves nothing.
    pub peer_id: PeerId,
    /// Bytes that it still needs; `None` when it does not know (a magnet link without metadata sends `null`).
    pub left: Option<u64>,
    /// What happened to it.
    pub event: Event,
    /// Connections that it offers, one for each other member. Items that are no offers are left out.
    pub offers: Vec<Offer<'a>>,
}

/// One offered connection.
#[derive(Clone, Debug)]
pub struct Offer<'a> {
    /// Names the offer towards the peer that made it; opaque, at most [`OFFER_ID_MAX`] characters.
    pub offer_id: Cow<'a, str>,
    /// Any JSON that is not false, null, 0 or empty text; opaque to the tracker.
    pub offer: Json<'a>,
}

/// An answer to a relayed offer.
#[derive(Clone, Debug)]
pub struct Answer<'a> {
    /// The swarm in which the offer was made.
    pub info_hash: InfoHash,
    /// What the answering peer calls itself.
    pub peer_id: PeerId,
    /// Who made the offer.
    pub to_peer_id: PeerId,
    /// As it stood in the offer.
    pub offer_id: Cow<'a, str>,
    /// Any JSON that is not false, null, 0 or empty text; opaque to the tracker.
    pub answer: Json<'a>,
}

/// Why a message is no request. The texts of the first four are those of bittorrent-tracker.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// No info_hash of twenty characters up to U+00FF.
    #[error("invalid info_hash")]
    InfoHash,
    /// No peer_id of twenty characters up to U+00FF.
    #[error("invalid peer_id")]
    PeerId,
    /// An answer without a to_peer_id of twenty characters up to U+00FF.
    #[error("invalid `to_peer_id` (required with `answer`)")]
    ToPeerId,
    /// Neither announce nor scrape.
    #[error("invalid action in WS request: {0}")]
    Action(String),
    /// An event that is not in [`Event`].
    #[error("invalid event")]
    Event,
    /// An answer whose offer_id is no string, or longer than [`OFFER_ID_MAX`].
    #[error("invalid offer_id (required with `answer`)")]
    OfferId,
    /// No JSON object.
    #[error("invalid JSON object: {0}")]
    Json(String),
}

/// The fields of all messages, each still as it was written: what is wrong with one must not hide the others.
#[derive(Default)]
struct Fields<'a> {
    action: Option<Json<'a>>,
    info_hash: Option<Json<'a>>,
    peer_id: Option<Json<'a>>,
    to_peer_id: Option<Json<'a>>,
    left: Option<Json<'a>>,
    event: Option<Json<'a>>,
    offers: Vec<Offer<'a>>,
    offer_id: Option<Json<'a>>,
    answer: Option<Json<'a>>,
}

/// The offers of a message while it is read. What is none is left out (bittorrent-tracker dies of it).
#[derive(Default)]
struct Offers<'a> {
    whole: Vec<Offer<'a>>,
    /// The item that is being read, and what it has as `offer_id` and `offer`.
    item: usize,
    id: Option<Json<'a>>,
    offer: Option<Json<'a>>,
}

impl<'a> Offers<'a> {
    fn see(&mut self, item: usize, name: &str, value: Json<'a>) {
        if item != self.item {
            self.end();
            self.item = item;
        }
        match name {
            "offer_id" => self.id = Some(value),
            "offer" => self.offer = Some(value),
            _ => {}
        }
    }

    fn end(&mut self) {
        let (id, offer) = (offer_id(self.id.take()), self.offer.take().filter(|offer| is_truthy(*offer)));
        self.whole.extend(id.zip(offer).map(|(offer_id, offer)| Offer { offer_id, offer }));
    }

    fn finish(mut self) -> Vec<Offer<'a>> {
        self.end();
        self.whole
    }
}

impl<'a> Request<'a> {
    /// Reads one message. The caller bounds its length; nothing larger than the message is allocated.
    ///
    /// # Errors
    ///
    /// A failure that is ready to be sent, with the action and the info_hash if those could be read.
    pub fn parse(text: &'a str) -> Result<Self, Failure> {
        let wrong = |reason: String| failure(None, None, &RequestError::Json(reason));
        let fields = Fields::read(text).map_err(|error| wrong(error.to_string()))?;
        let action = string(fields.action);
        match action.as_deref() {
            Some("announce") => fields.announce(),
            Some("scrape") => fields.scrape(),
            _ => {
                let shown = action.as_deref().or(fields.action.map(Json::get)).unwrap_or("undefined");
                let shown = shown.chars().take(QUOTED_MAX).collect();
                Err(failure(None, hash(fields.info_hash), &RequestError::Action(shown)))
            }
        }
    }
}

impl<'a> Fields<'a> {
    /// Of a field that stands there twice the last counts, as in browsers; one that is `null` is not there.
    fn read(text: &'a str) -> Result<Self, JsonError> {
        let (mut fields, items) = (Self::default(), RefCell::new(Offers::default()));
        let field = |name: &str, value: Json<'a>| {
            let field = match name {
                "action" => &mut fields.action,
                "info_hash" => &mut fields.info_hash,
                "peer_id" => &mut fields.peer_id,
                "to_peer_id" => &mut fields.to_peer_id,
                "left" => &mut fields.left,
                "event" => &mut fields.event,
                "offers" => return fields.offers = items.take().finish(),
                "offer_id" => &mut fields.offer_id,
                "answer" => &mut fields.answer,
                _ => return,
            };
            *field = Some(value).filter(|value| value.get() != "null");
        };
        let of_item =
            |number: usize, name: &str, value: Json<'a>| items.borrow_mut().see(number, name, value);
        Json::parse_object(text, "offers", field, of_item)?;
        Ok(fields)
    }

    fn announce(self) -> Result<Request<'a>, Failure> {
        let fail = |hash, error| failure(Some(Action::Announce), hash, &error);
        let info_hash = hash(self.info_hash).ok_or_else(|| fail(None, RequestError::InfoHash))?;
        let fail = |error| fail(Some(info_hash), error);
        let peer_id = bytes(self.peer_id).map(PeerId).ok_or_else(|| fail(RequestError::PeerId))?;
        if let Some(answer) = self.answer.filter(|answer| is_truthy(*answer)) {
            let to_peer_id =
                bytes(self.to_peer_id).map(PeerId).ok_or_else(|| fail(RequestError::ToPeerId))?;
            let offer_id = offer_id(self.offer_id).ok_or_else(|| fail(RequestError::OfferId))?;
            return Ok(Request::Answer(Answer { info_hash, peer_id, to_peer_id, offer_id, answer }));
        }
        let event = match self.event.map(|event| string(Some(event))) {
            None => Event::Update,
            Some(text) => {
                text.as_deref().and_then(Event::from_name).ok_or_else(|| fail(RequestError::Event))?
            }
        };
        let left = left(self.left);
        Ok(Request::Announce(Announce { info_hash, peer_id, left, event, offers: self.offers }))
    }

    fn scrape(self) -> Result<Request<'a>, Failure> {
        let fail = || failure(Some(Action::Scrape), None, &RequestError::InfoHash);
        let Some(named) = self.info_hash else { return Ok(Request::Scrape(Vec::new())) };
        if let Some(items) = named.items() {
            let hashes = items.into_iter().map(|item| hash(Some(item))).collect::<Option<_>>();
            return hashes.map(Request::Scrape).ok_or_else(fail);
        }
        hash(Some(named)).map(|hash| Request::Scrape(vec![hash])).ok_or_else(fail)
    }
}

fn failure(action: Option<Action>, info_hash: Option<InfoHash>, error: &RequestError) -> Failure {
    Failure { action, info_hash, reason: error.to_string() }
}

fn string(field: Option<Json<'_>>) -> Option<Cow<'_, str>> {
    field?.string()
}

fn bytes(field: Option<Json<'_>>) -> Option<[u8; 20]> {
    string(field).and_then(|text| binary::decode(&text))
}

fn hash(field: Option<Json<'_>>) -> Option<InfoHash> {
    bytes(field).map(InfoHash)
}

/// Numbers, and strings that are numbers; what is neither, or negative, is unknown.
fn left(field: Option<Json<'_>>) -> Option<u64> {
    let text = field?.get();
    if let Ok(number) = text.parse() {
        return Some(number);
    }
    let number: f64 = text.trim_matches('"').trim().parse().ok()?;
    (number >= 0.0 && number.is_finite()).then_some(number as u64)
}

fn offer_id(field: Option<Json<'_>>) -> Option<Cow<'_, str>> {
    string(field).filter(|text| text.chars().count() <= OFFER_ID_MAX)
}

fn is_truthy(json: Json<'_>) -> bool {
    !matches!(json.get(), "null" | "false" | "\"\"" | "0")
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "aaaaaaaaaaaaaaaaaaaa";
    const PEER: &str = "bbbbbbbbbbbbbbbbbbbb";

    fn text(rest: &str) -> String {
        format!(r#"{{"action":"announce","info_hash":"{HASH}","peer_id":"{PEER}"{rest}}}"#)
    }

    fn announced(text: &str) -> Announce<'_> {
        match Request::parse(text) {
            Ok(Request::Announce(announce)) => announce,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn an_announce_of_the_reference_client_is_read() {
        let text = text(
            r#","numwant":2,"uploaded":0,"downloaded":0,"left":100,"event":"started","customParam":[1],
               "offers":[{"offer":{"type":"offer","sdp":"v=0\r\n"},"offer_id":"\u0000\u00ffcdefghijklmnopqrst"},
                         {"offer":{"any":{"thing":1.0e2}},"offer_id":"short"}]"#,
        );
        let parsed = announced(&text);
        assert_eq!(parsed.info_hash, InfoHash([b'a'; 20]));
        assert_eq!(parsed.peer_id, PeerId([b'b'; 20]));
        assert_eq!((parsed.left, parsed.event), (Some(100), Event::Started));
        let offers: Vec<_> =
            parsed.offers.iter().map(|offer| (&*offer.offer_id, offer.offer.get())).collect();
        let first = ("\u{0}\u{ff}cdefghijklmnopqrst", r#"{"type":"offer","sdp":"v=0\r\n"}"#);
        assert_eq!(offers, [first, ("short", r#"{"any":{"thing":1.0e2}}"#)]);
    }

    #[test]
    fn left_is_known_only_when_it_is_a_number() {
        for (text, left) in [
            ("0", Some(0)),
            ("0.0", Some(0)),
            ("\"0\"", Some(0)),
            ("5e3", Some(5_000)),
            ("null", None),
            ("-1", None),
            ("\"\"", None),
            ("\"NaN\"", None),
            ("\"inf\"", None),
            ("true", None),
            ("[0]", None),
        ] {
            assert_eq!(announced(&self::text(&format!(r#","left":{text}"#))).left, left, "{text}");
        }
        assert_eq!(announced(&text("")).left, None);
    }

    #[test]
    fn offers_that_are_none_are_left_out() {
        for offers in [
            "null",
            "\"x\"",
            "{}",
            "7",
            "[]",
            "[null]",
            "[1,\"x\",[],{}]",
            r#"[{"offer":null,"offer_id":"x"}]"#,
            r#"[{"offer":{}}]"#,
            r#"[{"offer":"","offer_id":"x"}]"#,
            r#"[{"offer":{},"offer_id":7}]"#,
            r#"[[{"a":1},"x"]]"#,
            r#"[{"fake_offer":"fake"}]"#,
        ] {
            assert!(announced(&text(&format!(r#","offers":{offers}"#))).offers.is_empty(), "{offers}");
        }
        let long = "x".repeat(OFFER_ID_MAX + 1);
        assert!(
            announced(&text(&format!(r#","offers":[{{"offer":{{}},"offer_id":"{long}"}}]"#)))
                .offers
                .is_empty()
        );
        assert_eq!(announced(&text(r#","offers":[null,{"offer":{},"offer_id":"x"}]"#)).offers.len(), 1);
    }

    #[test]
    fn an_answer_is_read_and_a_falsy_one_is_an_announce() {
        let rest = format!(r#","to_peer_id":"{PEER}","answer":{{"type":"answer"}},"offer_id":"xyz""#);
        let whole = text(&rest);
        let Ok(Request::Answer(answer)) = Request::parse(&whole) else { panic!("no answer") };
        assert_eq!((&*answer.offer_id, answer.answer.get()), ("xyz", r#"{"type":"answer"}"#));
        let whole = text(&rest.replace(r#"{"type":"answer"}"#, "\"opaque\""));
        let Ok(Request::Answer(opaque)) = Request::parse(&whole) else { panic!("no answer") };
        assert_eq!(opaque.answer.get(), "\"opaque\"");
        for falsy in ["null", "false", "\"\"", "0"] {
            announced(&text(&format!(r#","answer":{falsy}"#)));
        }
    }

    #[test]
    fn failures_say_what_is_wrong_and_carry_what_could_be_read() {
        let hash = Some(InfoHash([b'a'; 20]));
        let announcing = Some(Action::Announce);
        let invalid_event = text(r#","event":"vanished""#);
        let no_to_peer = text(r#","answer":{},"offer_id":"x""#);
        let no_offer_id = text(&format!(r#","answer":{{}},"to_peer_id":"{PEER}""#));
        let no_peer = format!(r#"{{"action":"announce","info_hash":"{HASH}","peer_id":7}}"#);
        let no_hash = r#"{"action":"announce","info_hash":"short"}"#.to_owned();
        let no_action = format!(r#"{{"info_hash":"{HASH}"}}"#);
        let bad_scrape = r#"{"action":"scrape","info_hash":["x"]}"#.to_owned();
        for (text, action, hash, reason) in [
            (invalid_event, announcing, hash, "invalid event"),
            (no_to_peer, announcing, hash, "invalid `to_peer_id` (required with `answer`)"),
            (no_offer_id, announcing, hash, "invalid offer_id (required with `answer`)"),
            (no_peer, announcing, hash, "invalid peer_id"),
            (no_hash, announcing, None, "invalid info_hash"),
            (no_action, None, hash, "invalid action in WS request: undefined"),
            (bad_scrape, Some(Action::Scrape), None, "invalid info_hash"),
        ] {
            let failure = Request::parse(&text).unwrap_err();
            assert_eq!((failure.action, failure.info_hash, failure.reason.as_str()), (action, hash, reason));
        }
    }

    #[test]
    fn scrapes_name_none_one_or_several() {
        let hashes = |text: &str| match Request::parse(text) {
            Ok(Request::Scrape(hashes)) => hashes.len(),
            other => panic!("{text}: {other:?}"),
        };
        assert_eq!(hashes(r#"{"action":"scrape"}"#), 0);
        assert_eq!(hashes(r#"{"action":"scrape","info_hash":null}"#), 0);
        assert_eq!(hashes(&format!(r#"{{"action":"scrape","info_hash":"{HASH}"}}"#)), 1);
        assert_eq!(hashes(&format!(r#"{{"action":"scrape","info_hash":["{HASH}","{PEER}"]}}"#)), 2);
    }

    #[test]
    fn nothing_that_is_not_a_request_panics() {
        let whole = format!(
            r#"{{"action":"announce","info_hash":"{HASH}","peer_id":"{PEER}","offers":[{{"offer":{{"sdp":"é"}},"offer_id":"x"}}]}}"#
        );
        for length in 0..whole.len() {
            if let Some(prefix) = whole.get(..length) {
                assert!(Request::parse(prefix).is_err(), "{prefix}");
            }
        }
        let deep = "[".repeat(60_000);
        let sequence = format!(r#"["announce","{HASH}","{PEER}"]"#);
        assert!(Request::parse(&sequence).is_err(), "fields in order are no object");
        for text in ["null", "[]", "7", "\"x\"", "{\"action\":1}", "{\"action\":{}}", deep.as_str()] {
            assert!(Request::parse(text).is_err(), "{text:.20}");
        }
        let deep = text(&format!(r#","offers":{deep}{}"#, "]".repeat(60_000)));
        assert!(Request::parse(&deep).unwrap_err().reason.contains("64 objects and arrays"));
        let long = format!(r#"{{"action":"{}"}}"#, "x".repeat(10_000));
        assert!(Request::parse(&long).unwrap_err().reason.len() < 100);
    }
}
