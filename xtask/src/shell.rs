//! Says what is done and why, does it, says how long it took.

use std::env;
use std::fmt;
use std::io::{BufRead, BufReader, IsTerminal, Write, stderr, stdout};
use std::iter::Sum;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// One line to the person at the terminal.
pub(crate) fn say(text: &str) {
    if stderr().is_terminal() {
        eprintln!("\x1b[1;36m==>\x1b[0m {text}");
    } else {
        eprintln!("==> {text}");
    }
}

/// Runs `command` with its output on the terminal. `what` says what it does and how long that usually takes.
pub(crate) fn run(command: &mut Command, what: &str) -> Result<Duration> {
    say(what);
    let started = Instant::now();
    let status = command.status().with_context(|| format!("cannot start {}", program(command)))?;
    if !status.success() {
        bail!("{} failed: {status}", line(command));
    }
    Ok(started.elapsed())
}

/// Standard output of `command`, or nothing if it cannot be started or fails.
pub(crate) fn output(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Runs `command` and ends it after `limit`. True if it ended by itself, well.
pub(crate) fn run_at_most(command: &mut Command, limit: Duration) -> Result<bool> {
    let mut child = command.spawn().with_context(|| format!("cannot start {}", program(command)))?;
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status.success());
        }
        if started.elapsed() > limit {
            child.kill()?;
            child.wait()?;
            return Ok(false);
        }
        thread::sleep(Duration::from_millis(50));
    }
}

/// Tests, or checks that count as one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u32,
    pub(crate) failed: u32,
}

impl Sum for Tally {
    fn sum<I: Iterator<Item = Self>>(tallies: I) -> Self {
        tallies.fold(Self::default(), |sum, tally| Self {
            passed: sum.passed + tally.passed,
            failed: sum.failed + tally.failed,
        })
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}

/// Runs tests with their output on the terminal, and adds up what the test executables say of themselves.
pub(crate) fn run_tests(command: &mut Command) -> Result<(ExitStatus, Tally)> {
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {}", program(command)))?;
    let output = child.stdout.take().context("its output is piped")?;
    let tally = relay(BufReader::new(output), &mut stdout())?;
    Ok((child.wait()?, tally))
}

/// Copies line by line, and adds up the figures on the way.
fn relay(mut from: impl BufRead, to: &mut impl Write) -> Result<Tally> {
    let mut tallies = Vec::new();
    // Bytes, not text: a test may print anything.
    let mut line = Vec::new();
    while from.read_until(b'\n', &mut line)? > 0 {
        to.write_all(&line)?;
        tallies.extend(tally(&String::from_utf8_lossy(&line)));
        line.clear();
    }
    Ok(tallies.into_iter().sum())
}

/// The figures of `test result: ok. 3 passed; 0 failed; ..` and of `3 passed, 0 failed, ..`.
fn tally(line: &str) -> Option<Tally> {
    let line = line.trim();
    let figures = match line.strip_prefix("test result: ") {
        Some(result) => result.split_once(". ")?.1,
        None => line,
    };
    let mut parts = figures.split([';', ',']);
    let mut figure = |name: &str| parts.next()?.trim().strip_suffix(name)?.trim().parse().ok();
    Some(Tally { passed: figure("passed")?, failed: figure("failed")? })
}

/// The first file of that name in PATH.
pub(crate) fn which(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .map(|directory| directory.join(format!("{name}{}", env::consts::EXE_SUFFIX)))
        .find(|candidate| candidate.is_file())
}

/// `4 s`, `0.3 s`, `2 min 5 s`.
pub(crate) fn seconds(duration: Duration) -> String {
    let whole = duration.as_secs();
    match whole {
        0..=9 => format!("{:.1} s", duration.as_secs_f64()),
        10..=119 => format!("{whole} s"),
        _ => format!("{} min {} s", whole / 60, whole % 60),
    }
}

fn program(command: &Command) -> String {
    command.get_program().to_string_lossy().into_owned()
}

fn line(command: &Command) -> String {
    let mut line = program(command);
    for argument in command.get_args() {
        line.push(' ');
        line.push_str(&argument.to_string_lossy());
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_both_kinds_of_test_are_read() {
        let read = |line| tally(line).map(|tally| (tally.passed, tally.failed));
        let libtest = "test result: FAILED. 29 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.15s";
        assert_eq!(read(libtest), Some((29, 1)));
        assert_eq!(read("12 passed, 3 failed, 1 skipped\n"), Some((12, 3)));
        assert_eq!(read("12 passed, 3 failed"), Some((12, 3)));
        for line in ["test a ... ok", "running 12 tests", "all passed, none failed", "", "3 passed"] {
            assert_eq!(read(line), None, "{line}");
        }
    }

    #[test]
    fn tests_are_added_up_and_shown() {
        let output = b"x\n2 passed, 1 failed\n\xff\ntest result: ok. 3 passed; 0 failed; 0 ignored";
        let mut shown = Vec::new();
        let tally = relay(&output[..], &mut shown).expect("memory can be read and written");
        assert_eq!(tally, Tally { passed: 5, failed: 1 });
        assert_eq!(shown, output);
    }

    #[test]
    fn a_slow_command_is_ended() {
        let within = |limit| {
            run_at_most(Command::new("sleep").arg("0.3"), Duration::from_millis(limit)).expect("sleep runs")
        };
        assert!(within(10_000));
        assert!(!within(20));
    }
}
