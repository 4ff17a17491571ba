//! The page's own server, as the address names it.

use crate::client::{announce_url, same_server};
use crate::document;

/// The page's own server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Server {
    /// `https://host:port`, as in the address bar.
    pub origin: String,
    /// Its announce URL.
    pub announce: String,
}

impl Server {
    /// What the address alone says.
    pub fn here() -> Self {
        let origin = document::origin();
        let announce = announce_url(&origin);
        Self { origin, announce }
    }

    /// Where the same page is over TLS, on this port of this host.
    pub fn secure_origin(tls_port: u16) -> String {
        ["https://", &document::hostname(), ":", &tls_port.to_string()].concat()
    }

    /// Whether an announce URL is this server's, whatever its path.
    pub fn owns(&self, tracker: &str) -> bool {
        same_server(tracker, &self.announce)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tracker_on_this_host_is_ours_whatever_its_path() {
        let server = Server { announce: "wss://share.example:8443/announce".to_owned(), ..Server::default() };
        assert!(server.owns("wss://share.example:8443"));
        assert!(server.owns("wss://SHARE.example:8443/other"));
        assert!(!server.owns("wss://share.example/announce"));
        assert!(!server.owns("wss://share.example:8443.evil.example/"));
        assert!(!server.owns("nonsense"));
    }
}
