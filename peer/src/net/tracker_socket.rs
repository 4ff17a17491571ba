//! The WebSocket of a tracker.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use rustls::ClientConfig;
use shared::limits::TRACKER_MESSAGE_MAX;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::counted::Counted;
use super::guard::Guard;
use super::http::{Count, Stream, stream};

/// How long the handshake may take, and a message to leave.
const WITHIN: Duration = Duration::from_secs(15);

/// What a tracker's socket tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    Opened,
    Text(String),
    /// In words for a person; the last.
    Closed(String),
}

type Socket = WebSocketStream<Counted<Stream, Count>>;

/// Opens a socket and sends what comes from `texts`, until that ends: then it says goodbye, and tells nothing more.
pub(crate) async fn run<F: Future<Output = ()> + Send>(
    guard: Guard,
    tls: Arc<ClientConfig>,
    url: String,
    mut texts: mpsc::UnboundedReceiver<String>,
    heard: impl Fn(Heard) -> F + Send + Sync,
    count: Count,
) {
    let opened = tokio::select! {
        opened = open(guard, &tls, &url, count) => opened,
        // Nothing is to be sent before it is open.
        () = async { while texts.recv().await.is_some() {} } => return,
    };
    let talked = match opened {
        Ok(socket) => talk(socket, &mut texts, &heard).await,
        Err(reason) => Err(reason),
    };
    if let Err(reason) = talked {
        heard(Heard::Closed(reason)).await;
    }
}

async fn open(guard: Guard, tls: &Arc<ClientConfig>, url: &str, count: Count) -> Result<Socket, String> {
    let bad = || format!("expected a ws or wss URL with a host, got {url:?}");
    let uri: http::Uri = url.parse().map_err(|_| bad())?;
    let host = uri.host().ok_or_else(bad)?;
    let secure = match uri.scheme_str() {
        Some("ws") => false,
        Some("wss") => true,
        _ => return Err(bad()),
    };
    let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
    let opened = stream(guard, tls, host, port, secure).await.map_err(|error| error.to_string())?;
    let bound = Some(TRACKER_MESSAGE_MAX);
    let config = WebSocketConfig::default().max_message_size(bound).max_frame_size(bound);
    let shaken = timeout(WITHIN, client_async_with_config(url, count.on(opened), Some(config))).await;
    let shaken = shaken.map_err(|_| "the tracker did not answer in time".to_owned())?;
    let (socket, _) = shaken.map_err(|error| error.to_string())?;
    Ok(socket)
}

async fn talk<F: Future<Output = ()> + Send>(
    mut socket: Socket,
    texts: &mut mpsc::UnboundedReceiver<String>,
    heard: &(impl Fn(Heard) -> F + Send + Sync),
) -> Result<(), String> {
    heard(Heard::Opened).await;
    loop {
        tokio::select! {
            text = texts.recv() => {
                let Some(text) = text else {
                    let _ = timeout(WITHIN, socket.close(None)).await;
                    return Ok(());
                };
                let sent = timeout(WITHIN, socket.send(Message::text(text))).await;
                sent.map_err(|_| "the tracker takes nothing".to_owned())?.map_err(|error| error.to_string())?;
            }
            message = socket.next() => match message {
                Some(Ok(Message::Text(text))) => {
                    heard(Heard::Text(text.as_str().to_owned())).await;
                }
                // Pings are answered by the library. Trackers say nothing in binary.
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Binary(_) | Message::Frame(_))) => {}
                Some(Ok(Message::Close(frame))) => {
                    return Err(frame.map_or_else(String::new, |frame| frame.reason.chars().take(200).collect()));
                }
                Some(Err(error)) => return Err(error.to_string()),
                None => return Err("the tracker closed the socket".to_owned()),
            },
        }
    }
}
