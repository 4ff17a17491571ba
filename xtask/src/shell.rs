//! Says what is done and why, does it, says how long it took.

use std::env;
use std::io::{IsTerminal, stderr};
use std::path::PathBuf;
use std::process::{Command, Stdio};
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
