//! The command line. To add a command: a file here with `Args` and `run`, and a line in each of the two tables below.

mod bench;
mod build;
mod fuzz;
mod run;
mod test;
mod tidy;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::workspace::Workspace;

#[derive(Debug, Parser)]
#[command(name = "cargo xtask", about = "Build, run and test Piecemeal", disable_version_flag = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Bench(bench::Args),
    Build(build::Args),
    Fuzz(fuzz::Args),
    Run(run::Args),
    Test(test::Args),
    Tidy(tidy::Args),
}

impl Cli {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let workspace = Workspace::find()?;
        match self.command {
            Command::Bench(args) => args.run(&workspace),
            Command::Build(args) => args.run(&workspace),
            Command::Fuzz(args) => args.run(&workspace),
            Command::Run(args) => args.run(&workspace),
            Command::Test(args) => args.run(&workspace),
            Command::Tidy(args) => args.run(&workspace),
        }
    }
}
