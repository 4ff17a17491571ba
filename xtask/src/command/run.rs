//! `cargo xtask run`: from a fresh clone to a tracker that serves the page.

use std::net::{SocketAddr, TcpStream};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::build;
use crate::page::{self, Flavour};
use crate::shell;
use crate::wasm_toolchain::Preference;
use crate::workspace::Workspace;

/// The tracker's own default for `--listen`.
const DEFAULT_LISTEN: &str = "127.0.0.1:8080";
const STARTS_WITHIN: Duration = Duration::from_secs(30);

/// Build what changed, then start the tracker and say which address to open
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Build quickly instead of well, see `build --dev`
    #[arg(long)]
    dev: bool,
    #[command(flatten)]
    toolchain: Preference,
    /// Given to the tracker: `cargo xtask run -- --files DIR --lan`
    #[arg(last = true)]
    tracker: Vec<String>,
}

impl Args {
    pub(crate) fn run(self, workspace: &Workspace) -> Result<ExitCode> {
        let started = Instant::now();
        let flavour = if self.dev { Flavour::Dev } else { Flavour::Release };
        page::build(workspace, flavour, &self.toolchain)?;
        let executable = build::tracker(workspace, flavour)?;

        let mut tracker = Command::new(&executable)
            .args(&self.tracker)
            .spawn()
            .with_context(|| format!("cannot start {}", executable.display()))?;
        let listen = listen_address(&self.tracker);
        if let Some(address) = listen {
            while started_listening(address).is_none() && tracker.try_wait()?.is_none() {
                if started.elapsed() > STARTS_WITHIN {
                    break;
                }
                std::thread::sleep(Duration::from_millis(50));
            }
            if tracker.try_wait()?.is_none() {
                shell::say(&format!(
                    "ready after {}: open http://localhost:{}/ (Ctrl-C stops it)",
                    shell::seconds(started.elapsed()),
                    address.port()
                ));
            }
        }
        let status = tracker.wait().context("the tracker cannot be waited for")?;
        Ok(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)))
    }
}

/// Where the tracker listens, as far as its arguments say so in the usual way.
fn listen_address(arguments: &[String]) -> Option<SocketAddr> {
    let mut given = DEFAULT_LISTEN;
    for (index, argument) in arguments.iter().enumerate() {
        if let Some(value) = argument.strip_prefix("--listen=") {
            given = value;
        } else if argument == "--listen" {
            given = arguments.get(index + 1)?;
        }
    }
    given.parse().ok()
}

/// Something accepts connections there.
fn started_listening(address: SocketAddr) -> Option<TcpStream> {
    let mut address = address;
    if address.ip().is_unspecified() {
        address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    }
    TcpStream::connect_timeout(&address, Duration::from_millis(200)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listen(arguments: &[&str]) -> Option<String> {
        let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        listen_address(&arguments).map(|address| address.to_string())
    }

    #[test]
    fn address_of_the_tracker() {
        assert_eq!(listen(&[]).as_deref(), Some(DEFAULT_LISTEN));
        assert_eq!(listen(&["--files", "x", "--listen", "0.0.0.0:9000"]).as_deref(), Some("0.0.0.0:9000"));
        assert_eq!(listen(&["--listen=[::1]:80"]).as_deref(), Some("[::1]:80"));
        assert_eq!(listen(&["--listen"]), None);
        assert_eq!(listen(&["--listen", "nonsense"]), None);
    }
}
