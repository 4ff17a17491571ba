//! `cargo xtask test`: everything that has to hold before a change is taken in.

use std::fmt;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;

use super::build;
use crate::apt;
use crate::page::{self, Flavour};
use crate::shell::{self, Tally};
use crate::tidy::{self, Tree};
use crate::tools::Tools;
use crate::wasm_toolchain::{Preference, TARGET, WasmToolchain};
use crate::workspace::Workspace;

/// Run everything that CI runs: format, lints, rules, tests, documentation, the build, and the browser tests
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only these areas; may be given several times
    #[arg(long, value_name = "AREA")]
    only: Vec<Area>,
    /// All but the browser tests
    #[arg(long)]
    no_browser: bool,
    #[command(flatten)]
    toolchain: Preference,
    /// Given to the browser tests: `cargo xtask test --only browser -- FILTER`
    #[arg(last = true)]
    browser: Vec<String>,
}

/// What can be run by itself, in the order in which all are run: what fails soonest comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Area {
    /// rustfmt
    Format,
    /// The rules of `cargo xtask tidy`
    Tidy,
    /// Licences, sources and duplicates of dependencies, if cargo-deny is installed
    Dependencies,
    /// Clippy on everything native
    Lint,
    /// Unit, property, protocol and simulator tests
    Test,
    /// Unit tests of the page that need no browser
    TestWeb,
    /// Documentation without warnings
    Documentation,
    /// Clippy on the page, as WebAssembly
    LintWeb,
    /// The page's storage in a worker of a real browser
    Storage,
    /// The page, the tracker and the peer in release
    Build,
    /// The page in real browsers, the peer beside those of others
    Browser,
}

impl fmt::Display for Area {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.to_possible_value();
        f.pad(value.as_ref().map_or("", |value| value.get_name()))
    }
}

/// How an area ended.
enum Outcome {
    Ran(Tally),
    Skipped(String),
}

impl Args {
    pub(crate) fn run(self, workspace: &Workspace) -> Result<ExitCode> {
        let started = Instant::now();
        let mut report = Report::default();
        for area in Area::value_variants() {
            if !self.only.is_empty() && !self.only.contains(area) {
                continue;
            }
            let step = Instant::now();
            shell::say(&format!("test: {area}"));
            let outcome = match area {
                Area::Browser | Area::Storage if self.no_browser => {
                    Ok(Outcome::Skipped("--no-browser".to_owned()))
                }
                Area::Browser if report.failed(Area::Build) => {
                    Ok(Outcome::Skipped("there is no tracker to test".to_owned()))
                }
                area => self.area(*area, workspace),
            };
            report.add(*area, outcome, step.elapsed());
        }
        report.print(started.elapsed());
        Ok(if report.total().failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn area(&self, area: Area, workspace: &Workspace) -> Result<Outcome> {
        match area {
            Area::Format => match has_component("rustfmt") {
                true => check(workspace.cargo().args(["fmt", "--all", "--check"])).map(Outcome::Ran),
                false => Ok(Outcome::Skipped("rustfmt is not installed".to_owned())),
            },
            Area::Tidy => rules(workspace),
            Area::Dependencies => match shell::which("cargo-deny") {
                Some(_) => dependencies(workspace).map(Outcome::Ran),
                None => Ok(Outcome::Skipped("cargo-deny is not installed".to_owned())),
            },
            Area::Lint => {
                // Not the page: as native code it is another program than the one that is shipped.
                self.clippy(&mut workspace.cargo(), &["--workspace", "--exclude", "web"])
            }
            Area::LintWeb => {
                let (mut cargo, which) = self.of_web(workspace)?;
                self.clippy(&mut cargo, &which)
            }
            Area::Test => {
                install_networking();
                install_redis();
                tests(workspace.cargo().args(["test", "--no-fail-fast"]))
            }
            Area::TestWeb => {
                tests(workspace.cargo().args(["test", "--no-fail-fast", "--package", "web", "--lib"]))
            }
            Area::Documentation => {
                let native = documentation(&mut workspace.cargo(), &["--workspace", "--exclude", "web"])?;
                let (mut cargo, which) = self.of_web(workspace)?;
                Ok(Outcome::Ran([native, documentation(&mut cargo, &which)?].into_iter().sum()))
            }
            Area::Storage => self.storage(workspace),
            Area::Build => {
                page::build(workspace, Flavour::Release, &self.toolchain)?;
                build::tracker(workspace, Flavour::Release)?;
                build::peer(workspace, Flavour::Release)?;
                Ok(Outcome::Ran(Tally { passed: 1, failed: 0 }))
            }
            Area::Browser => self.browser(workspace),
        }
    }

    /// A cargo that compiles `web` as what it is, WebAssembly, and what to tell it.
    fn of_web(&self, workspace: &Workspace) -> Result<(Command, Vec<&'static str>)> {
        let mut cargo = workspace.cargo();
        if WasmToolchain::find(&self.toolchain)?.is_that_of_the_workspace() {
            cargo.env("CARGO_TARGET_DIR", workspace.page_target());
            return Ok((cargo, vec!["--package", "web", "--target", TARGET]));
        }
        shell::say(
            "Debian's compiler has lints of its own version; web is looked at as if it were native code",
        );
        Ok((cargo, vec!["--package", "web"]))
    }

    fn clippy(&self, cargo: &mut Command, which: &[&str]) -> Result<Outcome> {
        if !has_component("clippy-driver") {
            return Ok(Outcome::Skipped("clippy is not installed".to_owned()));
        }
        check(cargo.arg("clippy").args(which).args(["--all-targets", "--", "-D", "warnings"]))
            .map(Outcome::Ran)
    }

    fn storage(&self, workspace: &Workspace) -> Result<Outcome> {
        let (mut cargo, which) = self.of_web(workspace)?;
        let runner = Tools::find(false)?.test_runner();
        let Some(runner) = runner.filter(|_| which.contains(&TARGET)) else {
            return Ok(Outcome::Skipped(
                "needs rustup's wasm32 target and wasm-bindgen-test-runner".to_owned(),
            ));
        };
        install_browsers()?;
        let driver = shell::which("chromedriver").context("no chromedriver in PATH")?;
        cargo
            .args(["test", "--no-fail-fast"])
            .args(which)
            .args(["--test", "storage_conformance"])
            .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER", runner)
            .env("CHROMEDRIVER", driver);
        tests(&mut cargo)
    }

    fn browser(&self, workspace: &Workspace) -> Result<Outcome> {
        install_browsers()?;
        install_peers()?;
        let tracker = build::tracker(workspace, Flavour::Release)?;
        let peer = build::peer(workspace, Flavour::Release)?;
        let mut cargo = workspace.cargo();
        cargo.args(["test", "--package", "e2e", "--no-fail-fast"]);
        cargo.env("PIECEMEAL_TRACKER", tracker).env("PIECEMEAL_PEER_EXECUTABLE", peer);
        if !self.browser.is_empty() {
            // The filters are for the target that has browsers; the others would not know what to do with them.
            cargo.args(["--test", "browser", "--"]).args(&self.browser);
        }
        tests(&mut cargo)
    }
}

fn documentation(cargo: &mut Command, which: &[&str]) -> Result<Tally> {
    cargo.args(["doc", "--no-deps"]).args(which).env("RUSTDOCFLAGS", "-D warnings");
    check(cargo)
}

/// A command that passes or fails as a whole.
fn check(command: &mut Command) -> Result<Tally> {
    let status = command.status().context("cannot start cargo")?;
    Ok(Tally { passed: u32::from(status.success()), failed: u32::from(!status.success()) })
}

/// What cargo-deny says of both workspaces; of that of the fuzz targets only where its dependencies were fetched.
fn dependencies(workspace: &Workspace) -> Result<Tally> {
    let deny = |options: &[&str]| {
        let mut cargo = workspace.cargo();
        cargo.arg("deny").args(options).args(["--offline", "check", "bans", "licenses", "sources"]);
        check(&mut cargo)
    };
    let fuzz = ["--manifest-path", "tests/fuzz/Cargo.toml"];
    let mut fetched = workspace.cargo();
    fetched.args(["metadata", "--offline", "--format-version", "1"]).args(fuzz);
    let mut tally = deny(&[])?;
    if shell::output(&mut fetched).is_some() {
        tally = [tally, deny(&fuzz)?].into_iter().sum();
    }
    Ok(tally)
}

/// A command that says how many tests passed and failed.
fn tests(command: &mut Command) -> Result<Outcome> {
    let (status, mut tally) = shell::run_tests(command)?;
    if !status.success() && tally.failed == 0 {
        // It did not get as far as a test: it does not compile, or was killed.
        tally.failed = 1;
    }
    if status.success() && tally.passed == 0 {
        bail!("no test ran");
    }
    Ok(Outcome::Ran(tally))
}

fn rules(workspace: &Workspace) -> Result<Outcome> {
    let findings = tidy::check(&Tree::read(&workspace.root)?);
    findings.print();
    let broken = !findings.violations.is_empty();
    Ok(Outcome::Ran(Tally { passed: u32::from(!broken), failed: u32::from(broken) }))
}

/// True if the program is in PATH and is more than a proxy of rustup's for something that is not installed.
fn has_component(program: &str) -> bool {
    shell::output(Command::new(program).arg("--version")).is_some()
}

fn install_browsers() -> Result<()> {
    let browser = ["chromium", "chromium-browser", "google-chrome"].into_iter().find_map(shell::which);
    let driver = shell::which("chromedriver").filter(|driver| Path::new(driver).exists());
    if browser.is_some() && driver.is_some() && shell::which("firefox-esr").is_some() {
        return Ok(());
    }
    let packages = ["chromium", "chromium-driver", "firefox-esr", "fonts-dejavu-core"];
    apt::install(&packages, "to test the page in real browsers")
}

/// What makes and shapes networks of our own, and the server beside ours.
fn install_networking() {
    let missing = ["ethtool", "ip", "tc", "nginx"].into_iter().any(|program| shell::which(program).is_none());
    if !missing {
        return;
    }
    let packages = ["ethtool", "iproute2", "nginx-light"];
    if let Err(error) = apt::install(&packages, "to compare protocols on links of our own") {
        // Those tests then say, each in a line, that they check nothing; everybody else's can run.
        shell::say(&format!("{error:#}; tests of `peer compare` that need it check nothing"));
    }
}

/// What trackers of a cluster talk through.
fn install_redis() {
    let missing =
        ["redis-server", "valkey-server"].into_iter().all(|program| shell::which(program).is_none());
    if missing && let Err(error) = apt::install(&["redis-server"], "to test trackers that work as one") {
        shell::say(&format!("{error:#}; tests of `tracker --cluster` check nothing"));
    }
}

/// BitTorrent programs of others, to meet ours.
fn install_peers() -> Result<()> {
    let missing = ["aria2c", "transmission-cli"].into_iter().any(|program| shell::which(program).is_none());
    let venv = shell::output(Command::new("python3").args(["-c", "import venv, ensurepip"])).is_some();
    if !missing && venv {
        return Ok(());
    }
    let packages = ["aria2", "transmission-cli", "python3-venv"];
    apt::install(&packages, "to meet other BitTorrent programs")
}

/// What ran, and how it went.
#[derive(Default)]
struct Report(Vec<(Area, Result<Outcome>, Duration)>);

impl Report {
    fn add(&mut self, area: Area, outcome: Result<Outcome>, took: Duration) {
        self.0.push((area, outcome, took));
    }

    fn failed(&self, wanted: Area) -> bool {
        self.0.iter().any(|(area, outcome, _)| *area == wanted && tally(outcome).failed > 0)
    }

    fn total(&self) -> Tally {
        self.0.iter().map(|(_, outcome, _)| tally(outcome)).sum()
    }

    fn print(&self, took: Duration) {
        println!();
        for (area, outcome, took) in &self.0 {
            let how = match outcome {
                Ok(Outcome::Ran(tally)) if tally.failed > 0 => format!("FAILED, {tally}"),
                Ok(Outcome::Ran(tally)) => format!("ok, {} passed", tally.passed),
                Ok(Outcome::Skipped(why)) => format!("skipped: {why}"),
                Err(error) => format!("FAILED: {error:#}"),
            };
            println!("{area:<14} {:>12}  {how}", shell::seconds(*took));
        }
        println!("\nall of it took {}", shell::seconds(took));
        println!("{}", self.total());
    }
}

fn tally(outcome: &Result<Outcome>) -> Tally {
    match outcome {
        Ok(Outcome::Ran(tally)) => *tally,
        Ok(Outcome::Skipped(_)) => Tally::default(),
        Err(_) => Tally { passed: 0, failed: 1 },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_not_run_counts_as_failed_and_what_was_skipped_does_not() {
        let mut report = Report::default();
        report.add(Area::Test, Ok(Outcome::Ran(Tally { passed: 7, failed: 2 })), Duration::ZERO);
        report.add(Area::Build, Err(anyhow::anyhow!("no trunk")), Duration::ZERO);
        report.add(Area::Browser, Ok(Outcome::Skipped("no tracker".to_owned())), Duration::ZERO);
        assert_eq!(report.total().to_string(), "7 passed, 3 failed");
        assert!(report.failed(Area::Build));
        assert!(!report.failed(Area::Browser));
    }

    #[test]
    fn a_command_that_fails_without_a_test_is_a_failure() {
        let outcome = tests(Command::new("false").arg("x")).expect("false can be started");
        assert!(matches!(outcome, Outcome::Ran(Tally { passed: 0, failed: 1 })));
        assert!(tests(&mut Command::new("true")).is_err(), "a test run without tests proves nothing");
    }
}
