//! Proxies in front of the tracker, and whose connection or request it really is that comes through one.
//!
//! Only what trusted proxies say counts. Whatever else a connection or a request says of itself is passed over, so that
//! nobody can escape a bound by address, or enter somebody else's address into a swarm.

mod forwarded;
mod header;

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};

use clap::builder::BoolishValueParser;
use clap::{Args, ValueEnum};
use http::HeaderMap;
use shared::address::is_public;
use tokio::io::AsyncRead;
use tracing::warn;

use self::header::HeaderError;
use crate::access::{Network, Networks};

/// Options of proxies.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Behind a proxy")]
pub struct ProxyArgs {
    /// Addresses of reverse proxies whose word counts on whose request it is: networks (10.0.0.0/8), separated by commas.
    /// Without them all peers behind a proxy share its address, and are told to connect to it.
    #[arg(long, value_name = "NETWORK", value_delimiter = ',', env = "PIECEMEAL_TRUSTED_PROXIES")]
    pub trusted_proxies: Vec<Network>,

    /// The header in which trusted proxies name the client. Only one: what a proxy does not write itself, it passes on as
    /// the client wrote it.
    #[arg(long, value_name = "NAME", value_enum, default_value_t = ProxyHeader::XForwardedFor, env = "PIECEMEAL_PROXY_HEADER")]
    pub proxy_header: ProxyHeader,

    /// Each connection of a trusted proxy begins with a PROXY header (version 1 or 2), as proxies send it that pass TCP on.
    #[arg(long, requires = "trusted_proxies", value_parser = BoolishValueParser::new(), env = "PIECEMEAL_PROXY_PROTOCOL")]
    pub proxy_protocol: bool,
}

/// A header that names the client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ProxyHeader {
    /// What nearly all write: addresses, separated by commas.
    #[default]
    XForwardedFor,
    /// The standard's (RFC 7239).
    Forwarded,
}

impl ProxyHeader {
    /// Its name in a head.
    const fn name(self) -> &'static str {
        match self {
            Self::XForwardedFor => "x-forwarded-for",
            Self::Forwarded => "forwarded",
        }
    }
}

/// Says once that there is a proxy, perhaps, that nobody told us to believe: all its peers count as one then.
#[derive(Debug, Default)]
pub(crate) struct UnknownProxy(AtomicBool);

impl UnknownProxy {
    /// Looks at a request that counts as of the address from which it came. Proxies are near: strangers on the internet
    /// who write such headers are not told about.
    pub(crate) fn tell(&self, proxies: &Proxies, source: IpAddr, headers: &HeaderMap) {
        let is_near = !self.0.load(Ordering::Relaxed) && !is_public(source) && !proxies.trusts(source);
        if is_near && headers.contains_key(proxies.header.name()) && !self.0.swap(true, Ordering::Relaxed) {
            warn!(
                "{source} names others as its clients ({}). If it is your proxy, start with --trusted-proxies {source}: \
                 until then all its peers share its address",
                proxies.header.name()
            );
        }
    }
}

/// Whom to believe, and how.
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    /// Addresses of trusted proxies.
    pub trusted: Networks,
    /// The header that they write.
    pub header: ProxyHeader,
    /// Their connections begin with a PROXY header.
    pub protocol: bool,
}

impl From<ProxyArgs> for Proxies {
    fn from(args: ProxyArgs) -> Self {
        Self {
            trusted: args.trusted_proxies.into_iter().collect(),
            header: args.proxy_header,
            protocol: args.proxy_protocol,
        }
    }
}

impl Proxies {
    /// Whether this is the address of one. Whose request it is that comes from there is said in its head: nothing may answer it
    /// without having asked [`Self::client`].
    pub(crate) fn trusts(&self, ip: IpAddr) -> bool {
        !self.trusted.is_empty() && self.trusted.contains(ip)
    }

    /// Whose connection it is that came from `remote`: reads the PROXY header, where there must be one.
    ///
    /// # Errors
    ///
    /// If there must be one and is none.
    pub(crate) async fn source<S>(
        &self,
        stream: &mut S,
        remote: SocketAddr,
    ) -> Result<SocketAddr, HeaderError>
    where
        S: AsyncRead + Unpin,
    {
        if !self.protocol || !self.trusts(remote.ip()) {
            return Ok(remote);
        }
        Ok(header::read(stream).await?.unwrap_or(remote))
    }

    /// Whose request it is on a connection of `source`. Nothing is known of its port.
    pub(crate) fn client(&self, source: SocketAddr, headers: &HeaderMap) -> SocketAddr {
        if !self.trusts(source.ip()) {
            return source;
        }
        match forwarded::client(source.ip(), headers, self.header, &self.trusted) {
            ip if ip == source.ip() => source,
            ip => SocketAddr::new(ip, 0),
        }
    }
}
