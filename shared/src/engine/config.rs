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
    /// Bytes a second to all peers together; `None` is no limit.
    pub upload_limit: Option<u64>,
    /// Bytes a second from all peers together; `None` is no limit.
    pub download_limit: Option<u64>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            client: "-PM0100-".to_owned(),
            version: concat!("Piecemeal ", env!("CARGO_PKG_VERSION")).to_owned(),
            upload_slots: 10,
            peers_per_torrent: limits::PEERS_PER_TORRENT,
            upload_limit: None,
            download_limit: None,
        }
    }
}
