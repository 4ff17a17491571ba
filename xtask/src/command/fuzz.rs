//! `cargo xtask fuzz`: the targets in `tests/fuzz/`, guided by coverage.
//!
//! With the compiler that builds everything else: what cargo-fuzz needs a nightly one for are sanitizers, and there is no
//! `unsafe` code for them to watch.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::shell;
use crate::workspace::Workspace;

/// Look for inputs that break a format or a frontend, guided by coverage; needs a C++ compiler for libFuzzer
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Targets, see tests/fuzz/fuzz_targets/ [default: all]
    targets: Vec<String>,

    /// How long each is run
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    seconds: u64,

    /// Longest input, in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 4_096)]
    max_length: usize,
}

/// What cargo-fuzz sets, without a sanitizer.
const FLAGS: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Cdebug-assertions -Ccodegen-units=1";

/// libFuzzer ends by itself; one input that never ends is a finding too.
const GRACE: Duration = Duration::from_secs(60);

impl Args {
    pub(crate) fn run(self, workspace: &Workspace) -> Result<ExitCode> {
        let fuzz = workspace.root.join("tests/fuzz");
        let known = targets(&fuzz)?;
        if let Some(unknown) = self.targets.iter().find(|target| !known.contains(target)) {
            bail!("there is no target `{unknown}`; there are {}", known.join(", "));
        }
        let chosen = if self.targets.is_empty() { known } else { self.targets.clone() };
        let programs = build(workspace, &fuzz, &chosen)?;
        let mut broken = Vec::new();
        for target in &chosen {
            if !self.fuzz(&fuzz, &programs.join(target), target)? {
                broken.push(target.as_str());
            }
        }
        if broken.is_empty() {
            shell::say(&format!("{} targets held for {} s each", chosen.len(), self.seconds));
            return Ok(ExitCode::SUCCESS);
        }
        eprintln!(
            "broken: {}. What broke them is in tests/fuzz/artifacts/; with the fix it goes into tests/fuzz/corpus/",
            broken.join(", ")
        );
        Ok(ExitCode::FAILURE)
    }

    /// Whether the target held.
    fn fuzz(&self, fuzz: &Path, program: &Path, target: &str) -> Result<bool> {
        let (found, artifacts) = (fuzz.join("found").join(target), fuzz.join("artifacts").join(target));
        for directory in [&found, &artifacts] {
            std::fs::create_dir_all(directory)
                .with_context(|| format!("cannot make {}", directory.display()))?;
        }
        shell::say(&format!("fuzzing {target} for {} s", self.seconds));
        let mut command = Command::new(program);
        command
            .arg(format!("-max_total_time={}", self.seconds))
            .arg(format!("-max_len={}", self.max_length))
            .arg(format!("-artifact_prefix={}/", artifacts.display()))
            .args(["-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1", "-verbosity=0"])
            // What it finds goes into the first; our own seeds are only read.
            .args([&found, &fuzz.join("corpus").join(target)]);
        shell::run_at_most(&mut command, Duration::from_secs(self.seconds) + GRACE)
    }
}

fn targets(fuzz: &Path) -> Result<Vec<String>> {
    let directory = fuzz.join("fuzz_targets");
    let entries =
        std::fs::read_dir(&directory).with_context(|| format!("cannot read {}", directory.display()))?;
    let names = entries.filter_map(|entry| Some(entry.ok()?.path().file_stem()?.to_str()?.to_owned()));
    let mut targets: Vec<_> = names.collect();
    targets.sort();
    Ok(targets)
}

/// Builds these, and says where they are.
fn build(workspace: &Workspace, fuzz: &Path, targets: &[String]) -> Result<PathBuf> {
    let host = host(workspace)?;
    let target = workspace.target.join("fuzz");
    let mut cargo = workspace.cargo();
    // With a target named, the flags are not for build scripts and macros.
    cargo.current_dir(fuzz).env("CARGO_TARGET_DIR", &target).env("RUSTFLAGS", FLAGS);
    cargo.args(["build", "--release", "--target", &host]);
    for name in targets {
        cargo.args(["--bin", name]);
    }
    shell::run(&mut cargo, "building the fuzz targets (minutes the first time)")?;
    Ok(target.join(host).join("release"))
}

fn host(workspace: &Workspace) -> Result<String> {
    let version = shell::output(Command::new("rustc").current_dir(&workspace.root).arg("-vV"));
    let version = version.context("rustc does not say what it builds for")?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc does not say what it builds for")?.to_owned())
}
