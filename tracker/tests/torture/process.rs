//! The tracker as a process of its own.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

pub(crate) struct Tracker {
    child: Child,
    pub(crate) clear: SocketAddr,
    pub(crate) tls: SocketAddr,
    pub(crate) udp: SocketAddr,
    log: Option<std::thread::JoinHandle<String>>,
    _data: TempDir,
}

impl Tracker {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let data = tempfile::tempdir().unwrap();
        // Another build of it, for figures: the one beside this test is not optimised.
        let program = std::env::var_os("PIECEMEAL_TORTURE_TRACKER");
        let mut child = Command::new(program.unwrap_or_else(|| env!("CARGO_BIN_EXE_tracker").into()))
            .args(["--listen", "127.0.0.1:0", "--listen-tls", "127.0.0.1:0", "--listen-tls-http1", "off"])
            .arg("--data")
            .arg(data.path())
            .args(arguments)
            .env("RUST_LOG", "info,webrtc=error,rtc=error")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let mut port_of = |label: &str| {
            let line = said.find(|line| line.contains(label)).unwrap();
            let address = line.trim_end_matches('/').rsplit(':').next().unwrap();
            address.chars().take_while(char::is_ascii_digit).collect::<String>().parse::<u16>().unwrap()
        };
        let clear = SocketAddr::from(([127, 0, 0, 1], port_of("page and tracker")));
        let tls = SocketAddr::from(([127, 0, 0, 1], port_of("over TLS")));
        // What it says later is read away, or it would wait for a reader.
        std::thread::spawn(move || said.for_each(drop));
        let mut errors = child.stderr.take().unwrap();
        let log = std::thread::spawn(move || {
            let mut log = Vec::new();
            let _ = errors.read_to_end(&mut log);
            String::from_utf8_lossy(&log).into_owned()
        });
        Self { child, clear, tls, udp: clear, log: Some(log), _data: data }
    }

    /// Resident memory, MiB.
    pub(crate) fn memory(&self) -> u64 {
        resident(self.child.id())
    }

    /// Looks at the memory again and again.
    pub(crate) fn watch_memory(&self) -> Watch {
        let (process, peak, ended) =
            (self.child.id(), Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (seen, end) = (peak.clone(), ended.clone());
        let watching = tokio::spawn(async move {
            while !end.load(Ordering::Relaxed) {
                seen.fetch_max(resident(process), Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
        Watch { peak, ended, watching }
    }

    pub(crate) async fn stats(&self) -> Value {
        let mut stream = TcpStream::connect(self.clear).await.unwrap();
        stream.write_all(b"GET /stats.json HTTP/1.0\r\n\r\n").await.unwrap();
        let mut reply = Vec::new();
        stream.read_to_end(&mut reply).await.unwrap();
        let at = reply.windows(4).position(|end| end == b"\r\n\r\n").unwrap() + 4;
        serde_json::from_slice(&reply[at..]).unwrap()
    }

    /// Ends it in order; what it logged.
    pub(crate) fn end(mut self) -> String {
        assert_eq!(self.child.try_wait().unwrap(), None, "it ended by itself");
        assert!(Command::new("kill").arg(self.child.id().to_string()).status().unwrap().success());
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.child.try_wait().unwrap().is_none() {
            assert!(Instant::now() < deadline, "it does not end");
            std::thread::sleep(Duration::from_millis(20));
        }
        let status = self.child.wait().unwrap();
        let log = self.log.take().unwrap().join().unwrap();
        assert_eq!(status.code(), Some(0), "{log}");
        log
    }
}

impl Drop for Tracker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) struct Watch {
    peak: Arc<AtomicU64>,
    ended: Arc<AtomicBool>,
    watching: JoinHandle<()>,
}

impl Watch {
    pub(crate) async fn peak(self) -> u64 {
        self.ended.store(true, Ordering::Relaxed);
        self.watching.await.unwrap();
        self.peak.load(Ordering::Relaxed)
    }
}

fn resident(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) / 1_024
}
