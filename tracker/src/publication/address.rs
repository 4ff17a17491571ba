//! By which URLs a torrent of ours says that it can be had.

use http::Uri;
use http::header::{self, HeaderMap};
use shared::magnet::Link;
use shared::metainfo::Metainfo;

use super::port_of;
use crate::host;
use crate::state::AppState;

/// The URLs of this server under the name that a request calls it by.
#[derive(Clone, Debug)]
pub(crate) struct Addresses {
    /// Announce URLs: for browsers first.
    trackers: Vec<String>,
    /// The origin that was asked, and the clear port's if that is another: not every program takes our certificate.
    origins: Vec<String>,
}

impl Addresses {
    /// From the request's own `Host`; `None` if it has none that is one.
    pub(crate) fn new(state: &AppState, uri: &Uri, headers: &HeaderMap) -> Option<Self> {
        let host = host::host(uri, headers)?;
        let said = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let authority = uri.authority().map(|authority| authority.as_str()).or(said)?;
        let authority = authority.rsplit_once('@').map_or(authority, |(_, authority)| authority);
        let ports = state.ports;
        let asked = authority[host.len()..].strip_prefix(':').and_then(|port| port.parse().ok());
        let of_tls = [port_of(ports.tls), port_of(ports.tls_http1)];
        // A browser leaves a scheme's usual port out.
        let secure =
            of_tls.contains(&Some(asked.unwrap_or(443))) && (asked.is_some() || ports.clear.port() != 80);
        let clear = format!("{host}:{}", ports.clear.port());
        let mut trackers = vec![format!("{}://{authority}/announce", if secure { "wss" } else { "ws" })];
        let mut origins = vec![format!("{}://{authority}", if secure { "https" } else { "http" })];
        if secure {
            trackers.push(format!("ws://{clear}/announce"));
            origins.push(format!("http://{clear}"));
        }
        trackers.push(format!("http://{}/announce", if secure { &clear } else { authority }));
        if let Some(udp) = port_of(ports.udp) {
            trackers.push(format!("udp://{host}:{udp}/announce"));
        }
        Some(Self { trackers, origins })
    }

    /// The whole `.torrent` of the file at `path` (encoded).
    pub(super) fn torrent(&self, metainfo: &Metainfo, path: &str) -> Vec<u8> {
        let whole = metainfo.clone().with_web_seeds(&self.web_seeds(path));
        // A Host of odd characters is no URL; the file is then had from peers only.
        whole.as_ref().unwrap_or(metainfo).to_torrent(&self.trackers)
    }

    /// The link to the file at `path` (encoded).
    pub(crate) fn link(&self, metainfo: &Metainfo, path: &str) -> Link {
        let mut link = Link::new(metainfo.info_hash());
        link.name = Some(metainfo.name().to_owned());
        link.length = Some(metainfo.layout().total());
        link.trackers.clone_from(&self.trackers);
        link.web_seeds = self.web_seeds(path);
        link.sources = vec![format!("{}/torrents/{path}.torrent", self.origins[0])];
        link
    }

    /// The origin that was asked: where the page is, for a share link.
    pub(crate) fn origin(&self) -> &str {
        &self.origins[0]
    }

    fn web_seeds(&self, path: &str) -> Vec<String> {
        self.origins.iter().map(|origin| format!("{origin}/files/{path}")).collect()
    }
}
