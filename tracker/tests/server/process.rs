//! The program itself.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::TempDir;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::support::Peer;

struct Tracker {
    child: Child,
    lines: Vec<String>,
    _data: TempDir,
}

impl Tracker {
    /// Starts it and reads what it says until it has said everything.
    fn start(arguments: &[&str], last_line: &str) -> Self {
        let data = tempfile::tempdir().unwrap();
        let mut child = command(&data).args(arguments).spawn().unwrap();
        let mut lines = Vec::new();
        for line in BufReader::new(child.stdout.as_mut().unwrap()).lines() {
            lines.push(line.unwrap());
            if lines.last().unwrap().contains(last_line) {
                break;
            }
        }
        Self { child, lines, _data: data }
    }

    fn port(&self, label: &str) -> u16 {
        let line = self.lines.iter().find(|line| line.contains(label)).unwrap();
        line.trim_end_matches('/').rsplit(':').next().unwrap().parse().unwrap()
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    fn ended(mut self) -> (Option<i32>, String) {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                let mut log = String::new();
                self.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
                return (status.code(), log);
            }
            if Instant::now() > deadline {
                self.child.kill().unwrap();
                panic!("it does not end");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn command(data: &TempDir) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tracker"));
    command
        .arg("--data")
        .arg(data.path())
        .env_remove("RUST_LOG")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_in_order_when_asked_to() {
    for signal in ["-TERM", "-INT"] {
        let ports = ["--listen", "127.0.0.1:0", "--listen-tls", "127.0.0.1:0"];
        let tracker = Tracker::start(&ports, "made here");
        assert_ne!(tracker.port("over TLS"), tracker.port("page and tracker"));
        let url = format!("ws://127.0.0.1:{}/announce", tracker.port("page and tracker"));
        let (socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
        let mut peer = Peer::over("a", socket);
        peer.announce("t", json!(1), "started", &[]).await;
        tracker.signal(signal);
        assert_eq!(peer.closed().await.map(|frame| frame.code), Some(CloseCode::Away));
        let (code, log) = tokio::task::spawn_blocking(|| tracker.ended()).await.unwrap();
        assert_eq!(code, Some(0), "{log}");
        assert!(log.contains("shutting down"), "{log}");
    }
}

/// However plain the requests are that it passes on.
#[test]
fn a_proxy_that_nobody_named_is_told_of_once() {
    use std::io::Write as _;
    let tracker = Tracker::start(&["--listen", "127.0.0.1:0", "--no-tls"], "page and tracker");
    let port = tracker.port("page and tracker");
    let (hash, name) = (crate::support::id("t"), crate::support::id("a"));
    let target = format!("/announce?info_hash={hash}&peer_id={name}&port=1&left=1");
    for forwarded in ["", "x-forwarded-for: 203.0.113.7\r\n", "x-forwarded-for: 203.0.113.8\r\n"] {
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        let head =
            format!("GET {target} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{forwarded}\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        assert!(reply.contains("10:incompletei1e"), "{reply}");
    }
    tracker.signal("-TERM");
    let (_, log) = tracker.ended();
    assert_eq!(log.matches("start with --trusted-proxies 127.0.0.1").count(), 1, "{log}");
}

#[test]
fn it_goes_on_when_nobody_reads_what_it_says() {
    let mut tracker = Tracker::start(&["--listen", "127.0.0.1:0", "--no-tls"], "page and tracker");
    drop((tracker.child.stdout.take(), tracker.child.stderr.take()));
    let port = tracker.port("page and tracker");
    std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    tracker.signal("-TERM");
    assert_eq!(tracker.child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_port_in_use_says_what_to_do() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for option in ["--listen", "--listen-tls"] {
        let mut arguments = vec![option, &address];
        if option == "--listen-tls" {
            arguments.extend(["--listen", "127.0.0.1:0"]);
        }
        let (code, log) = Tracker::start(&arguments, "never").ended();
        assert_eq!(code, Some(1), "{log}");
        assert!(log.contains(&format!("{address} is in use")) && log.contains(option), "{log}");
    }
}

#[test]
fn a_wrong_directory_or_certificate_says_what_to_do() {
    let listen = ["--listen", "127.0.0.1:0", "--listen-tls", "127.0.0.1:0"];
    for (arguments, words) in [
        (&["--files", "/nowhere"][..], "Name a directory that exists"),
        (&["--cert", "/nowhere.pem", "--key", "/nowhere.key"], "Name a PEM file"),
        (&["--data", "/proc/nowhere"], "--no-tls"),
    ] {
        let arguments: Vec<_> = listen.iter().chain(arguments).copied().collect();
        let data = tempfile::tempdir().unwrap();
        let mut tracker = Command::new(env!("CARGO_BIN_EXE_tracker"));
        let output = tracker.args(arguments).env("PIECEMEAL_DATA", data.path()).output().unwrap();
        let log = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{log}");
        assert!(log.contains(words), "{log}");
    }
}

#[test]
fn neighbours_are_shown_a_code_to_scan() {
    let ports = ["--listen", "127.0.0.1:0", "--no-tls", "--lan"];
    let data = tempfile::tempdir().unwrap();
    let mut child = command(&data).args(ports).spawn().unwrap();
    let mut text = String::new();
    let mut reader = BufReader::new(child.stdout.take().unwrap());
    // Where the tests run in a network of their own there may be no neighbours; then it says that.
    while !text.contains("on this network") && !text.contains("no address on a local network") {
        if reader.read_line(&mut text).unwrap() == 0 || text.lines().count() > 40 {
            break;
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(text.contains("udp://localhost:"), "{text}");
    assert!(text.contains("on this network") || text.contains("no address on a local network"), "{text}");
}

#[test]
fn what_it_prints_as_configuration_it_can_be_started_with() {
    let data = tempfile::tempdir().unwrap();
    let printed = command(&data)
        .args(["--print-config", "--listen", "127.0.0.1:0", "--no-tls", "--max-connections", "77"])
        .env("PIECEMEAL_LISTEN_UDP", "off")
        .output()
        .unwrap();
    assert!(printed.status.success());
    let text = String::from_utf8(printed.stdout).unwrap();
    for line in
        ["listen = \"127.0.0.1:0\"", "listen-udp = \"off\"", "max-connections = 77", "#interval = 120"]
    {
        assert!(text.lines().any(|found| found == line), "{line}: {text}");
    }
    let file = data.path().join("tracker.toml");
    std::fs::write(&file, text).unwrap();
    let tracker = Tracker::start(&["--config", file.to_str().unwrap()], "announce");
    assert!(!tracker.lines.iter().any(|line| line.contains("over TLS")), "{:?}", tracker.lines);
    tracker.signal("-TERM");
    let (code, log) = tracker.ended();
    assert_eq!(code, Some(0), "{log}");
}

#[test]
fn a_wrong_configuration_says_where_it_is_wrong() {
    let data = tempfile::tempdir().unwrap();
    let file = data.path().join("tracker.toml");
    std::fs::write(&file, "lan = true\nmax-conections = 7\n").unwrap();
    let ended = command(&data).arg("--config").arg(&file).output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(2), "{said}");
    assert!(said.starts_with(&format!("error: {}:2: unknown key", file.display())), "{said}");
}

/// What `systemctl reload` sends.
#[test]
fn a_hangup_reads_lists_again_and_ends_no_service() {
    let data = tempfile::tempdir().unwrap();
    let list = data.path().join("deny");
    std::fs::write(&list, "# nothing\n").unwrap();
    let ports = ["--listen", "127.0.0.1:0", "--no-tls", "--deny-list", list.to_str().unwrap()];
    let mut tracker = Tracker::start(&ports, "announce");
    let mut log = BufReader::new(tracker.child.stderr.take().unwrap());
    let mut said = String::new();
    let mut until = |words: &str| {
        while !said.contains(words) {
            assert!(log.read_line(&mut said).unwrap() > 0, "{said}");
        }
    };
    // It may listen to signals a moment later than it says where it is.
    std::thread::sleep(Duration::from_millis(500));
    tracker.signal("-HUP");
    until("--deny-list was read again");
    std::fs::write(&list, "wrong\n").unwrap();
    until("deny:1: expected an info-hash");
    tracker.signal("-TERM");
    assert_eq!(tracker.child.wait().unwrap().code(), Some(0));
}
