//! What a link names, looked at before anybody is contacted.

use shared::id::InfoHash;
use shared::magnet::{Link, LinkError};

use super::server::Server;

/// A link that can be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// The torrent that it names.
    pub info_hash: InfoHash,
    /// The link as a magnet link, without the meeting servers and web seeds of others.
    pub own: String,
    /// The same with all of them.
    pub whole: String,
    /// Meeting servers and web seeds of others that it names.
    pub foreign: Vec<String>,
    /// Whether those were asked to be contacted.
    pub asked: bool,
}

impl Opening {
    /// Parses a link.
    pub fn of(link: &str, server: &Server) -> Result<Self, LinkError> {
        // In the address it may be escaped, which only a fragment is allowed to be.
        let mut link =
            Link::parse(link).or_else(|error| Link::parse(&["#", link].concat()).map_err(|_| error))?;
        let whole = link.to_magnet();
        let (trackers, mut foreign): (Vec<_>, Vec<_>) =
            link.trackers.drain(..).partition(|tracker| server.owns(tracker));
        let (web_seeds, others): (Vec<_>, Vec<_>) =
            link.web_seeds.drain(..).partition(|web_seed| server.owns(web_seed));
        (link.trackers, link.web_seeds) = (trackers, web_seeds);
        foreign.extend(others);
        Ok(Self { info_hash: link.info_hash, own: link.to_magnet(), whole, foreign, asked: false })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_of_others_are_told_apart() {
        let server = Server { announce: "wss://share.example/announce".to_owned(), ..Server::default() };
        let link = "magnet:?xt=urn:btih:3b245504cf5f11bbdbe1201cea6a6bf45aee1bc0&dn=a&tr=wss%3A%2F%2Fshare.example%2Fannounce&tr=wss%3A%2F%2Fother.example&ws=https%3A%2F%2Fshare.example%2Ffiles%2Fa&ws=https%3A%2F%2Fmirror.example%2Fa";
        let opening = Opening::of(link, &server).expect("a magnet link");
        assert_eq!(opening.foreign.len(), 2);
        assert!(opening.foreign[0].starts_with("wss://other.example"));
        assert_eq!(opening.foreign[1], "https://mirror.example/a");
        assert!(opening.own.contains("share.example%2Ffiles") && !opening.own.contains("mirror.example"));
        assert!(opening.own.contains("share.example") && !opening.own.contains("other.example"));
        assert!(opening.whole.contains("other.example"));
    }

    #[test]
    fn what_is_no_link_is_refused() {
        for text in ["", "x", "magnet:?dn=a", "magnet:?xt=urn:btih:12"] {
            assert!(Opening::of(text, &Server::default()).is_err(), "{text}");
        }
    }
}
