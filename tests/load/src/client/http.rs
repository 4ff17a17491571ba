//! HTTP/1.1, one request after the other.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long a response may take.
const WITHIN: Duration = Duration::from_secs(30);

/// Longest response.
const RESPONSE_MAX: usize = 1 << 20;

/// A kept connection.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub async fn open(server: SocketAddr) -> Result<Self> {
        Ok(Self { stream: TcpStream::connect(server).await?, read: Vec::new() })
    }

    /// The body of a GET.
    ///
    /// # Errors
    ///
    /// If there is no whole response with status 200 in time.
    pub async fn get(&mut self, target: &str) -> Result<Vec<u8>> {
        timeout(WITHIN, self.exchange(target)).await.context("no response in time")?
    }

    async fn exchange(&mut self, target: &str) -> Result<Vec<u8>> {
        let request = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        self.stream.write_all(request.as_bytes()).await?;
        loop {
            if let Some(head) = self.read.windows(4).position(|window| window == b"\r\n\r\n") {
                let text = String::from_utf8_lossy(&self.read[..head]).to_ascii_lowercase();
                let length = text.lines().find_map(|line| line.strip_prefix("content-length:"));
                let length: usize = length.context("no length")?.trim().parse().context("no length")?;
                if self.read.len() >= head + 4 + length {
                    let body = self.read[head + 4..head + 4 + length].to_vec();
                    self.read.drain(..head + 4 + length);
                    ensure!(text.starts_with("http/1.1 200"), "{}", text.lines().next().unwrap_or_default());
                    return Ok(body);
                }
            }
            ensure!(self.read.len() <= RESPONSE_MAX, "the response is too long");
            ensure!(self.stream.read_buf(&mut self.read).await? > 0, "the connection closed");
        }
    }
}

/// The body of a GET over a connection of its own.
///
/// # Errors
///
/// As for [`Connection::get`].
pub async fn get(server: SocketAddr, target: &str) -> Result<Vec<u8>> {
    Connection::open(server).await?.get(target).await
}
