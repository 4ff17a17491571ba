//! HTTP lanes: one client for all four, so that they differ in the protocol alone.

use std::fs::File;
use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::try_join_all;
use http::{HeaderValue, Request as HttpRequest, Uri, header};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use sha1::{Digest as _, Sha1};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::super::content::hex;
use super::super::model::Lane;
use super::super::wire::Layers;
use super::count::{Count, Counted};
use super::{Answer, Args, LaneError, Request, Wanted, tls};

/// HTTP/2 windows of stream and connection, bytes: so large that they never govern a transfer.
pub(in super::super) const H2_WINDOW: u32 = (1 << 30) - 1;

/// A server that does not end its side of a connection is not waited for longer.
const CLOSING: Duration = Duration::from_millis(300);

/// A stream of any kind.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// Fetches over one of the HTTP lanes.
pub(super) struct Client {
    server: SocketAddr,
    authority: String,
    name: ServerName<'static>,
    h2: bool,
    tls: Option<Arc<ClientConfig>>,
}

/// A connection's counters, above and below TLS.
#[derive(Clone, Debug, Default)]
struct Counts {
    above: Count,
    below: Count,
}

impl Client {
    pub(super) fn new(args: &Args) -> Result<Self, LaneError> {
        let (h2, encrypted) = match args.lane {
            Lane::Http1 => (false, false),
            Lane::Http1Tls => (false, true),
            Lane::H2c => (true, false),
            Lane::Http2 => (true, true),
            Lane::BtTcp | Lane::BtWebRtc | Lane::Hybrid => {
                return Err(LaneError::Torrent(format!("{} is no way of HTTP", args.lane)));
            }
        };
        let broken = |error: String| LaneError::Tls { server: args.server, error };
        let host = args.authority.rsplit_once(':').map_or(args.authority.as_str(), |(host, _)| host);
        let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned())
            .map_err(|error| broken(error.to_string()))?;
        let protocol: &[u8] = if h2 { b"h2" } else { b"http/1.1" };
        let tls = match encrypted {
            true => Some(Arc::new(tls::client(protocol, args.certificate.as_deref()).map_err(broken)?)),
            false => None,
        };
        Ok(Self { server: args.server, authority: args.authority.clone(), name, h2, tls })
    }

    /// Fetches all files at once: over HTTP/1.1 each on a connection of its own, over HTTP/2 all on one.
    pub(super) async fn fetch(&self, request: &Request) -> Result<Answer, LaneError> {
        if request.files.is_empty() {
            return Ok(Answer::default());
        }
        let started = Instant::now();
        let (times, counts): (Vec<Times>, Vec<Counts>) = if self.h2 {
            let (times, counts) = self.over_h2(&request.files).await?;
            (times, vec![counts])
        } else {
            try_join_all(request.files.iter().map(|file| self.over_h1(file))).await?.into_iter().unzip()
        };
        let since = |time: Option<Instant>| time.map_or(0.0, |time| (time - started).as_secs_f64());
        let encrypted = self.tls.is_some();
        let sum = |of: fn(&Counts) -> u64| counts.iter().map(of).sum();
        let (below_sent, below_received) = (sum(|c| c.below.total_sent()), sum(|c| c.below.total_received()));
        let above_sent = if encrypted { sum(|c| c.above.total_sent()) } else { below_sent };
        let above_received = if encrypted { sum(|c| c.above.total_received()) } else { below_received };
        Ok(Answer {
            seconds: since(times.iter().map(|times| times.last).max()),
            ttfb_seconds: since(times.iter().map(|times| times.first).min()),
            layers: Layers {
                payload: request.files.iter().map(|file| file.size).sum(),
                above_sent,
                above_received,
                below_sent,
                below_received,
                sctp: 0,
                connections: counts.len() as u64,
                ..Layers::default()
            },
            ..Answer::default()
        })
    }

    async fn over_h1(&self, wanted: &Wanted) -> Result<(Times, Counts), LaneError> {
        let (stream, counts) = self.connect().await?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| self.failed(error))?;
        let connection = tokio::spawn(connection.without_shutdown());
        let response =
            sender.send_request(self.request(wanted, false)?).await.map_err(|error| self.failed(error))?;
        let times = receive(wanted, response).await?;
        drop(sender);
        if let Ok(Ok(Ok(parts))) = tokio::time::timeout(CLOSING, connection).await {
            close(parts.io.into_inner()).await;
        }
        Ok((times, counts))
    }

    async fn over_h2(&self, files: &[Wanted]) -> Result<(Vec<Times>, Counts), LaneError> {
        let (stream, counts) = self.connect().await?;
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .initial_stream_window_size(H2_WINDOW)
            .initial_connection_window_size(H2_WINDOW)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| self.failed(error))?;
        let connection = tokio::spawn(connection);
        let transfers = files.iter().map(|wanted| {
            let mut sender = sender.clone();
            async move {
                let request = self.request(wanted, true)?;
                let response = sender.send_request(request).await.map_err(|error| self.failed(error))?;
                receive(wanted, response).await
            }
        });
        let times = try_join_all(transfers).await?;
        drop(sender);
        let _ = tokio::time::timeout(CLOSING, connection).await;
        Ok((times, counts))
    }

    async fn connect(&self) -> Result<(Box<dyn Stream>, Counts), LaneError> {
        let counts = Counts::default();
        let failed = |error| LaneError::Connect { server: self.server, error };
        let stream = TcpStream::connect(self.server).await.map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        let stream = Counted::new(stream, counts.below.clone());
        let Some(config) = &self.tls else { return Ok((Box::new(stream), counts)) };
        let connecting = TlsConnector::from(config.clone()).connect(self.name.clone(), stream);
        let failed = |error: String| LaneError::Tls { server: self.server, error };
        let stream = connecting.await.map_err(|error| failed(error.to_string()))?;
        let agreed = stream.get_ref().1.alpn_protocol();
        if agreed != config.alpn_protocols.first().map(Vec::as_slice) {
            let agreed = agreed.map(|name| String::from_utf8_lossy(name).into_owned());
            return Err(failed(format!("the server chose the protocol {agreed:?}")));
        }
        Ok((Box::new(Counted::new(stream, counts.above.clone())), counts))
    }

    fn request(&self, wanted: &Wanted, absolute: bool) -> Result<HttpRequest<Empty<Bytes>>, LaneError> {
        let failed = |error: http::Error| self.failed(error);
        let mut builder = HttpRequest::get(&wanted.path)
            .header(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"))
            .header(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if absolute {
            let scheme = if self.tls.is_some() { "https" } else { "http" };
            let uri = Uri::builder().scheme(scheme).authority(self.authority.as_str());
            let uri = uri.path_and_query(wanted.path.as_str()).build().map_err(failed)?;
            builder = builder.uri(uri);
        } else {
            builder = builder.header(header::HOST, self.authority.as_str());
        }
        builder.body(Empty::new()).map_err(failed)
    }

    fn failed(&self, error: impl std::error::Error) -> LaneError {
        LaneError::Http { server: self.server, error: with_cause(&error) }
    }
}

/// When the first and the last byte of a file had come.
#[derive(Clone, Copy, Debug)]
struct Times {
    first: Instant,
    last: Instant,
}

/// Writes and checks what comes.
async fn receive(wanted: &Wanted, response: http::Response<Incoming>) -> Result<Times, LaneError> {
    let path = || wanted.path.clone();
    let expected = wanted.size;
    let status = response.status();
    if status != http::StatusCode::OK {
        return Err(LaneError::Status { path: path(), status: status.as_u16() });
    }
    let announced = response.headers().get(header::CONTENT_LENGTH);
    let announced = announced.and_then(|value| value.to_str().ok()?.parse().ok());
    if let Some(announced) = announced.filter(|announced| *announced != expected) {
        return Err(LaneError::Length { path: path(), expected, announced });
    }
    let unwritable = |error| LaneError::Write { path: wanted.to.clone(), error };
    let mut file = File::create(&wanted.to).map_err(unwritable)?;
    let mut hash = Sha1::new();
    let mut body = response.into_body();
    let mut received = 0;
    let mut first = None;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            let error = Some(with_cause(&error));
            LaneError::Truncated { path: path(), expected, received, error }
        })?;
        let Ok(data) = frame.into_data() else { continue };
        first.get_or_insert_with(Instant::now);
        received += data.len() as u64;
        if received > expected {
            return Err(LaneError::Longer { path: path(), expected });
        }
        // Each lane writes on the thread that receives: a page cache takes it faster than another thread could be told.
        hash.update(&data);
        file.write_all(&data).map_err(unwritable)?;
    }
    if received < expected {
        return Err(LaneError::Truncated { path: path(), expected, received, error: None });
    }
    let got = hex(&hash.finalize());
    if !wanted.sha1.is_empty() && got != wanted.sha1 {
        return Err(LaneError::Hash { path: path(), expected: wanted.sha1.clone(), got });
    }
    let last = Instant::now();
    Ok(Times { first: first.unwrap_or(last), last })
}

/// Ends our side and hears the other's end, so that all that was sent has been counted.
async fn close(mut stream: Box<dyn Stream>) {
    let mut rest = [0; 1024];
    let ended = async {
        stream.shutdown().await?;
        while stream.read(&mut rest).await? > 0 {}
        std::io::Result::Ok(())
    };
    let _ = tokio::time::timeout(CLOSING, ended).await;
}

/// An error with what it was caused by, one line.
fn with_cause(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let more = inner.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = inner.source();
    }
    text
}
