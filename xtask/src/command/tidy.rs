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
        let tree = Tree::read(&workspace.root)?;
        let findings = tidy::check(&tree);
        for remark in &findings.remarks {
            eprintln!("remark: {remark}");
        }
        for violation in &findings.violations {
            eprintln!("error: {violation}");
        }
        if findings.violations.is_empty() {
            println!("tidy");
            return Ok(ExitCode::SUCCESS);
        }
        println!("{} violations", findings.violations.len());
        Ok(ExitCode::FAILURE)
    }
}
