//! `cargo xtask build`: the page, the tracker with the page inside, and the peer for the command line.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;

use crate::page::{self, Flavour};
use crate::shell;
use crate::wasm_toolchain::Preference;
use crate::workspace::Workspace;

/// Build the page into dist/, and into target/release/ the tracker, with the page embedded, and the peer
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Build in a fraction of the time: little optimisation, nothing compressed, tracker in target/debug/
    #[arg(long)]
    dev: bool,
    /// Build the page only
    #[arg(long)]
    page_only: bool,
    #[command(flatten)]
    toolchain: Preference,
}

impl Args {
    pub(crate) fn run(self, workspace: &Workspace) -> Result<ExitCode> {
        let flavour = if self.dev { Flavour::Dev } else { Flavour::Release };
        page::build(workspace, flavour, &self.toolchain)?;
        if !self.page_only {
            let tracker = tracker(workspace, flavour)?;
            let peer = peer(workspace, flavour)?;
            shell::say(&format!("built {} and {}", workspace.display(&tracker), workspace.display(&peer)));
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Compiles the tracker around `dist/` and returns its executable.
pub(crate) fn tracker(workspace: &Workspace, flavour: Flavour) -> Result<PathBuf> {
    program(
        workspace,
        flavour,
        "tracker",
        "tracker",
        "the first time 3 to 6 minutes on two cores, then seconds",
    )
}

/// Compiles the peer for the command line and returns its executable.
pub(crate) fn peer(workspace: &Workspace, flavour: Flavour) -> Result<PathBuf> {
    program(workspace, flavour, "peer", "peer", "the first time 2 to 4 minutes on two cores, then seconds")
}

/// Compiles what measures several trackers as one, and returns its executable.
pub(crate) fn cluster(workspace: &Workspace, flavour: Flavour) -> Result<PathBuf> {
    program(workspace, flavour, "load", "cluster", "the first time 1 to 3 minutes on two cores, then seconds")
}

/// Compiles the load tester that reads all offers, and returns its executable.
pub(crate) fn exchange(workspace: &Workspace) -> Result<PathBuf> {
    program(
        workspace,
        Flavour::Release,
        "load",
        "exchange",
        "the first time 1 to 3 minutes on two cores, then seconds",
    )
}

fn program(
    workspace: &Workspace,
    flavour: Flavour,
    package: &str,
    name: &str,
    takes: &str,
) -> Result<PathBuf> {
    let mut cargo = workspace.cargo();
    cargo.args(["build", "--package", package, "--bin", name]);
    let directory = match flavour {
        Flavour::Release => {
            cargo.arg("--release");
            "release"
        }
        Flavour::Dev => "debug",
    };
    shell::run(&mut cargo, &format!("{name}: cargo build ({takes})"))?;
    Ok(workspace.target.join(directory).join(format!("{name}{}", std::env::consts::EXE_SUFFIX)))
}
