//! A node that can be killed.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use shared::tracker::http::{announce_url, parse_announce_reply};
use shared::tracker::{AnnounceRequest, AnnounceResponse};
use tokio::net::TcpStream;

use crate::redis::Redis;
use crate::support::{self, Peer};

pub(crate) struct Program {
    child: Child,
    port: u16,
}

impl Program {
    pub(crate) fn start(redis: &Redis, options: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tracker"));
        command.args(["--listen", "127.0.0.1:0", "--no-tls", "--listen-stun", "off"]);
        command.args(["--cluster", &redis.url(), "--cluster-name", "test"]).args(options);
        let mut child =
            command.env_remove("RUST_LOG").stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = lines.find(|line| line.as_ref().unwrap().contains("page and tracker")).unwrap().unwrap();
        let port = line.trim_end_matches('/').rsplit(':').next().unwrap().parse().unwrap();
        Self { child, port }
    }

    pub(crate) async fn peer(&self, name: &str) -> Peer {
        let url = format!("ws://127.0.0.1:{}/", self.port);
        Peer::over(name, tokio_tungstenite::connect_async(url).await.unwrap().0)
    }

    /// An announce over HTTP.
    pub(crate) async fn announce(&self, request: &AnnounceRequest) -> AnnounceResponse {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        let request = support::request("GET", &announce_url("/announce", request), &[]);
        parse_announce_reply(support::http1(stream, request).await.body()).unwrap()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
