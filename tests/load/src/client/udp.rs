//! BEP 15.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use shared::id::InfoHash;
use shared::tracker::announce::AnnounceRequest;
use shared::tracker::compact::Family;
use shared::tracker::udp::{Packet, UdpRequest, UdpResponse};
use tokio::net::UdpSocket;
use tokio::time::timeout;

/// How long a reply may take. Over loopback it comes at once, or the server dropped it.
const WITHIN: Duration = Duration::from_secs(5);

/// A client with a connection id.
#[derive(Debug)]
pub struct Udp {
    socket: UdpSocket,
    connection: u64,
}

impl Udp {
    /// Sends from `local`, and gets a connection id.
    ///
    /// # Errors
    ///
    /// If there is no reply.
    pub async fn connect(local: IpAddr, server: SocketAddr) -> Result<Self> {
        let socket = UdpSocket::bind((local, 0)).await?;
        socket.connect(server).await?;
        let mut client = Self { socket, connection: 0 };
        match client.ask(UdpRequest::Connect).await? {
            UdpResponse::Connect { connection } => client.connection = connection,
            other => bail!("expected a connection id, got {other:?}"),
        }
        Ok(client)
    }

    /// Announces; how many peers came back.
    ///
    /// # Errors
    ///
    /// If there is no reply.
    pub async fn announce(&self, request: AnnounceRequest) -> Result<usize> {
        let (connection, request, url_data) = (self.connection, Box::new(request), Vec::new());
        let request = UdpRequest::Announce { connection, request, url_data };
        match self.ask(request).await? {
            UdpResponse::Announce(response) => Ok(response.peers.len()),
            other => bail!("expected peers, got {other:?}"),
        }
    }

    /// Scrapes.
    ///
    /// # Errors
    ///
    /// If there is no reply.
    pub async fn scrape(&self, hashes: Vec<InfoHash>) -> Result<()> {
        match self.ask(UdpRequest::Scrape { connection: self.connection, hashes }).await? {
            UdpResponse::Scrape(_) => Ok(()),
            other => bail!("expected numbers, got {other:?}"),
        }
    }

    /// Sends what is no request.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub async fn garbage(&self, bytes: &[u8]) -> Result<()> {
        self.socket.send(bytes).await?;
        Ok(())
    }

    async fn ask(&self, request: UdpRequest) -> Result<UdpResponse> {
        let transaction = 7;
        let mut datagram = Vec::new();
        Packet { transaction, request }.encode(&mut datagram);
        self.socket.send(&datagram).await?;
        let mut reply = [0; 2_048];
        let length = timeout(WITHIN, self.socket.recv(&mut reply)).await.context("no reply")??;
        let (answered, response) = UdpResponse::parse(&reply[..length], Family::V4)?;
        if answered != transaction {
            bail!("a reply to something else");
        }
        Ok(response)
    }
}
