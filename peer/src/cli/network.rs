//! What `seed` and `download` have in common: how peers are met and spoken to.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::Path;

use anyhow::Context as _;
use clap::ValueEnum;
use peer::client::Options;
use peer::net::rtc::{self, Rtc};
use shared::address;

use super::{flag, values};

/// What is announced to where nothing names a tracker: one started on this machine without options.
pub(crate) const DEFAULT_TRACKER: &str = "ws://localhost:8080/announce";

/// How peers are met and spoken to.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Network")]
pub(crate) struct NetworkArgs {
    /// Announce URL (ws, wss, http, https, udp). May be repeated, or several with blanks between.
    #[arg(long = "tracker", value_name = "URL", env = "PIECEMEAL_TRACKER", value_delimiter = ' ', value_parser = values::tracker)]
    pub(crate) trackers: Vec<String>,

    /// Which kinds of peers are spoken to.
    #[arg(long, value_name = "KIND", default_value = "all", env = "PIECEMEAL_TRANSPORT")]
    pub(crate) transport: Transport,

    /// Where TCP connections of peers are taken: an address with a port, or a port alone; 0 is any.
    #[arg(long, value_name = "ADDRESS|PORT", default_value = "0", env = "PIECEMEAL_PEER_LISTEN", value_parser = listen)]
    listen: SocketAddr,

    /// STUN server (stun:host:port), for browsers beyond this network. May be repeated.
    #[arg(long, value_name = "URL", env = "PIECEMEAL_STUN", value_delimiter = ' ', value_parser = stun)]
    stun: Vec<String>,

    /// Most bytes a second to all peers together.
    #[arg(long, value_name = "RATE", env = "PIECEMEAL_UPLOAD_LIMIT", value_parser = values::rate)]
    upload_limit: Option<u64>,

    /// Most bytes a second from all peers together.
    #[arg(long, value_name = "RATE", env = "PIECEMEAL_DOWNLOAD_LIMIT", value_parser = values::rate)]
    download_limit: Option<u64>,

    /// Contact private addresses that strangers name (this machine, its networks). On by itself where the page of the
    /// link, a --tracker or a --peer is at one.
    #[arg(long, env = "PIECEMEAL_ALLOW_PRIVATE", value_parser = flag())]
    pub(crate) allow_private: bool,

    /// Do not tell a Piecemeal tracker how far transfers are. It asks for that every few seconds, for its operator's
    /// dashboard; only a --tracker and the page of a link are told.
    #[arg(long, env = "PIECEMEAL_NO_REPORTS", value_parser = flag())]
    no_reports: bool,
}

/// Kinds of peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Transport {
    /// Browsers, over WebRTC, and others, over TCP.
    All,
    /// Only over TCP.
    Tcp,
    /// Only over WebRTC data channels.
    Webrtc,
}

impl NetworkArgs {
    /// Options of a client that downloads to `directory`. `private` allows private addresses besides the flag.
    pub(crate) fn options(&self, directory: &Path, private: bool) -> Options {
        let mut options = Options::new(directory);
        let tcp = self.transport != Transport::Webrtc;
        options.engine.dials = tcp;
        options.engine.upload_limit = self.upload_limit;
        options.engine.download_limit = self.download_limit;
        options.engine.private_addresses = private || self.allow_private;
        options.listen = tcp.then_some(self.listen);
        if self.transport != Transport::Tcp {
            let rtc = rtc::Options { stun: self.stun.clone(), ..rtc::Options::default() };
            options.webrtc = Some(Rtc::start(rtc));
        }
        options
    }
}

impl NetworkArgs {
    /// Which of the trackers that the person named, by options or by a page, are told how far transfers are.
    pub(crate) fn report_to(&self, named: &[String]) -> Vec<String> {
        if self.no_reports { Vec::new() } else { named.to_vec() }
    }
}

fn stun(text: &str) -> Result<String, String> {
    let host_port = text.strip_prefix("stun:").and_then(shared::url::check_host_port);
    host_port
        .map(|found| format!("stun:{found}"))
        .ok_or_else(|| format!("expected a STUN server such as stun:stun.example.org:3478, got {text:?}"))
}

fn listen(text: &str) -> Result<SocketAddr, String> {
    if let Ok(port) = text.parse::<u16>() {
        return Ok(SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port));
    }
    text.parse().map_err(|_| format!("expected a port or an address such as 0.0.0.0:6881, got {text:?}"))
}

/// Host and port of a URL, as they stand in it.
pub(crate) fn authority(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    rest.split(['/', '?', '#']).next().filter(|authority| !authority.is_empty())
}

/// Whether `host` or `host:port` is, or by its name leads to, an address that is not in the public internet.
pub(crate) async fn is_private(authority: &str) -> bool {
    let port_follows = authority.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok());
    let host = port_follows.map_or(authority, |(host, _)| host).trim_matches(['[', ']']);
    if let Ok(ip) = host.parse::<IpAddr>() {
        return !address::is_public(ip);
    }
    match tokio::net::lookup_host((host, 0)).await {
        Ok(mut found) => found.any(|found| !address::is_public(found.ip())),
        Err(_) => false,
    }
}

/// Addresses of `host:port`s.
pub(crate) async fn resolved(peers: &[String]) -> anyhow::Result<Vec<SocketAddr>> {
    let mut addresses = Vec::new();
    for peer in peers {
        let found = tokio::net::lookup_host(peer).await;
        addresses.extend(found.with_context(|| format!("--peer {peer}: no address of that name"))?);
    }
    Ok(addresses)
}

/// The page that is served beside a WebSocket tracker: the same host over http or https.
pub(crate) fn page_of(tracker: &str) -> Option<String> {
    let scheme = match tracker.split_once("://")?.0 {
        "ws" => "http",
        "wss" => "https",
        _ => return None,
    };
    Some(format!("{scheme}://{}/", authority(tracker)?))
}

/// The tracker of the page at this address, if it is one.
pub(crate) fn tracker_of(page: &str) -> Option<String> {
    let scheme = match page.split_once("://")?.0.to_ascii_lowercase().as_str() {
        "http" => "ws",
        "https" => "wss",
        _ => return None,
    };
    values::tracker(&format!("{scheme}://{}/announce", authority(page)?)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_and_tracker_lead_to_each_other() {
        assert_eq!(page_of("wss://h:8443/announce?x").as_deref(), Some("https://h:8443/"));
        assert_eq!((page_of("udp://h:1"), page_of("http://h/announce")), (None, None));
        assert_eq!(tracker_of("HTTP://H:80/#magnet:?x").as_deref(), Some("ws://h:80/announce"));
        assert_eq!(tracker_of("magnet:?xt=1"), None);
    }

    #[test]
    fn a_port_alone_is_on_all_addresses() {
        assert_eq!(listen("6881"), Ok("[::]:6881".parse().expect("an address")));
        assert_eq!(listen("127.0.0.1:0"), Ok("127.0.0.1:0".parse().expect("an address")));
        assert!(listen("here").is_err());
    }

    #[tokio::test]
    async fn private_hosts_are_known_by_address_and_by_name() {
        for host in ["127.0.0.1:80", "localhost:8080", "192.168.1.2", "[::1]:80", "10.0.0.1:6881"] {
            assert!(is_private(host).await, "{host}");
        }
        assert!(!is_private("1.1.1.1:80").await && !is_private("[2606:4700::1111]:80").await);
    }
}
