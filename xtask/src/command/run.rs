//! `cargo xtask run`: from a fresh clone to a tracker that serves the page.

use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::{Context, Result};

use super::build;
use crate::page::{self, Flavour};
use crate::shell;
use crate::wasm_toolchain::Preference;
use crate::workspace::Workspace;

/// The tracker's own default for `--listen`.
const DEFAULT_LISTEN: &str = "127.0.0.1:8080";

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

        let took = shell::seconds(started.elapsed());
        match listen_address(&self.tracker) {
            Some(address) => shell::say(&format!(
                "built in {took}; open http://localhost:{}/ (Ctrl-C stops the tracker)",
                address.port()
            )),
            None => shell::say(&format!("built in {took}; the tracker says below where it listens")),
        }
        // In place of this process, so that a signal to `cargo xtask run` is one to the tracker, which then drains.
        let error = Command::new(&executable).args(&self.tracker).exec();
        Err(error).with_context(|| format!("cannot start {}", executable.display()))
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
