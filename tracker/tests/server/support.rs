//! A tracker in this process, and clients for it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt as _, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};
use tracker::config::Config;

/// Long enough for a machine that builds something else meanwhile.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) udp_address: Option<SocketAddr>,
    pub(crate) stun_address: Option<SocketAddr>,
    pub(crate) turn_address: Option<SocketAddr>,
    pub(crate) tls_address: Option<SocketAddr>,
    pub(crate) tls_http1_address: Option<SocketAddr>,
    pub(crate) metrics_address: Option<SocketAddr>,
    pub(crate) fingerprint: Option<String>,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<bool>,
}

impl Server {
    pub(crate) async fn start(config: Config) -> Self {
        Self::serve(tracker::start(config).await.unwrap())
    }

    pub(crate) fn serve(running: tracker::Running) -> Self {
        let (stop, stopped) = oneshot::channel();
        Self {
            address: running.address(),
            udp_address: running.udp_address(),
            stun_address: running.stun_address(),
            turn_address: running.turn_address(),
            tls_address: running.tls_address(),
            tls_http1_address: running.tls_http1_address(),
            metrics_address: running.metrics_address(),
            fingerprint: running.fingerprint(),
            stop,
            serving: tokio::spawn(running.until(async {
                let _ = stopped.await;
            })),
        }
    }

    /// Asks it to end; whether everything finished in time.
    pub(crate) async fn stop(self) -> bool {
        let _ = self.stop.send(());
        self.serving.await.unwrap()
    }

    pub(crate) async fn peer(&self, name: &str) -> Peer {
        self.peer_at(name, "/announce").await
    }

    pub(crate) async fn peer_at(&self, name: &str, path: &str) -> Peer {
        let (socket, _) =
            tokio_tungstenite::connect_async(format!("ws://{}{path}", self.address)).await.unwrap();
        Peer { name: id(name), socket }
    }

    pub(crate) async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Response<Bytes> {
        self.request("GET", path, headers).await
    }

    pub(crate) async fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Response<Bytes> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        http1(stream, request(method, path, headers)).await
    }

    pub(crate) async fn stats(&self) -> Value {
        serde_json::from_slice(self.get("/stats.json", &[]).await.body()).unwrap()
    }

    /// Waits until so many were rejected for this reason.
    pub(crate) async fn until_rejected(&self, reason: &str, expected: u64) {
        let reached = async {
            while self.stats().await["rejections"][reason] != expected {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        if timeout(PATIENCE, reached).await.is_err() {
            panic!("{reason} is not {expected}: {}", self.stats().await["rejections"]);
        }
    }

    /// Waits until a number of `/stats.json` is `expected`.
    pub(crate) async fn until_stat(&self, name: &str, expected: u64) {
        let reached = async {
            while self.stats().await[name] != expected {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        if timeout(PATIENCE, reached).await.is_err() {
            panic!("{name} is {} and not {expected}", self.stats().await[name]);
        }
    }
}

/// Twenty characters that begin with `name`.
pub(crate) fn id(name: &str) -> String {
    format!("{name:.<20}")
}

pub(crate) struct Peer {
    pub(crate) name: String,
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Peer {
    pub(crate) fn over(name: &str, socket: WebSocketStream<MaybeTlsStream<TcpStream>>) -> Self {
        Self { name: id(name), socket }
    }

    pub(crate) async fn send(&mut self, message: Value) {
        self.send_text(&message.to_string()).await;
    }

    pub(crate) async fn send_text(&mut self, text: &str) {
        self.send_message(Message::text(text)).await;
    }

    pub(crate) async fn send_message(&mut self, message: Message) {
        timeout(PATIENCE, self.socket.send(message)).await.unwrap().unwrap();
    }

    /// Sends as much as the server takes.
    pub(crate) async fn try_send(&mut self, message: Value) -> bool {
        matches!(timeout(PATIENCE, self.socket.send(Message::text(message.to_string()))).await, Ok(Ok(())))
    }

    /// Announces with offers of these names, and takes the reply.
    pub(crate) async fn announce(
        &mut self,
        torrent: &str,
        left: Value,
        event: &str,
        offers: &[&str],
    ) -> Value {
        let offers: Vec<_> = offers
            .iter()
            .map(|name| json!({"offer": {"type": "offer", "sdp": format!("sdp of {name}")}, "offer_id": id(name)}))
            .collect();
        let (info_hash, peer_id) = (id(torrent), self.name.clone());
        self.send(json!({
            "action": "announce", "info_hash": info_hash, "peer_id": peer_id, "left": left, "event": event,
            "numwant": offers.len(), "offers": offers, "uploaded": 0, "downloaded": 0,
        }))
        .await;
        self.next().await
    }

    pub(crate) async fn answer(&mut self, torrent: &str, to: &str, offer: &str) {
        let peer_id = self.name.clone();
        self.send(json!({
            "action": "announce", "info_hash": id(torrent), "peer_id": peer_id, "to_peer_id": id(to),
            "offer_id": id(offer), "answer": {"type": "answer", "sdp": "sdp of the answer"},
        }))
        .await;
    }

    pub(crate) async fn next(&mut self) -> Value {
        loop {
            match timeout(PATIENCE, self.socket.next()).await.unwrap().unwrap().unwrap() {
                Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// What it is told before the connection ends; `None` if the connection just breaks.
    pub(crate) async fn closed(&mut self) -> Option<CloseFrame> {
        let ended = async {
            loop {
                match self.socket.next().await {
                    Some(Ok(Message::Close(frame))) => return frame,
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return None,
                }
            }
        };
        timeout(PATIENCE, ended).await.expect("the connection is still open")
    }

    /// Nothing is sent before the reply to the next scrape: messages to one socket keep their order.
    pub(crate) async fn assert_nothing_else(&mut self) {
        self.send(json!({"action": "scrape", "info_hash": id("nothing")})).await;
        let next = self.next().await;
        assert_eq!(next["action"], "scrape", "{next}");
    }

    /// Leaves without a word.
    pub(crate) fn vanish(self) {
        drop(self.socket);
    }
}

pub(crate) fn request(method: &str, path: &str, headers: &[(&str, &str)]) -> Request<Empty<Bytes>> {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in [("host", "localhost")].iter().filter(|_| headers.iter().all(|it| it.0 != "host")) {
        request = request.header(*name, *value);
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Empty::new()).unwrap()
}

pub(crate) async fn http1<IO>(stream: IO, request: Request<Empty<Bytes>>) -> Response<Bytes>
where
    IO: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    collect(sender.send_request(request).await.unwrap()).await
}

pub(crate) async fn http2<IO>(stream: IO, request: Request<Empty<Bytes>>) -> Response<Bytes>
where
    IO: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (mut sender, connection) = handshake.await.unwrap();
    tokio::spawn(connection);
    collect(sender.send_request(request).await.unwrap()).await
}

async fn collect(response: Response<hyper::body::Incoming>) -> Response<Bytes> {
    let (parts, body) = response.into_parts();
    let body = timeout(PATIENCE, body.collect()).await.unwrap().unwrap().to_bytes();
    Response::from_parts(parts, body)
}

/// A TLS stream to the server, offering these protocols, trusting this certificate.
pub(crate) async fn tls(
    address: SocketAddr,
    protocols: &[&str],
    trusted: &std::path::Path,
) -> tokio_rustls::client::TlsStream<TcpStream> {
    use rustls::pki_types::pem::PemObject as _;
    let mut roots = rustls::RootCertStore::empty();
    roots.add(rustls::pki_types::CertificateDer::from_pem_file(trusted).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap()
}

pub(crate) fn header(headers: &HeaderMap, name: &str) -> String {
    headers.get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
}
