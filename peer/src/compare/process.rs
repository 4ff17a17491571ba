//! The processes beside this one: the tracker's executable, and one for each lane.

use std::fs::File;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::{Instant, sleep, timeout};

use super::model::Lane;
use super::place::{Place, Processor, processor_seconds};

/// Ports of the tracker in its own namespace, where nobody else has any.
const PORTS: [u16; 2] = [8080, 8443];

/// The tracker listens after this long, or does not at all.
pub(super) const STARTING: Duration = Duration::from_secs(20);

/// It is asked so often whether it listens.
pub(super) const POLL: Duration = Duration::from_millis(20);

/// What went wrong with a process.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// The tracker's executable is not there.
    #[error("no tracker at {0}: build it (cargo build -p tracker), or name it with --tracker-binary")]
    NoTracker(PathBuf),
    /// It cannot be started.
    #[error("cannot start {program}: {error}")]
    Start {
        /// What was to be started.
        program: String,
        /// What the system said.
        error: io::Error,
    },
    /// It ended when it should not have.
    #[error("{program} ended: {said}")]
    Ended {
        /// Which.
        program: String,
        /// Its last words, one line.
        said: String,
    },
    /// It does not answer.
    #[error("{program} has not answered for {} s", .after.as_secs())]
    Silent {
        /// Which.
        program: String,
        /// How long it was waited for.
        after: Duration,
    },
    /// It answers what cannot be understood.
    #[error("expected one JSON object a line from {program}, got {line:?}")]
    Answer {
        /// Which.
        program: String,
        /// What came.
        line: String,
    },
}

/// A running tracker; it ends with this value.
#[derive(Debug)]
pub(super) struct Tracker {
    process: Child,
    pid: u32,
    /// Its clear port.
    pub(super) clear: SocketAddr,
    /// Its TLS port.
    pub(super) tls: SocketAddr,
    /// The certificate that it made for itself.
    pub(super) certificate: PathBuf,
}

impl Tracker {
    /// Starts `executable` so that it serves `files`, and waits until it listens. `data` is a directory of its own.
    ///
    /// # Errors
    ///
    /// [`ProcessError`], with the tracker's own words if it had any.
    pub(super) async fn start(
        executable: &Path,
        place: &Place<'_>,
        files: &Path,
        data: &Path,
    ) -> Result<Self, ProcessError> {
        if !executable.is_file() {
            return Err(ProcessError::NoTracker(executable.to_owned()));
        }
        let failed = |error| ProcessError::Start { program: executable.display().to_string(), error };
        let address = place.address();
        let [clear, tls] = match place.node {
            Some(_) => PORTS,
            None => free_ports(address).map_err(failed)?,
        }
        .map(|port| SocketAddr::new(address, port));
        let errors = data.with_extension("log");
        let executable = executable.canonicalize().map_err(failed)?;
        let mut command = Command::from(place.command(executable.as_os_str()));
        command
            .args(["--listen", &clear.to_string(), "--listen-tls", &tls.to_string(), "--log", "warn"])
            .args([Path::new("--files"), files, Path::new("--data"), data])
            .env_remove("PIECEMEAL_LISTEN")
            .env_remove("PIECEMEAL_LISTEN_TLS")
            .env_remove("PIECEMEAL_DATA");
        let process = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&errors).map_err(failed)?)
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        let pid = process.id().unwrap_or_default();
        let mut tracker = Self { process, pid, clear, tls, certificate: data.join("certificate.pem") };
        let end = Instant::now() + STARTING;
        // Until it is the tracker, the process may still be in this namespace, where somebody else may listen.
        let is_there =
            || std::fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|running| running == executable);
        // It opens its ports first, and then makes its certificate; the record of it comes last.
        let is_certified = || data.join("certificate.json").is_file();
        while !(is_there() && listens(pid, clear.port()) && listens(pid, tls.port()) && is_certified()) {
            if matches!(tracker.process.try_wait(), Ok(Some(_))) {
                let said = last_words(&errors);
                return Err(ProcessError::Ended { program: "the tracker".to_owned(), said });
            }
            if Instant::now() > end {
                return Err(ProcessError::Silent { program: "the tracker".to_owned(), after: STARTING });
            }
            sleep(POLL).await;
        }
        Ok(tracker)
    }

    /// Processor time so far.
    ///
    /// # Errors
    ///
    /// It has ended.
    pub(super) fn processor(&self) -> io::Result<Processor> {
        processor_seconds(self.pid)
    }
}

/// A lane's process; it ends with this value.
#[derive(Debug)]
pub(super) struct LaneProcess {
    name: String,
    /// Ends with this value.
    _process: Child,
    pid: u32,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    errors: PathBuf,
}

impl LaneProcess {
    /// Starts `executable lane LANE ARGUMENTS…`; what it says beside its answers goes into `errors`.
    ///
    /// # Errors
    ///
    /// [`ProcessError::Start`].
    pub(super) fn start(
        executable: &Path,
        place: &Place<'_>,
        lane: Lane,
        arguments: &[String],
        errors: PathBuf,
    ) -> Result<Self, ProcessError> {
        let sharing = arguments.iter().any(|argument| argument == "--share");
        let name = if sharing { format!("the seed of {lane}") } else { format!("the lane {lane}") };
        let failed = |error| ProcessError::Start { program: name.clone(), error };
        let mut process = Command::from(place.command(executable.as_os_str()))
            .args(["lane", lane.name()])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(&errors).map_err(failed)?)
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        let pipe = || failed(io::Error::from(io::ErrorKind::BrokenPipe));
        let input = process.stdin.take().ok_or_else(pipe)?;
        let output = process.stdout.take().ok_or_else(pipe)?;
        let output = BufReader::new(output).lines();
        let pid = process.id().unwrap_or_default();
        Ok(Self { name: name.clone(), _process: process, pid, input, output, errors })
    }

    /// Tells it something, and hears what it answers.
    ///
    /// # Errors
    ///
    /// The process ended, says nothing for `patience`, or says nonsense. A transfer that went wrong is in the answer.
    pub(super) async fn ask<Q: Serialize, A: DeserializeOwned>(
        &mut self,
        request: &Q,
        patience: Duration,
    ) -> Result<A, ProcessError> {
        let mut line = serde_json::to_string(request)
            .map_err(|error| ProcessError::Answer { program: self.name.clone(), line: error.to_string() })?;
        line.push('\n');
        if self.input.write_all(line.as_bytes()).await.is_err() {
            return Err(self.ended());
        }
        match timeout(patience, self.output.next_line()).await {
            Err(_) => Err(ProcessError::Silent { program: self.name.clone(), after: patience }),
            Ok(Ok(Some(line))) => serde_json::from_str(&line)
                .map_err(|_| ProcessError::Answer { program: self.name.clone(), line }),
            Ok(_) => Err(self.ended()),
        }
    }

    /// Processor time so far.
    ///
    /// # Errors
    ///
    /// It has ended.
    pub(super) fn processor(&self) -> io::Result<Processor> {
        processor_seconds(self.pid)
    }

    fn ended(&self) -> ProcessError {
        let said = last_words(&self.errors);
        ProcessError::Ended { program: self.name.clone(), said }
    }
}

/// The last line of what a process that ended wrote to standard error.
pub(super) fn last_words(errors: &Path) -> String {
    let text = std::fs::read(errors).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let last = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
    last.trim().trim_start_matches("error: ").chars().take(300).collect()
}

/// Whether somebody listens on a TCP port in the namespace that process `pid` is in.
pub(super) fn listens(pid: u32, port: u16) -> bool {
    ["tcp", "tcp6"].into_iter().any(|table| {
        std::fs::read_to_string(format!("/proc/{pid}/net/{table}"))
            .is_ok_and(|text| is_listening(&text, port))
    })
}

fn is_listening(table: &str, port: u16) -> bool {
    let port = format!(":{port:04X}");
    table.lines().skip(1).any(|line| {
        let mut fields = line.split_whitespace().skip(1);
        let (local, state) = (fields.next(), fields.nth(1));
        local.is_some_and(|local| local.ends_with(&port)) && state == Some("0A")
    })
}

/// Ports that nobody listens on at this moment.
pub(super) fn free_ports<const N: usize>(address: IpAddr) -> io::Result<[u16; N]> {
    let mut listeners = Vec::new();
    let mut ports = [0; N];
    for port in &mut ports {
        let listener = TcpListener::bind((address, 0))?;
        *port = listener.local_addr()?.port();
        // Kept until all are found, so that none is found twice.
        listeners.push(listener);
    }
    Ok(ports)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_are_found_in_the_kernels_table() {
        let table = "  sl  local_address rem_address   st tx_queue
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000
   1: 0100007F:20FB 0100007F:1F90 01 00000000:00000000
";
        assert!(is_listening(table, 8080));
        assert!(!is_listening(table, 8443), "connected, not listening");
        assert!(!is_listening("", 8080));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        assert!(listens(std::process::id(), listener.local_addr().unwrap().port()));
    }

    #[test]
    fn a_process_that_ends_is_quoted() {
        let directory = tempfile::tempdir().unwrap();
        let errors = directory.path().join("log");
        assert_eq!(last_words(&errors), "it said nothing");
        std::fs::write(&errors, "one\nerror: two\n\n").unwrap();
        assert_eq!(last_words(&errors), "two");
    }

    #[tokio::test]
    async fn a_missing_tracker_is_named() {
        let place = Place { node: None, core: None };
        let missing = Path::new("/nowhere/tracker");
        let error = Tracker::start(missing, &place, missing, missing).await.unwrap_err();
        assert!(error.to_string().contains("--tracker-binary"), "{error}");
    }
}
