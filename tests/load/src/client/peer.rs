//! A WebTorrent peer that only talks to the tracker.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use futures_util::{SinkExt as _, StreamExt as _};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::{Value, json};
use tokio::net::TcpSocket;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, client_async_with_config};

/// How long anything may take.
const WITHIN: Duration = Duration::from_secs(30);

/// Where peers connect to, and how.
#[derive(Clone)]
pub struct Route {
    server: SocketAddr,
    tls: Option<TlsConnector>,
}

impl Route {
    /// In clear.
    pub const fn clear(server: SocketAddr) -> Self {
        Self { server, tls: None }
    }

    /// Over TLS, trusting one certificate.
    ///
    /// # Errors
    ///
    /// If that cannot be read.
    pub fn tls(server: SocketAddr, certificate: &Path) -> Result<Self> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(certificate).context("reading the certificate")?)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { server, tls: Some(TlsConnector::from(Arc::new(config))) })
    }
}

/// One socket.
#[derive(Debug)]
pub struct Peer {
    socket: WebSocketStream<MaybeTlsStream<tokio::net::TcpStream>>,
}

impl Peer {
    /// Connects from a local address; `receive_buffer` bounds what the system reads ahead.
    ///
    /// # Errors
    ///
    /// Whatever comes in the way.
    pub async fn open(route: &Route, local: IpAddr, receive_buffer: Option<u32>) -> Result<Self> {
        timeout(WITHIN, Self::shake(route, local, receive_buffer)).await.context("no connection in time")?
    }

    async fn shake(route: &Route, local: IpAddr, receive_buffer: Option<u32>) -> Result<Self> {
        let socket = TcpSocket::new_v4()?;
        if let Some(bytes) = receive_buffer {
            socket.set_recv_buffer_size(bytes)?;
        }
        socket.bind((local, 0).into())?;
        let stream = socket.connect(route.server).await.context("connecting")?;
        stream.set_nodelay(true)?;
        let (scheme, stream) = match &route.tls {
            None => ("ws", MaybeTlsStream::Plain(stream)),
            Some(tls) => {
                let name = ServerName::try_from("localhost")?;
                ("wss", MaybeTlsStream::Rustls(tls.connect(name, stream).await.context("TLS")?))
            }
        };
        let config = WebSocketConfig::default().read_buffer_size(4_096).write_buffer_size(0);
        let url = format!("{scheme}://localhost:{}/announce", route.server.port());
        let (socket, _) = client_async_with_config(url, stream, Some(config)).await.context("upgrading")?;
        Ok(Self { socket })
    }

    /// Announces with so many offers.
    ///
    /// # Errors
    ///
    /// If it cannot be sent.
    pub async fn announce(&mut self, torrent: &str, name: &str, event: &str, offers: &[Value]) -> Result<()> {
        self.send(json!({
            "action": "announce", "info_hash": id(torrent), "peer_id": id(name), "event": event, "left": 1,
            "uploaded": 0, "downloaded": 0, "numwant": offers.len(), "offers": offers,
        }))
        .await
    }

    /// Answers an offer that came.
    ///
    /// # Errors
    ///
    /// If it cannot be sent.
    pub async fn answer(&mut self, name: &str, offer: &Value) -> Result<()> {
        self.send(json!({
            "action": "announce", "info_hash": offer["info_hash"], "peer_id": id(name),
            "to_peer_id": offer["peer_id"], "offer_id": offer["offer_id"],
            "answer": {"type": "answer", "sdp": SDP},
        }))
        .await
    }

    /// Sends a JSON value.
    ///
    /// # Errors
    ///
    /// If the connection is gone, or takes nothing.
    pub async fn send(&mut self, message: Value) -> Result<()> {
        self.send_text(message.to_string()).await
    }

    /// Sends any text.
    ///
    /// # Errors
    ///
    /// If the connection is gone, or takes nothing.
    pub async fn send_text(&mut self, text: String) -> Result<()> {
        timeout(WITHIN, self.socket.send(Message::text(text))).await.context("it takes nothing")??;
        Ok(())
    }

    /// The next text, however long it takes; pings are answered meanwhile.
    ///
    /// # Errors
    ///
    /// If the connection ends.
    pub async fn heard(&mut self) -> Result<Value> {
        Ok(serde_json::from_str(&self.heard_text().await?)?)
    }

    /// The same as it came. May be dropped while it waits.
    ///
    /// # Errors
    ///
    /// If the connection ends.
    pub async fn heard_text(&mut self) -> Result<Utf8Bytes> {
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Text(text))) => return Ok(text),
                Some(Ok(Message::Close(frame))) => bail!("closed: {frame:?}"),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error.into()),
                None => bail!("the connection ended"),
            }
        }
    }

    /// The next text that has this key.
    ///
    /// # Errors
    ///
    /// If none comes in time.
    pub async fn with(&mut self, key: &str) -> Result<Value> {
        let wanted = async {
            loop {
                let heard = self.heard().await?;
                if heard.get(key).is_some() {
                    return Ok(heard);
                }
            }
        };
        timeout(WITHIN, wanted).await.with_context(|| format!("nothing with {key:?} in time"))?
    }

    /// Says goodbye.
    pub async fn close(mut self) {
        // It is gone all the same.
        let _ = timeout(WITHIN, self.socket.close(None)).await;
    }
}

/// Twenty characters that begin with `name`.
pub fn id(name: &str) -> String {
    format!("{name:.<20.20}")
}

/// An offer of this name, as long as a browser's without candidates.
pub fn offer(name: &str) -> Value {
    json!({"offer": {"type": "offer", "sdp": SDP}, "offer_id": id(name)})
}

/// As browsers write it for one data channel.
const SDP: &str = "v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
    a=extmap-allow-mixed\r\na=msid-semantic: WMS\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n\
    c=IN IP4 0.0.0.0\r\na=candidate:1 1 udp 2113937151 0bd0f0a6-6c1d-4dd0-8d0a-3f7d8d1c8c2f.local 51234 typ host\r\n\
    a=ice-ufrag:4ZcD\r\na=ice-pwd:2/1muCWoOi3uLifh0NuRHlIH\r\na=fingerprint:sha-256 \
    7B:8B:F0:65:5F:78:E2:51:3B:AC:6F:F3:3F:46:1B:35:DC:B8:5F:64:1A:24:C2:43:F0:A1:58:D0:A1:2C:19:08\r\n\
    a=setup:actpass\r\na=mid:0\r\na=sctp-port:5000\r\na=max-message-size:262144\r\n";
