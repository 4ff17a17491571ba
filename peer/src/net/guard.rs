//! Names that strangers give: resolved once, held against what may be contacted, and then contacted by address, so that a
//! name cannot mean one thing when it is checked and another when it is used.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use shared::address::is_public;
use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::time::timeout;

/// How long a name may take to be resolved, and each address to be connected to.
const WITHIN: Duration = Duration::from_secs(10);

/// Addresses of one name that are tried.
const ADDRESSES_MAX: usize = 4;

/// Why a server is not contacted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GuardError {
    #[error("{host}: {error}")]
    Resolve { host: String, error: io::Error },
    #[error("{0} is in a private network, and this host was not told to contact those")]
    Private(String),
    #[error("{host} took too long")]
    Late { host: String },
    #[error("{address}: {error}")]
    Connect { address: SocketAddr, error: io::Error },
}

/// What may be contacted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Guard {
    /// Private networks, this host and its link as well.
    pub(crate) private: bool,
    /// Where connections leave from, if it matters: a tracker tells others the address that an announce came from, which
    /// on a host with several must be the one that takes connections.
    pub(crate) from: Option<IpAddr>,
}

impl Guard {
    /// Addresses of a host that may be contacted, at least one.
    pub(crate) async fn resolve(self, host: &str, port: u16) -> Result<Vec<SocketAddr>, GuardError> {
        // An IPv6 address stands in brackets in a URL.
        let name = host.trim_start_matches('[').trim_end_matches(']');
        let late = || GuardError::Late { host: host.to_owned() };
        let found = timeout(WITHIN, lookup_host((name, port))).await.map_err(|_| late())?;
        let found = found.map_err(|error| GuardError::Resolve { host: host.to_owned(), error })?;
        let mut allowed: Vec<_> = found.filter(|found| self.private || is_public(found.ip())).collect();
        allowed.truncate(ADDRESSES_MAX);
        if allowed.is_empty() { Err(GuardError::Private(host.to_owned())) } else { Ok(allowed) }
    }

    /// Connects to the first address that answers.
    pub(crate) async fn connect(self, host: &str, port: u16) -> Result<TcpStream, GuardError> {
        let mut last = GuardError::Late { host: host.to_owned() };
        for address in self.resolve(host, port).await? {
            match timeout(WITHIN, connect_from(self.from, address)).await {
                Ok(Ok(stream)) => {
                    let _ = stream.set_nodelay(true);
                    return Ok(stream);
                }
                Ok(Err(error)) => last = GuardError::Connect { address, error },
                Err(_) => {}
            }
        }
        Err(last)
    }
}

/// Opens a TCP connection that leaves from one address of this host, where the other side can be reached from it.
pub(crate) async fn connect_from(from: Option<IpAddr>, to: SocketAddr) -> io::Result<TcpStream> {
    let Some(from) = from.filter(|from| from.is_ipv4() == to.is_ipv4()) else {
        return TcpStream::connect(to).await;
    };
    let socket = if to.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.bind(SocketAddr::new(from, 0))?;
    socket.connect(to).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_lies_here_is_contacted_only_when_allowed() {
        for host in ["localhost", "127.0.0.1", "[::1]", "10.0.0.1", "169.254.169.254", "[::ffff:127.0.0.1]"] {
            let refused = Guard { private: false, from: None }.resolve(host, 80).await;
            assert!(matches!(refused, Err(GuardError::Private(_))), "{host}: {refused:?}");
        }
        let allowed = Guard { private: true, from: None }.resolve("127.0.0.1", 80).await.unwrap();
        assert_eq!(allowed, [SocketAddr::from(([127, 0, 0, 1], 80))]);
    }

    #[tokio::test]
    async fn a_connection_leaves_from_the_address_that_takes_others() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let from = IpAddr::from([127, 0, 0, 2]);
        let guard = Guard { private: true, from: Some(from) };
        let port = listener.local_addr().unwrap().port();
        let (connected, accepted) = tokio::join!(guard.connect("127.0.0.1", port), listener.accept());
        connected.unwrap();
        assert_eq!(accepted.unwrap().1.ip(), from);
    }
}
