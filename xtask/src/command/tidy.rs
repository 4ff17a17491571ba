//! `cargo xtask tidy`: the rules of layout and purity.

use std::process::ExitCode;

use anyhow::Result;

use crate::tidy::{self, Tree};
use crate::workspace::Workspace;

/// Check the rules of layout and purity: who may use whom, what the engine may touch, sizes, names, documents
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

impl Args {
    pub(crate) fn run(self, workspace: &Workspace) -> Result<ExitCode> {
        let findings = tidy::check(&Tree::read(&workspace.root)?);
        findings.print();
        Ok(if findings.violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
