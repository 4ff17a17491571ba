//! The peer's end: what it sends, and what it understands of the tracker's messages.
//!
//! Unlike the tracker, a peer looks into offers and answers: they are session descriptions.

use core::fmt::Write as _;
use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::binary;
use super::report::Report;
use super::request::OFFER_ID_MAX;
use super::response::Action;
use crate::id::{InfoHash, OfferId, PeerId};
use crate::limits;
use crate::tracker::announce::{Event, LEFT_UNKNOWN};
use crate::tracker::scrape::ScrapeCounts;

/// Most characters that we keep of a tracker's words.
const TEXT_MAX: usize = 256;

/// A message to the tracker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientMessage {
    /// We take part in a swarm, or leave it.
    Announce(ClientAnnounce),
    /// We answer an offer that was relayed to us.
    Answer {
        /// Which swarm.
        info_hash: InfoHash,
        /// What we call ourselves.
        peer_id: PeerId,
        /// Who made the offer.
        to_peer_id: PeerId,
        /// As it stood in the offer.
        offer_id: String,
        /// Session description.
        sdp: String,
        /// From [`AnnounceReply::tracker_id`].
        tracker_id: Option<String>,
    },
    /// We ask how many members these swarms have.
    Scrape(Vec<InfoHash>),
    /// We say how far we are, since the tracker asked for it: see [`super::report`].
    Report(Report),
}

/// An announce.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientAnnounce {
    /// Which swarm.
    pub info_hash: InfoHash,
    /// What we call ourselves.
    pub peer_id: PeerId,
    /// Why.
    pub event: Event,
    /// Payload bytes sent to peers.
    pub uploaded: u64,
    /// Payload bytes received from peers.
    pub downloaded: u64,
    /// Bytes that are missing; `None` before the metadata is known.
    pub left: Option<u64>,
    /// Connections that we offer, at most [`limits::OFFERS_PER_ANNOUNCE`].
    pub offers: Vec<ClientOffer>,
    /// From [`AnnounceReply::tracker_id`].
    pub tracker_id: Option<String>,
}

/// One connection that we offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientOffer {
    /// By which the answer will name it.
    pub offer_id: OfferId,
    /// Session description.
    pub sdp: String,
}

impl ClientMessage {
    /// The message as it is sent.
    pub fn to_json(&self) -> String {
        let mut json = String::with_capacity(512);
        match self {
            Self::Announce(announce) => announce.write(&mut json),
            Self::Answer { info_hash, peer_id, to_peer_id, offer_id, sdp, tracker_id } => {
                json.push_str(r#"{"action":"announce","info_hash":"#);
                binary::write_json(&mut json, &info_hash.0);
                json.push_str(r#","peer_id":"#);
                binary::write_json(&mut json, &peer_id.0);
                json.push_str(r#","to_peer_id":"#);
                binary::write_json(&mut json, &to_peer_id.0);
                json.push_str(r#","answer":"#);
                write_description(&mut json, "answer", sdp);
                json.push_str(r#","offer_id":"#);
                binary::write_json_text(&mut json, offer_id);
                write_tracker_id(&mut json, tracker_id.as_deref());
                json.push('}');
            }
            Self::Scrape(hashes) => {
                json.push_str(r#"{"action":"scrape","info_hash":["#);
                for (number, hash) in hashes.iter().enumerate() {
                    if number > 0 {
                        json.push(',');
                    }
                    binary::write_json(&mut json, &hash.0);
                }
                json.push_str("]}");
            }
            Self::Report(report) => return report.to_json(),
        }
        json
    }
}

impl ClientAnnounce {
    /// Keys as the reference client has them. `numwant` is always there, because some trackers relay nothing
    /// without it; `offers` and `event` only when they say something.
    fn write(&self, json: &mut String) {
        let Self { uploaded, downloaded, .. } = self;
        let (numwant, left) = (self.offers.len(), self.left.unwrap_or(LEFT_UNKNOWN));
        let _ = write!(
            json,
            r#"{{"numwant":{numwant},"uploaded":{uploaded},"downloaded":{downloaded},"left":{left},"#
        );
        if let Some(event) = self.event.name() {
            let _ = write!(json, r#""event":"{event}","#);
        }
        json.push_str(r#""action":"announce","info_hash":"#);
        binary::write_json(json, &self.info_hash.0);
        json.push_str(r#","peer_id":"#);
        binary::write_json(json, &self.peer_id.0);
        for (number, offer) in self.offers.iter().enumerate() {
            json.push_str(if number == 0 { r#","offers":[{"offer":"# } else { r#",{"offer":"# });
            write_description(json, "offer", &offer.sdp);
            json.push_str(r#","offer_id":"#);
            binary::write_json(json, &offer.offer_id.0);
            json.push('}');
        }
        if !self.offers.is_empty() {
            json.push(']');
        }
        write_tracker_id(json, self.tracker_id.as_deref());
        json.push('}');
    }
}

fn write_description(json: &mut String, kind: &str, sdp: &str) {
    let _ = write!(json, r#"{{"type":"{kind}","sdp":"#);
    binary::write_json_text(json, sdp);
    json.push('}');
}

fn write_tracker_id(json: &mut String, tracker_id: Option<&str>) {
    if let Some(id) = tracker_id {
        json.push_str(r#","trackerid":"#);
        binary::write_json_text(json, id);
    }
}

/// A message of the tracker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerMessage {
    /// To our announce.
    Announced(AnnounceReply),
    /// Somebody's offer to us.
    Offer {
        /// Which swarm.
        info_hash: InfoHash,
        /// Who offers; may be ourselves.
        peer_id: PeerId,
        /// To be repeated in the answer; opaque, at most [`OFFER_ID_MAX`] characters.
        offer_id: String,
        /// Session description, at most [`limits::SDP_MAX`] bytes.
        sdp: String,
    },
    /// The answer to an offer of ours.
    Answer {
        /// Which swarm.
        info_hash: InfoHash,
        /// Who answers; may be ourselves.
        peer_id: PeerId,
        /// Which offer.
        offer_id: OfferId,
        /// Session description, at most [`limits::SDP_MAX`] bytes.
        sdp: String,
    },
    /// To our scrape, or to another's: replies name no request.
    Scraped {
        /// Each swarm with its numbers. What is no info-hash is left out.
        files: Vec<(InfoHash, ScrapeCounts)>,
    },
    /// The tracker asks for reports of our progress, every so many seconds; 0 is for none (see [`super::report`]).
    Invitation {
        /// Seconds, within [`limits::REPORT_INTERVAL`] or 0.
        reports: u32,
    },
    /// The tracker refuses. Without an info-hash it is about whatever was sent last.
    Failure {
        /// What was asked, if the tracker says it.
        action: Option<Action>,
        /// Of which swarm, if the tracker says it.
        info_hash: Option<InfoHash>,
        /// In the tracker's words, bounded.
        reason: String,
    },
}

/// The tracker's reply to an announce.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnnounceReply {
    /// Which swarm.
    pub info_hash: InfoHash,
    /// Seconds until the next announce, at least 1; from `interval`, else from `min interval`.
    pub interval: Option<u32>,
    /// Seeds that the tracker knows.
    pub complete: Option<u32>,
    /// Leechers that the tracker knows.
    pub incomplete: Option<u32>,
    /// To be repeated in later messages (`tracker id`); bounded.
    pub tracker_id: Option<String>,
    /// Something that a person should know; bounded.
    pub warning: Option<String>,
}

/// Why a message of the tracker means nothing to us.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ServerMessageError {
    /// Longer than any.
    #[error("expected a message of at most {max} bytes, got {0}", max = limits::TRACKER_MESSAGE_MAX)]
    TooLong(usize),
    /// No JSON object.
    #[error("expected a JSON object: {0}")]
    Json(String),
    /// Neither announce nor scrape, and no failure.
    #[error("expected the action announce or scrape, got {0}")]
    Action(String),
    /// A field that has to be there is missing or not what it should be.
    #[error("expected {expected} as {field}")]
    Field {
        /// Which.
        field: &'static str,
        /// What should have been there.
        expected: &'static str,
    },
}

/// All fields of all messages, each still as it was written.
#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow, default)]
    action: Option<&'a RawValue>,
    #[serde(borrow, default)]
    info_hash: Option<&'a RawValue>,
    #[serde(borrow, default)]
    peer_id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    offer_id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    offer: Option<&'a RawValue>,
    #[serde(borrow, default)]
    answer: Option<&'a RawValue>,
    #[serde(borrow, default)]
    interval: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "min interval")]
    min_interval: Option<&'a RawValue>,
    #[serde(borrow, default)]
    complete: Option<&'a RawValue>,
    #[serde(borrow, default)]
    incomplete: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "tracker id")]
    tracker_id: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "warning message")]
    warning: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "failure reason")]
    failure: Option<&'a RawValue>,
    #[serde(borrow, default)]
    files: Option<&'a RawValue>,
    #[serde(borrow, default)]
    reports: Option<&'a RawValue>,
}

impl ServerMessage {
    /// Reads one message. Unknown keys are passed over, `null` is the same as absent, and numbers that make no sense
    /// are unknown.
    pub fn parse(text: &str) -> Result<Self, ServerMessageError> {
        if text.len() > limits::TRACKER_MESSAGE_MAX {
            return Err(ServerMessageError::TooLong(text.len()));
        }
        // A sequence would be read as the fields in order.
        if !text.trim_start().starts_with('{') {
            return Err(ServerMessageError::Json("no opening brace".to_owned()));
        }
        let fields: Fields<'_> =
            serde_json::from_str(text).map_err(|error| ServerMessageError::Json(error.to_string()))?;
        let action = string(fields.action);
        if action.as_deref() == Some("piecemeal") {
            return fields.invitation();
        }
        let action = match action.as_deref() {
            Some("announce") => Some(Action::Announce),
            Some("scrape") => Some(Action::Scrape),
            _ => None,
        };
        if let Some(reason) = fields.failure {
            let reason = short_text(Some(reason)).unwrap_or_default();
            return Ok(Self::Failure { action, info_hash: hash(fields.info_hash), reason });
        }
        match action {
            Some(Action::Announce) => fields.announce(),
            Some(Action::Scrape) => fields.scrape(),
            None => {
                let shown = fields.action.map_or("none", RawValue::get);
                Err(ServerMessageError::Action(shown.chars().take(32).collect()))
            }
        }
    }
}

impl Fields<'_> {
    fn announce(self) -> Result<ServerMessage, ServerMessageError> {
        let info_hash = hash(self.info_hash).ok_or(twenty("info_hash"))?;
        let peer_id = || bytes(self.peer_id).map(PeerId).ok_or(twenty("peer_id"));
        if let Some(offer) = self.offer {
            let offer_id = string(self.offer_id).filter(|text| text.chars().count() <= OFFER_ID_MAX);
            let offer_id = offer_id
                .ok_or(ServerMessageError::Field { field: "offer_id", expected: "at most 64 characters" })?;
            let sdp = description("offer", offer)?;
            return Ok(ServerMessage::Offer {
                info_hash,
                peer_id: peer_id()?,
                offer_id: offer_id.into_owned(),
                sdp,
            });
        }
        if let Some(answer) = self.answer {
            let offer_id = bytes(self.offer_id).map(OfferId).ok_or(twenty("offer_id"))?;
            let sdp = description("answer", answer)?;
            return Ok(ServerMessage::Answer { info_hash, peer_id: peer_id()?, offer_id, sdp });
        }
        let interval = |field| number(field).filter(|seconds| *seconds > 0);
        Ok(ServerMessage::Announced(AnnounceReply {
            info_hash,
            interval: interval(self.interval).or_else(|| interval(self.min_interval)),
            complete: number(self.complete),
            incomplete: number(self.incomplete),
            tracker_id: short_text(self.tracker_id),
            warning: short_text(self.warning),
        }))
    }

    fn invitation(self) -> Result<ServerMessage, ServerMessageError> {
        let seconds = |seconds: &u32| *seconds == 0 || limits::REPORT_INTERVAL.contains(seconds);
        let reports = number(self.reports).filter(seconds);
        let wrong = ServerMessageError::Field { field: "reports", expected: "seconds, at most an hour" };
        Ok(ServerMessage::Invitation { reports: reports.ok_or(wrong)? })
    }

    fn scrape(self) -> Result<ServerMessage, ServerMessageError> {
        let error = ServerMessageError::Field { field: "files", expected: "an object" };
        let files = self.files.ok_or(error.clone())?;
        let Files(files) = serde_json::from_str(files.get()).map_err(|_| error)?;
        Ok(ServerMessage::Scraped { files })
    }
}

/// `files` of a scrape: the keys are info-hashes.
struct Files(Vec<(InfoHash, ScrapeCounts)>);

impl<'de> Deserialize<'de> for Files {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Files;

            fn expecting(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str("an object of info-hashes")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Files, A::Error> {
                #[derive(Deserialize)]
                struct Counts<'a> {
                    #[serde(borrow, default)]
                    complete: Option<&'a RawValue>,
                    #[serde(borrow, default)]
                    incomplete: Option<&'a RawValue>,
                    #[serde(borrow, default)]
                    downloaded: Option<&'a RawValue>,
                    #[serde(borrow, default)]
                    downloaders: Option<&'a RawValue>,
                }
                let mut files = Vec::new();
                while let Some((key, counts)) = map.next_entry::<String, Counts<'de>>()? {
                    if let Some(hash) = binary::decode(&key) {
                        let known = |field| number(field).unwrap_or(0);
                        let (complete, incomplete) = (known(counts.complete), known(counts.incomplete));
                        let (downloaded, downloaders) =
                            (known(counts.downloaded), number(counts.downloaders));
                        let counts = ScrapeCounts { complete, incomplete, downloaders, downloaded };
                        files.push((InfoHash(hash), counts));
                    }
                }
                Ok(Files(files))
            }
        }

        deserializer.deserialize_map(Visitor)
    }
}

const fn twenty(field: &'static str) -> ServerMessageError {
    ServerMessageError::Field { field, expected: "20 characters up to U+00FF" }
}

/// A session description `{type, sdp}`. Some trackers leave the type out or overwrite it, but never with the other.
fn description(kind: &'static str, raw: &RawValue) -> Result<String, ServerMessageError> {
    #[derive(Deserialize)]
    struct Description<'a> {
        #[serde(borrow, default, rename = "type")]
        kind: Option<&'a RawValue>,
        #[serde(borrow, default)]
        sdp: Option<&'a RawValue>,
    }
    let wrong =
        ServerMessageError::Field { field: kind, expected: "an object {type, sdp} with an sdp in bounds" };
    // A sequence would be read as the fields in order.
    let object = raw.get().starts_with('{');
    let Some(read) = serde_json::from_str::<Description<'_>>(raw.get()).ok().filter(|_| object) else {
        return Err(wrong);
    };
    if read.kind.is_some() && string(read.kind).as_deref() != Some(kind) {
        return Err(wrong);
    }
    match string(read.sdp) {
        Some(sdp) if !sdp.is_empty() && sdp.len() <= limits::SDP_MAX => Ok(sdp.into_owned()),
        _ => Err(wrong),
    }
}

pub(super) fn string(field: Option<&RawValue>) -> Option<Cow<'_, str>> {
    // A bare `Cow<str>` is always read as owned; this wrapper borrows where the text has no escapes.
    #[derive(Deserialize)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
    serde_json::from_str::<Text<'_>>(field?.get()).ok().map(|text| text.0)
}

pub(super) fn bytes(field: Option<&RawValue>) -> Option<[u8; 20]> {
    string(field).and_then(|text| binary::decode(&text))
}

pub(super) fn hash(field: Option<&RawValue>) -> Option<InfoHash> {
    bytes(field).map(InfoHash)
}

/// A number of things or seconds; fractions are cut off, and what is negative or no number is unknown.
fn number(field: Option<&RawValue>) -> Option<u32> {
    let number: f64 = field?.get().parse().ok()?;
    (number >= 0.0 && number.is_finite()).then_some(number as u32)
}

fn short_text(field: Option<&RawValue>) -> Option<String> {
    string(field).map(|text| crate::text::shown(&text, TEXT_MAX))
}

/// The word for programs in a failure (`login_required`): why the tracker does not grant something to whoever asks.
/// `None` for every other message.
pub fn refusal_code(text: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Refusal {
        #[serde(rename = "failure reason")]
        _reason: String,
        code: String,
    }
    // Of the hundreds of messages that a socket brings, nearly all are read no further.
    if !text.contains("\"failure reason\"") {
        return None;
    }
    serde_json::from_str::<Refusal>(text).ok().map(|refusal| refusal.code)
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
