//! `cargo xtask bench`: measurements that end in a report.

mod anchors;
mod cluster;
mod pinned;
mod tester;
mod tracker;

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::Result;
use clap::Subcommand;

use super::build;
use crate::page::Flavour;
use crate::shell;
use crate::workspace::Workspace;

/// Measure, and write a report into target/
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    bench: Bench,
}

#[derive(Debug, Subcommand)]
enum Bench {
    /// Several trackers as one: what announces cost 1, 2 and 3 nodes and Redis, how long offers take, what is lost by a kill
    Cluster(cluster::Options),
    /// Compare HTTP/1.1, HTTP/2 and BitTorrent: `peer compare` with what was built for speed
    Compare {
        /// Given to `peer compare` in place of its defaults: `cargo xtask bench compare -- --sizes 1M --receivers 1,4`
        #[arg(last = true)]
        arguments: Vec<String>,
    },
    /// Compare the tracker with others under the same load: one core for the server, one for the load tester
    Tracker(tracker::Options),
}

impl Args {
    pub(crate) fn run(self, workspace: &Workspace) -> Result<ExitCode> {
        let arguments = match self.bench {
            Bench::Compare { arguments } => arguments,
            Bench::Cluster(options) => return cluster::run(workspace, &options),
            Bench::Tracker(options) => return tracker::run(workspace, &options),
        };
        build::tracker(workspace, Flavour::Release)?;
        let peer = build::peer(workspace, Flavour::Release)?;
        let report = |name: &str| workspace.target.join(name);
        let files: [(&str, PathBuf); 3] = [
            ("--html", report("compare.html")),
            ("--json-file", report("compare.json")),
            ("--csv", report("compare.csv")),
        ];
        let mut compare = Command::new(peer);
        compare.arg("compare");
        for (flag, path) in &files {
            compare.arg(flag).arg(path);
        }
        if arguments.is_empty() {
            compare.args(["--receivers", "1,2,4,8,16"]);
        }
        shell::run(compare.args(&arguments), "comparing (many receivers take a quarter of an hour)")?;
        shell::say(&format!("the report is {}", report("compare.html").display()));
        Ok(ExitCode::SUCCESS)
    }
}
