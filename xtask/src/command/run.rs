//! `cargo xtask run`: from a fresh clone to a tracker that serves the page, and says where.

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::{Context, Result};

use super::build;
use crate::page::{self, Flavour};
use crate::shell;
use crate::wasm_toolchain::Preference;
use crate::workspace::Workspace;

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
        shell::say(&format!("built in {took}; open the address below (Ctrl-C stops the tracker)"));
        // In place of this process, so that a signal to `cargo xtask run` is one to the tracker, which then drains.
        let error = Command::new(&executable).args(&self.tracker).exec();
        Err(error).with_context(|| format!("cannot start {}", executable.display()))
    }
}
