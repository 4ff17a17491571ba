use serde::{Deserialize, Serialize};

use crate::limits;

/// What a host may choose. [`Config::default`] suits a browser tab.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// First eight bytes of our peer id in Azureus style (BEP 20), e.g. `-PM0100-`.
    pub client: String,
    /// Name and version told to peers in the extension handshake (BEP 10, key `v`).
    pub version: String,
    /// Peers unchoked at once in one torrent, the optimistic one included.
    pub upload_slots: usize,
    /// Connections of one torrent; at most [`limits::PEERS_PER_TORRENT`].
    pub peers_per_torrent: usize,
    /// The host can open TCP connections and ask HTTP and UDP trackers.
    pub dials: bool,
    /// The host can make WebRTC connections, hence ask WebSocket trackers.
    pub offers: bool,
    /// The host can fetch from web seeds (BEP 19).
    pub web_seeds: bool,
    /// TCP port on which the host takes connections, told to trackers and peers.
    pub listen_port: Option<u16>,
    /// Addresses of private networks, this host and its link may be dialled (RFC 1918, 4193, 6890). Off, an address that a
    /// stranger names leads nowhere but into the public internet.
    pub private_addresses: bool,
    /// The storage is of sparse files, and a check of bytes that were never written fails at once, without reading them. What
    /// was written after the last record (see [`super::Effect::Persist`]) is then found when the torrent is opened again
    /// with [`super::Opened::check`], and not fetched twice.
    pub sparse: bool,
    /// Bytes a second to all peers together; `None` is no limit.
    pub upload_limit: Option<u64>,
    /// Bytes a second from all peers together; `None` is no limit.
    pub download_limit: Option<u64>,
    /// Announce URLs of trackers that are told our progress if they ask for it (see [`crate::tracker::ws::report`]): whatever
    /// their path, the host and port count.
    pub report_to: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            client: "-PM0100-".to_owned(),
            version: concat!("Piecemeal ", env!("CARGO_PKG_VERSION")).to_owned(),
            upload_slots: 10,
            peers_per_torrent: limits::PEERS_PER_TORRENT,
            dials: false,
            offers: true,
            web_seeds: false,
            listen_port: None,
            private_addresses: false,
            sparse: false,
            upload_limit: None,
            download_limit: None,
            report_to: Vec::new(),
        }
    }
}
