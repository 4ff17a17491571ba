//! A small server for the pages that we test against: stock WebTorrent, a raw data channel, nothing at all.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Pages of the harness, by path.
const PAGES: [(&str, &str, &[u8]); 7] = [
    ("/", "text/html", b"<!doctype html><meta charset=utf-8><title>empty</title>"),
    ("/stock", "text/html", include_bytes!("../pages/stock.html")),
    ("/stock.js", "text/javascript", include_bytes!("../pages/stock.js")),
    ("/raw", "text/html", include_bytes!("../pages/raw.html")),
    ("/raw-channel.js", "text/javascript", include_bytes!("../pages/raw-channel.js")),
    ("/misbehaves", "text/html", include_bytes!("../pages/misbehaves.html")),
    ("/misbehaves.js", "text/javascript", include_bytes!("../pages/misbehaves.js")),
];

/// A running server; it ends when this is dropped.
#[derive(Debug)]
pub struct Site {
    origin: String,
    accept: JoinHandle<()>,
}

impl Site {
    /// Serves the pages on a free port; `/webtorrent.min.js` is the file `webtorrent`.
    pub async fn start(webtorrent: PathBuf) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("listening for the test pages")?;
        let origin = format!("http://127.0.0.1:{}", listener.local_addr()?.port());
        let webtorrent = Arc::new(webtorrent);
        let accept = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let webtorrent = Arc::clone(&webtorrent);
                // A browser that closes early is none of the server's business.
                tokio::spawn(async move { serve(stream, &webtorrent).await.ok() });
            }
        });
        Ok(Self { origin, accept })
    }

    /// `http://127.0.0.1:port`.
    pub fn origin(&self) -> &str {
        &self.origin
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.accept.abort();
    }
}

async fn serve(mut stream: TcpStream, webtorrent: &PathBuf) -> Result<()> {
    let (read, mut write) = stream.split();
    let mut lines = BufReader::new(read).lines();
    let first = lines.next_line().await?.context("no request line")?;
    while lines.next_line().await?.is_some_and(|line| !line.is_empty()) {}
    let path = first.split(' ').nth(1).unwrap_or("/");
    let path = path.split('?').next().unwrap_or(path);
    let found = match path {
        "/webtorrent.min.js" => Some(("text/javascript", tokio::fs::read(webtorrent).await?)),
        _ => PAGES.iter().find(|page| page.0 == path).map(|page| (page.1, page.2.to_vec())),
    };
    let (status, kind, body) = match found {
        Some((kind, body)) => ("200 OK", kind, body),
        None => ("404 Not Found", "text/plain", Vec::new()),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    write.write_all(head.as_bytes()).await?;
    write.write_all(&body).await?;
    write.shutdown().await?;
    Ok(())
}
