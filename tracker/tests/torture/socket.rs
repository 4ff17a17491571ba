//! Connections by hand: what a library would not send has to be sent too.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

/// Connects from this address of this machine.
pub(crate) async fn connect(to: SocketAddr, from: Ipv4Addr) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::new(IpAddr::V4(from), 0))?;
    let stream = socket.connect(to).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

pub(crate) const UPGRADE: &str = "GET /announce HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
    sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";

/// A WebSocket whose frames are made here.
pub(crate) struct Socket {
    pub(crate) stream: TcpStream,
}

impl Socket {
    pub(crate) async fn open(to: SocketAddr, from: Ipv4Addr) -> io::Result<Self> {
        Self::upgrade(connect(to, from).await?).await
    }

    pub(crate) async fn upgrade(mut stream: TcpStream) -> io::Result<Self> {
        stream.write_all(UPGRADE.as_bytes()).await?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await?);
        }
        if head.starts_with(b"HTTP/1.1 101") {
            Ok(Self { stream })
        } else {
            Err(io::Error::other(String::from_utf8_lossy(&head).into_owned()))
        }
    }

    /// A frame of a client, masked with zeros.
    pub(crate) async fn frame(&mut self, opcode: u8, payload: &[u8]) -> io::Result<()> {
        let mut frame = head(opcode, payload.len());
        frame.extend_from_slice(payload);
        self.stream.write_all(&frame).await
    }

    pub(crate) async fn send(&mut self, message: &Value) -> io::Result<()> {
        self.frame(1, message.to_string().as_bytes()).await
    }

    /// The next message; pings are answered.
    pub(crate) async fn next(&mut self) -> io::Result<Value> {
        loop {
            let opcode = self.stream.read_u8().await? & 0x0f;
            let length = match self.stream.read_u8().await? & 0x7f {
                126 => usize::from(self.stream.read_u16().await?),
                127 => self.stream.read_u64().await? as usize,
                short => usize::from(short),
            };
            let mut payload = vec![0; length];
            self.stream.read_exact(&mut payload).await?;
            match opcode {
                1 => return serde_json::from_slice(&payload).map_err(io::Error::other),
                8 => return Err(io::ErrorKind::ConnectionAborted.into()),
                9 => self.frame(10, &payload).await?,
                _ => {}
            }
        }
    }

    /// Reads away whatever comes, until it ends.
    pub(crate) async fn drain(&mut self) {
        while self.next().await.is_ok() {}
    }
}

/// The front of a masked frame that says it has so many bytes.
pub(crate) fn head(opcode: u8, length: usize) -> Vec<u8> {
    let mut head = vec![0x80 | opcode];
    match u16::try_from(length) {
        Ok(length) if length < 126 => head.push(0x80 | length as u8),
        Ok(length) => {
            head.push(0x80 | 126);
            head.extend(length.to_be_bytes());
        }
        Err(_) => {
            head.push(0x80 | 127);
            head.extend((length as u64).to_be_bytes());
        }
    }
    head.extend([0; 4]);
    head
}
