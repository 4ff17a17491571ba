//! What the tracker sends to a peer.

use core::fmt::Write as _;
use std::borrow::Cow;

use super::binary;
use super::json::Json;
use crate::id::{InfoHash, PeerId};
use crate::tracker::scrape::ScrapeCounts;

/// Which kind of request a failure is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// An announce or an answer.
    Announce,
    /// A scrape.
    Scrape,
}

impl Action {
    const fn name(self) -> &'static str {
        match self {
            Self::Announce => "announce",
            Self::Scrape => "scrape",
        }
    }
}

/// A request that the tracker does not grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What was asked, if that could be read.
    pub action: Option<Action>,
    /// Of which swarm, if that could be read.
    pub info_hash: Option<InfoHash>,
    /// What is wrong, for people.
    pub reason: String,
}

/// One message of the tracker. What it carries of others is borrowed from their messages.
#[derive(Clone, Debug)]
pub enum Response<'a> {
    /// To the announcer.
    Announced {
        /// Which swarm.
        info_hash: InfoHash,
        /// Seconds until the next announce.
        interval: u32,
        /// Members that have everything.
        complete: u32,
        /// Members that have not.
        incomplete: u32,
    },
    /// Somebody else's offer.
    Offer {
        /// Which swarm.
        info_hash: InfoHash,
        /// Who offers.
        peer_id: PeerId,
        /// To be repeated in the answer; opaque.
        offer_id: Cow<'a, str>,
        /// A JSON object, opaque to the tracker.
        offer: Json<'a>,
    },
    /// The answer to an offer of the receiver.
    Answer {
        /// Which swarm.
        info_hash: InfoHash,
        /// Who answers.
        peer_id: PeerId,
        /// As the receiver chose it.
        offer_id: Cow<'a, str>,
        /// A JSON object, opaque to the tracker.
        answer: Json<'a>,
    },
    /// Numbers of the swarms that were asked for.
    Scraped {
        /// Each swarm with its numbers.
        files: Vec<(InfoHash, ScrapeCounts)>,
        /// Seconds before the peer may ask again.
        min_request_interval: u32,
    },
    /// The request was not granted.
    Failure(Failure),
    /// The request was not granted to whoever made it.
    Refused {
        /// What is said of it.
        failure: Failure,
        /// The same in one word, for programs: `login_required`.
        code: &'static str,
    },
}

/// What the messages with the offers of one announce end with, so that it is written once.
#[derive(Debug, Default)]
pub struct Ending {
    of: Option<(InfoHash, PeerId)>,
    json: String,
}

impl Ending {
    fn of(&mut self, info_hash: InfoHash, peer_id: PeerId) -> &str {
        if self.of != Some((info_hash, peer_id)) {
            self.of = Some((info_hash, peer_id));
            self.json.clear();
            self.json.push_str(r#","peer_id":"#);
            binary::write_json(&mut self.json, &peer_id.0);
            self.json.push_str(r#","info_hash":"#);
            binary::write_json(&mut self.json, &info_hash.0);
            self.json.push('}');
        }
        &self.json
    }
}

impl Response<'_> {
    /// The message as it is sent.
    pub fn to_json(&self) -> String {
        self.to_json_after(&mut Ending::default())
    }

    /// The same. `ending` is that of the message before, and is faster if that was an offer of the same peer.
    pub fn to_json_after(&self, ending: &mut Ending) -> String {
        let mut json = String::with_capacity(self.length_estimate());
        match self {
            Self::Announced { info_hash, interval, complete, incomplete } => {
                let _ = write!(
                    json,
                    r#"{{"complete":{complete},"incomplete":{incomplete},"action":"announce","interval":{interval},"info_hash":"#
                );
                binary::write_json(&mut json, &info_hash.0);
                json.push('}');
            }
            Self::Offer { info_hash, peer_id, offer_id, offer } => {
                relayed(&mut json, ("offer", offer), offer_id, ending.of(*info_hash, *peer_id));
            }
            Self::Answer { info_hash, peer_id, offer_id, answer } => {
                relayed(&mut json, ("answer", answer), offer_id, ending.of(*info_hash, *peer_id));
            }
            Self::Scraped { files, min_request_interval } => scraped(&mut json, files, *min_request_interval),
            Self::Failure(failure) => failed(&mut json, failure, None),
            Self::Refused { failure, code } => failed(&mut json, failure, Some(code)),
        }
        json
    }

    fn length_estimate(&self) -> usize {
        match self {
            Self::Announced { .. } | Self::Failure(_) | Self::Refused { .. } => 160,
            Self::Offer { offer: value, .. } | Self::Answer { answer: value, .. } => value.get().len() + 256,
            Self::Scraped { files, .. } => files.len() * 128 + 96,
        }
    }
}

fn relayed(json: &mut String, (kind, value): (&str, &Json<'_>), offer_id: &str, ending: &str) {
    for part in [r#"{"action":"announce",""#, kind, "\":", value.get(), r#","offer_id":"#] {
        json.push_str(part);
    }
    binary::write_json_text(json, offer_id);
    json.push_str(ending);
}

fn scraped(json: &mut String, files: &[(InfoHash, ScrapeCounts)], min_request_interval: u32) {
    json.push_str(r#"{"action":"scrape","files":{"#);
    for (number, (info_hash, counts)) in files.iter().enumerate() {
        if number > 0 {
            json.push(',');
        }
        binary::write_json(json, &info_hash.0);
        let ScrapeCounts { complete, incomplete, downloaded, downloaders } = counts;
        let _ =
            write!(json, r#":{{"complete":{complete},"incomplete":{incomplete},"downloaded":{downloaded}"#);
        if let Some(downloaders) = downloaders {
            let _ = write!(json, r#","downloaders":{downloaders}"#);
        }
        json.push('}');
    }
    let _ = write!(json, r#"}},"flags":{{"min_request_interval":{min_request_interval}}}}}"#);
}

fn failed(json: &mut String, failure: &Failure, code: Option<&str>) {
    json.push('{');
    // The reference client throws at an announce without info_hash, and stays deaf afterwards.
    let action = failure.action.filter(|action| *action == Action::Scrape || failure.info_hash.is_some());
    if let Some(action) = action {
        let _ = write!(json, r#""action":"{}","#, action.name());
    }
    json.push_str(r#""failure reason":"#);
    binary::write_json_text(json, &failure.reason);
    if let Some(code) = code {
        json.push_str(r#","code":"#);
        binary::write_json_text(json, code);
    }
    if let Some(info_hash) = &failure.info_hash {
        json.push_str(r#","info_hash":"#);
        binary::write_json(json, &info_hash.0);
    }
    json.push('}');
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const HASH: InfoHash = InfoHash([0xe9; 20]);

    fn value(response: &Response<'_>) -> Value {
        serde_json::from_str(&response.to_json()).unwrap()
    }

    #[test]
    fn responses_are_what_the_reference_server_sends() {
        let hash = "é".repeat(20);
        let announced = Response::Announced { info_hash: HASH, interval: 120, complete: 1, incomplete: 2 };
        assert_eq!(
            value(&announced),
            json!({"action": "announce", "interval": 120, "complete": 1, "incomplete": 2, "info_hash": hash})
        );
        let raw = |text: &'static str| Json::parse(text).unwrap();
        let (peer_id, offer_id) = (PeerId([0; 20]), Cow::Borrowed("\"x\\\u{1}"));
        let peer = "\0".repeat(20);
        let offer = Response::Offer {
            info_hash: HASH,
            peer_id,
            offer_id: offer_id.clone(),
            offer: raw("{\"a\":[]}"),
        };
        assert_eq!(
            value(&offer),
            json!({"action": "announce", "offer": {"a": []}, "offer_id": offer_id, "peer_id": peer, "info_hash": hash})
        );
        let answer =
            Response::Answer { info_hash: HASH, peer_id, offer_id: offer_id.clone(), answer: raw("{}") };
        assert_eq!(
            value(&answer),
            json!({"action": "announce", "answer": {}, "offer_id": offer_id, "peer_id": peer, "info_hash": hash})
        );
        let (mut ending, mut other) = (Ending::default(), offer.clone());
        let Response::Offer { peer_id, .. } = &mut other else { panic!("no offer") };
        *peer_id = PeerId([1; 20]);
        for response in [&offer, &answer, &other, &announced, &offer, &offer] {
            assert_eq!(response.to_json_after(&mut ending), response.to_json());
        }
        let counts = ScrapeCounts { complete: 1, incomplete: 2, downloaded: 1, downloaders: Some(1) };
        let other = InfoHash([b'x'; 20]);
        let scraped = Response::Scraped {
            files: vec![(HASH, counts), (other, ScrapeCounts::default())],
            min_request_interval: 600,
        };
        assert_eq!(
            value(&scraped),
            json!({"action": "scrape", "flags": {"min_request_interval": 600}, "files": {
                hash: {"complete": 1, "incomplete": 2, "downloaded": 1, "downloaders": 1},
                "xxxxxxxxxxxxxxxxxxxx": {"complete": 0, "incomplete": 0, "downloaded": 0},
            }})
        );
    }

    #[test]
    fn a_failure_names_an_announce_only_together_with_its_swarm() {
        let failure = |action, info_hash| {
            value(&Response::Failure(Failure { action, info_hash, reason: "no \"way\"".to_owned() }))
        };
        let hash = "é".repeat(20);
        assert_eq!(
            failure(Some(Action::Announce), Some(HASH)),
            json!({"action": "announce", "failure reason": "no \"way\"", "info_hash": hash})
        );
        assert_eq!(failure(Some(Action::Announce), None), json!({"failure reason": "no \"way\""}));
        assert_eq!(
            failure(Some(Action::Scrape), None),
            json!({"action": "scrape", "failure reason": "no \"way\""})
        );
        let failure =
            Failure { action: Some(Action::Announce), info_hash: Some(HASH), reason: "r".to_owned() };
        assert_eq!(
            value(&Response::Refused { failure, code: "login_required" }),
            json!({"action": "announce", "failure reason": "r", "code": "login_required", "info_hash": hash})
        );
    }
}
