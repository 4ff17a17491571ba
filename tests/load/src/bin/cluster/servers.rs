//! Redis and trackers, each a process that ends with this one.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use tempfile::TempDir;

/// A clock tick of `/proc`, in seconds.
const TICK: f64 = 0.01;

/// How long anything here may take.
const WITHIN: Duration = Duration::from_secs(120);

/// Bounds that one address with everything would hit.
const UNBOUND: &str = include_str!("../../../unbound.options");

/// A Redis or Valkey of its own.
pub(crate) struct Redis {
    child: Option<Child>,
    program: &'static str,
    port: u16,
    directory: TempDir,
}

impl Redis {
    pub(crate) fn start() -> Result<Self> {
        let is_there = |program: &&str| {
            let mut version = Command::new(program);
            version.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
            version.status().is_ok_and(|status| status.success())
        };
        let program = ["redis-server", "valkey-server"].into_iter().find(is_there);
        let program = program.context("no redis-server and no valkey-server: apt install redis-server")?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut redis = Self { child: None, program, port, directory: tempfile::tempdir()? };
        redis.resume()?;
        Ok(redis)
    }

    /// Starts it again, as empty as a new one.
    pub(crate) fn resume(&mut self) -> Result<()> {
        let mut command = Command::new(self.program);
        command.args(["--port", &self.port.to_string(), "--bind", "127.0.0.1", "--save", "", "--dir"]);
        command.arg(self.directory.path()).stdout(Stdio::null()).stderr(Stdio::null());
        self.child = Some(command.spawn().context("redis-server does not start")?);
        let deadline = Instant::now() + WITHIN;
        while self.info().is_err() {
            ensure!(Instant::now() < deadline, "redis-server does not start");
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Ends it without a word.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            end(&mut child);
        }
    }

    /// Processor time so far, in seconds.
    pub(crate) fn cpu(&self) -> Result<f64> {
        cpu(self.child.as_ref().context("Redis does not run")?.id())
    }

    /// Bytes that it received and sent so far, with all that belongs to its own protocol.
    pub(crate) fn bytes(&self) -> Result<(f64, f64)> {
        let info = self.info()?;
        let number = |name: &str| -> Result<f64> {
            let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            Ok(line.with_context(|| format!("Redis tells no {name}"))?.trim().parse()?)
        };
        Ok((number("total_net_input_bytes")?, number("total_net_output_bytes")?))
    }

    fn info(&self) -> Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(WITHIN))?;
        stream.write_all(b"INFO stats\r\nQUIT\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(text)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A tracker that is a node.
pub(crate) struct Node {
    child: Child,
    pub(crate) name: String,
    pub(crate) http: SocketAddr,
    pub(crate) udp: SocketAddr,
    _data: TempDir,
}

impl Node {
    pub(crate) fn start(tracker: &Path, redis: &Redis, name: &str) -> Result<Self> {
        ensure!(tracker.is_file(), "{} does not exist: cargo build --release -p tracker", tracker.display());
        let data = tempfile::tempdir()?;
        let mut child = Command::new(tracker)
            .args(["--listen", "127.0.0.1:0", "--no-tls", "--listen-stun", "off", "--node-name", name])
            .args(["--cluster", &format!("redis://127.0.0.1:{}", redis.port), "--log", "error"])
            .args(UNBOUND.split_whitespace())
            .args(["--snapshot-interval", "0", "--data"])
            .arg(data.path())
            .env_remove("RUST_LOG")
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
        Ok(Self { child, name: name.to_owned(), http, udp, _data: data })
    }

    /// So many, each of which knows all others.
    pub(crate) fn several(tracker: &Path, redis: &Redis, count: usize) -> Result<Vec<Self>> {
        let name = |number: usize| format!("node{}", number + 1);
        let nodes: Vec<_> =
            (0..count).map(|number| Self::start(tracker, redis, &name(number))).collect::<Result<_>>()?;
        for node in &nodes {
            node.until(|node| node.others().is_ok_and(|others| others == count - 1))?;
        }
        Ok(nodes)
    }

    /// Ends it without a word (SIGKILL).
    pub(crate) fn kill(&mut self) {
        end(&mut self.child);
    }

    pub(crate) fn cpu(&self) -> Result<f64> {
        cpu(self.child.id())
    }

    /// Resident memory, in bytes.
    pub(crate) fn memory(&self) -> Result<f64> {
        Ok(load::memory::resident(self.child.id())? as f64)
    }

    /// The part of `/stats.json` about the cluster.
    pub(crate) fn cluster(&self) -> Result<Value> {
        Ok(self.stats()?["cluster"].clone())
    }

    /// `/stats.json`.
    pub(crate) fn stats(&self) -> Result<Value> {
        let mut stream = TcpStream::connect(self.http)?;
        stream.set_read_timeout(Some(WITHIN))?;
        stream.write_all(b"GET /stats.json HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        let body = text.split_once("\r\n\r\n").context("no body")?.1;
        let json = &body[body.find('{').context("no JSON")?..=body.rfind('}').context("no JSON")?];
        Ok(serde_json::from_str(json)?)
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
        let deadline = Instant::now() + WITHIN;
        while !holds(self) {
            ensure!(Instant::now() < deadline, "{} does not come to it: {}", self.name, self.cluster()?);
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

/// Processor time of a process so far, in seconds.
pub(crate) fn cpu(process: u32) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    let fields: Vec<_> = stat.rsplit_once(')').context("no name")?.1.split_whitespace().collect();
    let ticks = |at: usize| -> Result<f64> { Ok(fields.get(at).context("too few fields")?.parse()?) };
    Ok((ticks(11)? + ticks(12)?) * TICK)
}
