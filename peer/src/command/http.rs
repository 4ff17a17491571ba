//! One GET over HTTP/1.1, redirects included.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http::header::{HeaderMap, HeaderValue, LOCATION};
use http::uri::Scheme;
use http::{HeaderName, Request, StatusCode, Uri};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use shared::{address, url};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::cli::network::authority;
use crate::ending;

/// Redirects that are followed.
const REDIRECTS_MAX: usize = 5;

/// To connect, to shake hands, to get the head of the response: each.
const WITHIN: Duration = Duration::from_secs(20);

/// What the server answered, its body yet to come.
pub(super) struct Response {
    /// Where redirects led to.
    pub(super) url: String,
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Incoming,
}

impl Response {
    /// A header as text, if it is ASCII.
    pub(super) fn header(&self, name: &HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// Fetches `url`, which was typed. A redirect to an address that is not in the public internet is followed only if
/// `private`.
pub(super) async fn get(
    url: &str,
    private: bool,
    headers: &[(HeaderName, String)],
) -> anyhow::Result<Response> {
    follow(url, true, private, headers).await
}

/// Fetches `url`, which a stranger may have named: neither it nor a redirect leads to an address that is not in the public
/// internet, unless `private`.
pub(super) async fn get_named(url: &str, private: bool) -> anyhow::Result<Response> {
    follow(url, private, private, &[]).await
}

async fn follow(
    url: &str,
    first: bool,
    later: bool,
    headers: &[(HeaderName, String)],
) -> anyhow::Result<Response> {
    let mut at = url.to_owned();
    for hop in 0..=REDIRECTS_MAX {
        // What was typed is meant; what it leads to is a stranger's word.
        let private = if hop == 0 { first } else { later };
        let response = get_once(&at, private, headers).await.with_context(|| at.clone())?;
        let Some(place) = response.headers.get(LOCATION).filter(|_| response.status.is_redirection()) else {
            return Ok(response);
        };
        let place = place.to_str().ok().and_then(|place| joined(&at, place));
        let place = place.with_context(|| format!("{at}: a redirect that leads to no address"))?;
        at = url::check(&place, url::WEB_SCHEMES).with_context(|| format!("{at}: redirect"))?;
    }
    bail!("{url}: more than {REDIRECTS_MAX} redirects")
}

/// Where a URL leads, and what is asked for there.
#[derive(Debug, PartialEq, Eq)]
struct Target {
    /// An IPv6 address without brackets.
    host: String,
    port: u16,
    tls: bool,
    path: String,
}

impl Target {
    fn of(url: &str) -> anyhow::Result<Self> {
        let uri: Uri = url.parse()?;
        let host = uri.host().context("no host")?.trim_matches(['[', ']']).to_owned();
        let tls = uri.scheme() == Some(&Scheme::HTTPS);
        let port = uri.port_u16().unwrap_or(if tls { 443 } else { 80 });
        let path = uri.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string);
        Ok(Self { host, port, tls, path })
    }
}

async fn get_once(url: &str, private: bool, headers: &[(HeaderName, String)]) -> anyhow::Result<Response> {
    let Target { host, port, tls, path } = Target::of(url)?;
    let stream = connect(&host, port, private).await?;
    let mut request = Request::get(path)
        .header(http::header::HOST, authority(url).unwrap_or(&host))
        .header(http::header::USER_AGENT, concat!("Piecemeal/", env!("CARGO_PKG_VERSION")));
    for (name, value) in headers {
        request = request.header(name, HeaderValue::from_str(value)?);
    }
    let request = request.body(Empty::<Bytes>::new())?;
    let response = if tls {
        let name = ServerName::try_from(host)?;
        let connector = tokio_rustls::TlsConnector::from(Arc::new(client_config()?));
        let stream = within(connector.connect(name, stream)).await.context("TLS")?;
        ask(stream, request).await?
    } else {
        ask(stream, request).await?
    };
    let (head, body) = response.into_parts();
    Ok(Response { url: url.to_owned(), status: head.status, headers: head.headers, body })
}

async fn ask(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Empty<Bytes>>,
) -> anyhow::Result<http::Response<Incoming>> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    // It ends with the body; what goes wrong shows there.
    tokio::spawn(connection);
    within(sender.send_request(request)).await
}

async fn connect(host: &str, port: u16, private: bool) -> anyhow::Result<TcpStream> {
    let found: Vec<SocketAddr> =
        within(tokio::net::lookup_host((host, port))).await.context("no such host")?.collect();
    let mut last = None;
    for address in found {
        if !private && !address::is_public(address.ip()) {
            bail!("it leads to the private address {}; --allow-private allows that", address.ip());
        }
        match within(TcpStream::connect(address)).await {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| ending::not_found("the host has no address")).context("cannot connect"))
}

async fn within<T, E: Into<anyhow::Error>>(work: impl Future<Output = Result<T, E>>) -> anyhow::Result<T> {
    match tokio::time::timeout(WITHIN, work).await {
        Ok(done) => done.map_err(Into::into),
        Err(_) => bail!("no answer within {} s", WITHIN.as_secs()),
    }
}

fn client_config() -> anyhow::Result<ClientConfig> {
    let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

/// The address that a `Location` means, relative to the one that answered it (RFC 3986, section 5, without dot segments).
fn joined(base: &str, place: &str) -> Option<String> {
    let (scheme, rest) = base.split_once("://")?;
    let (host, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let folder = path.split('?').next().unwrap_or_default();
    let folder = folder.rsplit_once('/').map_or("", |(folder, _)| folder);
    Some(match place {
        "" => return None,
        absolute if absolute.split(['/', '?', '#']).next().is_some_and(|start| start.ends_with(':')) => {
            absolute.to_owned()
        }
        host if host.starts_with("//") => format!("{scheme}:{host}"),
        path if path.starts_with('/') => format!("{scheme}://{host}{path}"),
        path => format!("{scheme}://{host}{folder}/{path}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_where_and_what() {
        for (url, host, port, tls, path) in [
            ("http://h?x", "h", 80, false, "/?x"),
            ("https://h/a?b", "h", 443, true, "/a?b"),
            ("http://[::1]", "::1", 80, false, "/"),
            ("https://[2606::1]:8443/a", "2606::1", 8443, true, "/a"),
        ] {
            let expected = Target { host: host.to_owned(), port, tls, path: path.to_owned() };
            assert_eq!(Target::of(url).unwrap(), expected);
        }
    }

    #[test]
    fn redirects_are_relative_to_where_they_come_from() {
        for (base, place, expected) in [
            ("http://h/a/b?c", "d", "http://h/a/d"),
            ("http://h/a/b", "/d?e=http://x", "http://h/d?e=http://x"),
            ("https://h:1", "d", "https://h:1/d"),
            ("https://h/a", "//other/d", "https://other/d"),
            ("https://h/a", "http://other/d", "http://other/d"),
        ] {
            assert_eq!(joined(base, place).as_deref(), Some(expected));
        }
        assert_eq!(joined("https://h/a", ""), None);
    }
}
