//! Redis and trackers, each a process that ends with this one.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

/// A clock tick of `/proc`, in seconds.
const TICK: f64 = 0.01;

pub(crate) struct Redis {
    child: Child,
    port: u16,
}

impl Redis {
    pub(crate) fn start() -> Result<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut command = Command::new("redis-server");
        command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--dir", "/tmp"]);
        let child = command.stdout(Stdio::null()).spawn().context("redis-server is needed")?;
        let redis = Self { child, port };
        for _ in 0..200 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Ok(redis);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!("redis-server does not start")
    }

    /// Processor time so far, in seconds.
    pub(crate) fn cpu(&self) -> Result<f64> {
        cpu(&self.child)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

pub(crate) struct Node {
    child: Child,
    pub(crate) name: String,
    pub(crate) http: SocketAddr,
    pub(crate) udp: SocketAddr,
}

impl Node {
    pub(crate) fn start(tracker: &Path, redis: &Redis, name: &str) -> Result<Self> {
        let mut child = Command::new(tracker)
            .args(["--listen", "127.0.0.1:0", "--no-tls", "--listen-stun", "off", "--node-name", name])
            .args(["--requests-per-address", "0", "--members-per-address", "0", "--sockets-per-address", "0"])
            .args(["--messages-per-address", "0", "--cluster", &format!("redis://127.0.0.1:{}", redis.port)])
            .env("RUST_LOG", "error")
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the tracker")?;
        let mut lines = BufReader::new(child.stdout.take().context("no output")?).lines();
        let mut port = |word: &str| -> Result<SocketAddr> {
            for line in lines.by_ref() {
                let line = line?;
                if line.contains(word) {
                    let port = line.trim_end_matches("/announce").trim_end_matches('/').rsplit(':').next();
                    return Ok(SocketAddr::from(([127, 0, 0, 1], port.context("no port")?.parse()?)));
                }
            }
            bail!("the tracker does not say where it listens")
        };
        let (http, udp) = (port("page and tracker")?, port("udp://")?);
        Ok(Self { child, name: name.to_owned(), http, udp })
    }

    pub(crate) fn kill(&mut self) {
        end(&mut self.child);
    }

    pub(crate) fn cpu(&self) -> Result<f64> {
        cpu(&self.child)
    }

    /// Resident memory, in bytes.
    pub(crate) fn memory(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        let kilobytes: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
        Ok(kilobytes * 1_024)
    }

    /// The part of `/stats.json` about the cluster.
    pub(crate) fn cluster(&self) -> Result<Value> {
        let mut stream = TcpStream::connect(self.http)?;
        stream.write_all(b"GET /stats.json HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        let body = text.split_once("\r\n\r\n").context("no body")?.1;
        let json = &body[body.find('{').context("no JSON")?..=body.rfind('}').context("no JSON")?];
        Ok(serde_json::from_str::<Value>(json)?["cluster"].clone())
    }

    pub(crate) fn number(&self, name: &str) -> Result<f64> {
        self.cluster()?[name].as_f64().with_context(|| format!("no {name}"))
    }

    /// How many other nodes it knows all members of.
    pub(crate) fn others(&self) -> Result<usize> {
        let cluster = self.cluster()?;
        let others = cluster["others"].as_array().context("no others")?;
        Ok(others.iter().filter(|other| other["synced"] == true).count())
    }

    /// How many members of others it knows.
    pub(crate) fn other_members(&self) -> Result<u64> {
        let cluster = self.cluster()?;
        let others = cluster["others"].as_array().context("no others")?;
        Ok(others.iter().filter_map(|other| other["members"].as_u64()).sum())
    }

    pub(crate) fn until(&self, holds: impl Fn(&Self) -> bool) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !holds(self) {
            if Instant::now() > deadline {
                bail!("{} does not come to it: {}", self.name, self.cluster()?);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

fn cpu(child: &Child) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id()))?;
    let fields: Vec<_> = stat.rsplit_once(')').context("no name")?.1.split_whitespace().collect();
    let ticks = |at: usize| -> Result<f64> { Ok(fields.get(at).context("too few fields")?.parse()?) };
    Ok((ticks(11)? + ticks(12)?) * TICK)
}
