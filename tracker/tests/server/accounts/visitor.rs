//! A tracker in private mode, and who visits it with a browser or a client.

use std::fs;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use shared::tracker::compact::Family;
use shared::tracker::udp::{Packet, UdpRequest, UdpResponse};
use shared::tracker::{AnnounceRequest, Event};
use tempfile::TempDir;
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;
use tracker::account::{AccountsConfig, Registration};
use tracker::config::Config;

use crate::http_announce::request as announce_request;
use crate::support::{PATIENCE, Peer, Server, header, id};

pub(super) const PASSWORD: &str = "correct horse battery";
pub(super) const HASH: &str = "0707070707070707070707070707070707070707";
pub(super) const QUERY: &str = "info_hash=%07%07%07%07%07%07%07%07%07%07%07%07%07%07%07%07%07%07%07%07&peer_id=-XX0001-012345678901&port=6881&left=1&compact=1";

pub(super) struct Private {
    pub(super) data: TempDir,
    pub(super) server: Server,
    pub(super) setup: String,
}

/// What a client keeps: its cookie.
#[derive(Clone, Default)]
pub(super) struct Client {
    pub(super) cookie: String,
}

impl Private {
    pub(super) async fn start(change: impl FnOnce(&mut AccountsConfig, &mut Config)) -> Self {
        let data = tempfile::tempdir().unwrap();
        let files = data.path().join("files");
        fs::create_dir(&files).unwrap();
        fs::write(files.join("a.txt"), "only for members").unwrap();
        fs::write(files.join("b.txt"), "for everybody who is one").unwrap();
        let mut accounts = AccountsConfig {
            data: data.path().join("data"),
            require_login: true,
            registration: Registration::Invite,
            registered_torrents_only: false,
        };
        let mut config = Config { files: Some(files), ..Config::default() };
        change(&mut accounts, &mut config);
        config.accounts = Some(accounts);
        let running = tracker::start(config.clone()).await.unwrap();
        let setup = running.setup_code().unwrap_or_default();
        Self { data, server: Server::serve(running), setup }
    }

    pub(super) async fn private() -> Self {
        Self::start(|_, _| {}).await
    }

    pub(super) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> Response<Bytes> {
        let stream = TcpStream::connect(self.server.address).await.unwrap();
        let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream));
        let (mut sender, connection) = handshake.await.unwrap();
        tokio::spawn(connection);
        let mut request = Request::builder().method(method).uri(path).header("host", self.host());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response =
            sender.send_request(request.body(Full::new(Bytes::from(body))).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        Response::from_parts(parts, body.collect().await.unwrap().to_bytes())
    }

    pub(super) fn host(&self) -> String {
        self.server.address.to_string()
    }

    /// A call of the API as our page makes it.
    pub(super) async fn call(
        &self,
        client: &mut Client,
        method: &str,
        path: &str,
        body: Value,
    ) -> (u16, Value) {
        let origin = format!("http://{}", self.host());
        let mut headers = vec![
            ("content-type", "application/json"),
            ("origin", &origin),
            ("sec-fetch-site", "same-origin"),
        ];
        headers.push(("cookie", &client.cookie));
        let response = self.send(method, path, &headers, body.to_string()).await;
        let set = header(response.headers(), "set-cookie");
        if let Some(cookie) = set.split(';').next().filter(|cookie| !cookie.is_empty()) {
            client.cookie = cookie.to_owned();
        }
        let body = serde_json::from_slice(response.body()).unwrap_or(Value::Null);
        (response.status().as_u16(), body)
    }

    pub(super) async fn post(&self, client: &mut Client, path: &str, body: Value) -> (u16, Value) {
        self.call(client, "POST", path, body).await
    }

    /// The account of the first, who is an admin.
    pub(super) async fn admin(&self) -> Client {
        let mut client = Client::default();
        let body = json!({"name": "root", "password": PASSWORD, "invitation": self.setup});
        let (status, said) = self.post(&mut client, "/api/account/register", body).await;
        assert_eq!((status, &said["account"]["role"]), (200, &json!("admin")), "{said}");
        client
    }

    /// A member that the admin made, logged in.
    pub(super) async fn member(&self, admin: &mut Client, name: &str) -> Client {
        let body = json!({"name": name, "password": PASSWORD});
        assert_eq!(self.post(admin, "/api/accounts", body.clone()).await.0, 201);
        let mut client = Client::default();
        let (status, said) = self.post(&mut client, "/api/account/login", body).await;
        assert_eq!((status, &said["account"]["role"]), (200, &json!("member")), "{said}");
        client
    }

    pub(super) async fn me(&self, client: &mut Client) -> Value {
        self.call(client, "GET", "/api/account", json!({})).await.1["account"].clone()
    }

    pub(super) async fn passkey(&self, client: &mut Client) -> String {
        self.me(client).await["passkey"].as_str().unwrap().to_owned()
    }

    pub(super) async fn token(&self, client: &mut Client) -> String {
        let (status, said) = self.post(client, "/api/account/token", json!({})).await;
        assert_eq!(status, 200, "{said}");
        said["token"].as_str().unwrap().to_owned()
    }

    /// The code of an HTTP announce's refusal; empty if it is granted.
    pub(super) async fn announce(&self, path: &str) -> String {
        let body = self.server.get(&format!("{path}?{QUERY}"), &[]).await.into_body();
        code(&body)
    }

    /// The same over UDP, with this URL data.
    pub(super) async fn announce_udp(&self, url_data: &str) -> String {
        let request = announce_request("torrent", "udp peer", 6881, 1, Event::Started);
        let request = Box::new(AnnounceRequest { info_hash: HASH.parse().unwrap(), ..request });
        let announce = |connection| UdpRequest::Announce { connection, request, url_data: url_data.into() };
        match self.ask_udp(announce).await {
            UdpResponse::Announce(_) => String::new(),
            UdpResponse::Error(text) => text,
            other => panic!("{other:?}"),
        }
    }

    pub(super) async fn ask_udp(&self, ask: impl FnOnce(u64) -> UdpRequest) -> UdpResponse {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.connect(self.server.udp_address.unwrap()).await.unwrap();
        let (mut datagram, mut buffer) = (Vec::new(), [0; 2_048]);
        Packet { transaction: 1, request: UdpRequest::Connect }.encode(&mut datagram);
        socket.send(&datagram).await.unwrap();
        let length = timeout(PATIENCE, socket.recv(&mut buffer)).await.unwrap().unwrap();
        let Ok((1, UdpResponse::Connect { connection })) = UdpResponse::parse(&buffer[..length], Family::V4)
        else {
            panic!("no connection id");
        };
        datagram.clear();
        Packet { transaction: 2, request: ask(connection) }.encode(&mut datagram);
        socket.send(&datagram).await.unwrap();
        let length = timeout(PATIENCE, socket.recv(&mut buffer)).await.unwrap().unwrap();
        UdpResponse::parse(&buffer[..length], Family::V4).unwrap().1
    }

    /// The code of an announce's refusal over a WebSocket at this path.
    pub(super) async fn announce_ws(&self, path: &str) -> String {
        ws_code(&mut self.server.peer_at("ws peer", path).await).await
    }

    pub(super) async fn download(&self, path: &str, headers: &[(&str, &str)]) -> u16 {
        let mut all = vec![("host", "localhost")];
        all.extend_from_slice(headers);
        self.server.get(path, &all).await.status().as_u16()
    }
}

pub(super) async fn ws_code(peer: &mut Peer) -> String {
    let said = peer.announce("torrent", json!(1), "started", &[]).await;
    assert_eq!(said["action"], "announce", "{said}");
    assert_eq!(said["info_hash"], id("torrent"), "a client has to know which torrent is refused");
    assert_eq!(said["code"].is_null(), said["failure reason"].is_null(), "{said}");
    said["code"].as_str().unwrap_or_default().to_owned()
}

pub(super) fn code(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body).into_owned();
    let Some((_, rest)) = text.split_once("12:failure code") else { return String::new() };
    assert!(text.contains("14:failure reason") && text.contains("8:retry in"), "{text}");
    let (length, rest) = rest.split_once(':').unwrap();
    rest[..length.parse::<usize>().unwrap()].to_owned()
}
