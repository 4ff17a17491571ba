//! HTTP/1.1 as far as trackers and web seeds need it: guarded connections that are kept, GET, no redirects.

use std::collections::HashMap;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, HOST, RANGE, USER_AGENT};
use http::{Request, Response, Uri};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::counted::{Counted, Tally};
use super::counters::{Counters, Pair};
use super::guard::{Guard, GuardError};

/// How long a server may take to begin its answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// Connections to one server that are kept open while nothing is asked.
const IDLE_MAX: usize = 4;

/// Why nothing came.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpError {
    #[error("expected an http or https URL with a host, got {0:?}")]
    Url(String),
    #[error("{0}")]
    Guard(#[from] GuardError),
    #[error("TLS: {0}")]
    Tls(io::Error),
    #[error("{0}")]
    Http(#[from] hyper::Error),
    #[error("the server did not answer in time")]
    Late,
    #[error("HTTP {0}")]
    Status(http::StatusCode),
    #[error("expected {expected}, got {got}")]
    Answer { expected: String, got: String },
}

type Sender = SendRequest<Empty<Bytes>>;

/// Asks servers.
#[derive(Clone)]
pub(crate) struct Http {
    guard: Guard,
    tls: Arc<ClientConfig>,
    count: Count,
    /// By scheme, host and port.
    idle: Arc<Mutex<HashMap<String, Vec<Sender>>>>,
}

impl Http {
    /// `tls` is without ALPN, or with `http/1.1`.
    pub(crate) fn new(guard: Guard, tls: Arc<ClientConfig>, count: Count) -> Self {
        Self { guard, tls, count, idle: Arc::default() }
    }

    /// Asks for a URL, or a range of it (`bytes=…`); answers the response, whatever its status, with the connection that is
    /// to be given back once its body was read to the end.
    pub(crate) async fn get(
        &self,
        url: &str,
        range: Option<&str>,
    ) -> Result<(Response<Incoming>, Kept), HttpError> {
        let bad = || HttpError::Url(url.chars().take(80).collect());
        let uri: Uri = url.parse().map_err(|_| bad())?;
        let host = uri.host().ok_or_else(bad)?;
        let secure = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(bad()),
        };
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let server = format!("{}://{host}:{port}", if secure { "https" } else { "http" });
        let authority = uri.authority().map_or(host, |authority| authority.as_str());
        let path = target(&uri);
        let request = || {
            let agent = concat!("Piecemeal/", env!("CARGO_PKG_VERSION"));
            let mut request = Request::get(path.as_str())
                .header(HOST, authority)
                .header(USER_AGENT, agent)
                // What is compressed on the way could not be counted, and its ranges would not be those of the file.
                .header(ACCEPT_ENCODING, "identity");
            if let Some(range) = range {
                request = request.header(RANGE, range);
            }
            request.body(Empty::new()).map_err(|_| bad())
        };
        // One that was kept may have been closed meanwhile: then another is tried.
        while let Some(mut sender) = self.kept(&server) {
            if sender.ready().await.is_err() {
                continue;
            }
            match timeout(ANSWER_WITHIN, sender.send_request(request()?)).await {
                Ok(Ok(response)) => return Ok((response, Kept { http: self.clone(), server, sender })),
                Ok(Err(_)) => {}
                Err(_) => return Err(HttpError::Late),
            }
        }
        let mut sender = self.connect(host, port, secure).await?;
        let response = timeout(ANSWER_WITHIN, sender.send_request(request()?)).await;
        Ok((response.map_err(|_| HttpError::Late)??, Kept { http: self.clone(), server, sender }))
    }

    fn kept(&self, server: &str) -> Option<Sender> {
        let mut idle = self.idle.lock();
        idle.get_mut(server)?.pop()
    }

    async fn connect(&self, host: &str, port: u16, secure: bool) -> Result<Sender, HttpError> {
        let stream = stream(self.guard, &self.tls, host, port, secure).await?;
        let (sender, connection) = handshake(TokioIo::new(self.count.clone().on(stream))).await?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "HTTP connection ended");
            }
        });
        Ok(sender)
    }
}

/// A connection over which the next request may go.
pub(crate) struct Kept {
    http: Http,
    server: String,
    sender: Sender,
}

impl Kept {
    /// Gives it back, after the whole body was read.
    pub(crate) fn give_back(self) {
        let mut idle = self.http.idle.lock();
        idle.retain(|_, senders| {
            senders.retain(|sender| !sender.is_closed());
            !senders.is_empty()
        });
        let senders = idle.entry(self.server).or_default();
        if senders.len() < IDLE_MAX && !self.sender.is_closed() {
            senders.push(self.sender);
        }
    }
}

/// What is asked of the server: path and query, the path `/` where a URL has none.
pub(crate) fn target(uri: &Uri) -> String {
    uri.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string)
}

/// A byte stream to a server, within TLS or not.
pub(crate) async fn stream(
    guard: Guard,
    tls: &Arc<ClientConfig>,
    host: &str,
    port: u16,
    secure: bool,
) -> Result<Stream, HttpError> {
    let stream = guard.connect(host, port).await?;
    if !secure {
        return Ok(Stream::Clear(stream));
    }
    let name = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let name = ServerName::try_from(name).map_err(|_| HttpError::Url(host.to_owned()))?;
    let connecting = TlsConnector::from(Arc::clone(tls)).connect(name, stream);
    let stream = timeout(ANSWER_WITHIN, connecting).await.map_err(|_| HttpError::Late)?;
    Ok(Stream::Tls(Box::new(stream.map_err(HttpError::Tls)?)))
}

/// See [`stream`].
pub(crate) enum Stream {
    Clear(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

/// Where bytes of a connection are counted: all that is above TLS.
#[derive(Clone)]
pub(crate) struct Count {
    counters: Arc<Counters>,
    of: fn(&Counters) -> &Pair,
}

impl Count {
    pub(crate) const fn new(counters: Arc<Counters>, of: fn(&Counters) -> &Pair) -> Self {
        Self { counters, of }
    }

    pub(crate) const fn on(self, stream: Stream) -> Counted<Stream, Self> {
        Counted::new(stream, self)
    }

    fn pair(&self) -> &Pair {
        (self.of)(&self.counters)
    }
}

impl Tally for Count {
    fn sent(&self, bytes: usize) {
        self.pair().add_sent(bytes);
    }

    fn received(&self, bytes: usize) {
        self.pair().add_received(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_needs_no_path() {
        for (url, expected) in [("http://h", "/"), ("http://h?x", "/?x"), ("http://[::1]/a?x", "/a?x")] {
            assert_eq!(target(&url.parse().unwrap()), expected);
        }
    }
}
