//! `cargo xtask build`: the page, and the tracker with the page inside.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;

use crate::page::{self, Flavour};
use crate::shell;
use crate::wasm_toolchain::Preference;
use crate::workspace::Workspace;

/// Build the page into dist/ and the tracker, with the page embedded, into target/release/
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
            shell::say(&format!("built {}", workspace.display(&tracker)));
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Compiles the tracker around `dist/` and returns its executable.
pub(crate) fn tracker(workspace: &Workspace, flavour: Flavour) -> Result<PathBuf> {
    let mut cargo = workspace.cargo();
    cargo.args(["build", "--package", "tracker", "--bin", "tracker"]);
    let directory = match flavour {
        Flavour::Release => {
            cargo.arg("--release");
            "release"
        }
        Flavour::Dev => "debug",
    };
    shell::run(
        &mut cargo,
        "tracker: cargo build (the first time 3 to 6 minutes on two cores, then seconds)",
    )?;
    Ok(workspace.target.join(directory).join(format!("tracker{}", std::env::consts::EXE_SUFFIX)))
}
