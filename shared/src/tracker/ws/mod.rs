//! The WebTorrent tracker protocol: one JSON object per WebSocket message, both ways.
//!
//! There is no BEP. Identities of twenty bytes travel as strings of twenty characters, one per byte (see [`binary`]).
//! Offers and answers are opaque: they cross the tracker as the text they came as, so a peer may put in them whatever
//! another peer understands.

pub mod binary;
pub mod client;
pub mod json;
pub mod reconnect;
pub mod report;
pub mod request;
pub mod response;

pub use super::announce::Event;
pub use super::scrape::ScrapeCounts;
pub use client::{
    AnnounceReply, ClientAnnounce, ClientMessage, ClientOffer, ServerMessage, ServerMessageError,
    refusal_code,
};
pub use json::{Json, JsonError};
pub use report::Report;
pub use request::{Announce, Answer, OFFER_ID_MAX, Offer, Request, RequestError};
pub use response::{Action, Ending, Failure, Response};
