//! `cargo xtask bench cluster`: several of our trackers as one, on this machine, through a Redis of their own.
//!
//! What measures is a program of `tests/load/`, which speaks the protocols; here it is built, started and told where its figures go.

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::Result;

use crate::apt;
use crate::command::build;
use crate::page::Flavour;
use crate::shell;
use crate::workspace::Workspace;

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// How many nodes share the announces
    #[arg(long, value_delimiter = ',', default_values = ["1", "2", "3"])]
    nodes: Vec<String>,
    /// Times that each is measured, in turn
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Seconds of each load
    #[arg(long, default_value_t = 6)]
    seconds: u32,
    /// Only these parts: udp, http, ws, latency, kill, redis, memory
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Take this executable of ours rather than build one
    #[arg(long)]
    tracker: Option<PathBuf>,
    /// Build in a fraction of the time, without optimisation: to try the command, its figures mean nothing
    #[arg(long)]
    dev: bool,
    /// Given to the program that measures: `cargo xtask bench cluster -- --peers 1000 --interval 30`
    #[arg(last = true)]
    arguments: Vec<String>,
}

impl Options {
    /// What the program that measures is told.
    fn arguments(&self) -> Vec<String> {
        let mut arguments = vec![
            "--nodes".to_owned(),
            self.nodes.join(","),
            "--rounds".to_owned(),
            self.rounds.to_string(),
            "--seconds".to_owned(),
            self.seconds.to_string(),
        ];
        if !self.only.is_empty() {
            arguments.extend(["--only".to_owned(), self.only.join(",")]);
        }
        arguments.extend(self.arguments.iter().cloned());
        arguments
    }
}

pub(super) fn run(workspace: &Workspace, options: &Options) -> Result<ExitCode> {
    if ["redis-server", "valkey-server"].into_iter().all(|program| shell::which(program).is_none()) {
        apt::install(&["redis-server"], "to measure trackers that work as one")?;
    }
    let flavour = if options.dev { Flavour::Dev } else { Flavour::Release };
    let tracker = match &options.tracker {
        Some(path) => path.clone(),
        None => build::tracker(workspace, flavour)?,
    };
    let figures = workspace.target.join("bench-cluster.json");
    let mut measure = Command::new(build::cluster(workspace, flavour)?);
    measure.arg("--tracker").arg(tracker).arg("--json").arg(&figures).args(options.arguments());
    let took = shell::run(
        &mut measure,
        "measuring (all of it takes a quarter of an hour; nothing else should run)",
    )?;
    let (took, figures) = (shell::seconds(took), workspace.display(&figures));
    shell::say(&format!("that took {took}; all figures are in {figures}"));
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    #[test]
    fn what_is_asked_for_is_passed_on() {
        let told = |line: &[&str]| Line::parse_from([&["x"], line].concat()).options.arguments().join(" ");
        assert_eq!(told(&[]), "--nodes 1,2,3 --rounds 3 --seconds 6");
        let line = ["--nodes", "2", "--only", "udp,kill", "--rounds", "1", "--", "--peers", "5"];
        assert_eq!(told(&line), "--nodes 2 --rounds 1 --seconds 6 --only udp,kill --peers 5");
    }
}
