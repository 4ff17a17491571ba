//! A real Redis on a port of its own.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tracker::cluster::options::ClusterConfig;

pub(crate) struct Redis {
    program: &'static str,
    port: u16,
    directory: TempDir,
    child: Option<Child>,
}

impl Redis {
    /// `None`, and a word about it, where there is none: Debian's package is redis-server.
    pub(crate) fn start() -> Option<Self> {
        let exists = |program: &&str| {
            let version =
                Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
            version.is_ok_and(|status| status.success())
        };
        let Some(program) = ["redis-server", "valkey-server"].into_iter().find(exists) else {
            let _ = std::io::stderr().write_all(b"this test checks nothing: there is no redis-server\n");
            return None;
        };
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut redis = Self { program, port, directory: tempfile::tempdir().unwrap(), child: None };
        redis.resume();
        Some(redis)
    }

    /// Starts it again, as empty as a new one.
    pub(crate) fn resume(&mut self) {
        let port = self.port.to_string();
        let mut command = Command::new(self.program);
        command.args(["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir"]);
        command.arg(self.directory.path()).stdout(Stdio::null()).stderr(Stdio::null());
        self.child = Some(command.spawn().unwrap());
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.ask("PING\r\n").is_none_or(|reply| !reply.starts_with("+PONG")) {
            assert!(Instant::now() < deadline, "redis-server does not start");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Ends it without a word.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Sends it what is written in its own protocol or as a line, and reads once.
    pub(crate) fn ask(&self, text: &str) -> Option<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
        stream.write_all(text.as_bytes()).ok()?;
        let mut reply = [0; 256];
        let length = stream.read(&mut reply).ok()?;
        Some(String::from_utf8_lossy(&reply[..length]).into_owned())
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub(crate) fn config(&self, node: &str) -> ClusterConfig {
        ClusterConfig { url: self.url(), name: "test".to_owned(), node: node.to_owned() }
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}
