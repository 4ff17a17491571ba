//! Announce and scrape over HTTP: the query of a GET, and the bencoded reply (BEP 3, 7, 21, 23, 24, 31, 48).

mod query;
mod reply;

pub use query::{HttpAnnounce, QueryError, announce_url, parse_announce, parse_scrape, scrape_url};
pub use reply::{
    Peers, ReplyError, Retry, encode_announce, encode_failure, encode_refusal, encode_scrape,
    parse_announce_reply, parse_scrape_reply, write_announce,
};
