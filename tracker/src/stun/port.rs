//! The responder's own port.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::sleep;
use tracing::{debug, warn};

use crate::config::{Config, FurtherPort};
use crate::error::StartError;
use crate::frontend::udp::socket;
use crate::state::AppState;

/// Longest request that is read whole; what is longer is damaged by it and gets no answer.
const REQUEST_MAX: usize = 1_500;

/// After the system refused to receive, wait before asking again.
const ERROR_PAUSE: Duration = Duration::from_millis(100);

/// Opens the port, if one is asked for.
pub(crate) fn open(config: &Config) -> Result<Option<UdpSocket>, StartError> {
    const OPTION: &str = "--listen-stun";
    match config.stun {
        FurtherPort::Off | FurtherPort::Auto => Ok(None),
        FurtherPort::At(address) if config.lan => socket::bind_all(address.port(), OPTION).map(Some),
        FurtherPort::At(address) => socket::bind(address, OPTION).map(Some),
    }
}

/// Answers until the end.
pub(crate) async fn serve(socket: UdpSocket, state: Arc<AppState>) {
    let mut datagram = vec![0; REQUEST_MAX];
    let mut reply = Vec::new();
    loop {
        let received = tokio::select! {
            () = state.drain.ended().cancelled() => return,
            received = socket.recv_from(&mut datagram) => received,
        };
        match received {
            Ok((length, remote)) => answer(&state, &socket, &datagram[..length], remote, &mut reply).await,
            Err(error) => pause(&error).await,
        }
    }
}

async fn answer(
    state: &AppState,
    socket: &UdpSocket,
    datagram: &[u8],
    remote: SocketAddr,
    reply: &mut Vec<u8>,
) {
    reply.clear();
    state.stun.answer(state.clock.now(), datagram, remote, reply);
    if !reply.is_empty()
        && let Err(error) = socket.send_to(reply, remote).await
    {
        debug!(%remote, %error, "a reply was lost");
    }
}

async fn pause(error: &io::Error) {
    warn!(%error, "cannot receive STUN requests");
    sleep(ERROR_PAUSE).await;
}
