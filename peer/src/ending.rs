//! How the command ends: its exit codes, and the errors that stand for them.

use std::process::ExitCode;

use serde::Serialize;

/// What the exit code says. [`EXIT_CODES`] tells it to people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Ending {
    /// It did what it was asked.
    Done = 0,
    /// Something failed: a file, the network, the disk.
    Failed = 1,
    /// What was typed makes no sense (also clap's own code).
    Usage = 2,
    /// Nobody has it, or nothing is there.
    NotFound = 3,
    /// Bytes are not what they should be.
    Integrity = 4,
    /// Stopped by SIGINT or SIGTERM before the end: 128 + SIGINT, as shells have it.
    Interrupted = 130,
}

/// For the end of every `--help`.
pub(crate) const EXIT_CODES: &str = "Exit codes:\n  \
    0  done\n  \
    1  failed: a file, the disk, the network\n  \
    2  the command line makes no sense\n  \
    3  not found: no such thing, or nobody gave it within --timeout\n  \
    4  bytes are not what they should be\n  \
    130  interrupted";

/// An error that has an exit code of its own.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
struct Coded {
    ending: Ending,
    text: String,
    report: Option<serde_json::Value>,
}

/// What was typed makes no sense.
pub(crate) fn usage(text: impl Into<String>) -> anyhow::Error {
    coded(Ending::Usage, text)
}

/// Something failed, and a report of what was done is to follow it.
pub(crate) fn failed(text: impl Into<String>) -> anyhow::Error {
    coded(Ending::Failed, text)
}

/// There is no such thing, or nobody has it.
pub(crate) fn not_found(text: impl Into<String>) -> anyhow::Error {
    coded(Ending::NotFound, text)
}

/// Bytes are not what they should be.
pub(crate) fn integrity(text: impl Into<String>) -> anyhow::Error {
    coded(Ending::Integrity, text)
}

/// Somebody wanted it to end.
pub(crate) fn interrupted(text: impl Into<String>) -> anyhow::Error {
    coded(Ending::Interrupted, text)
}

fn coded(ending: Ending, text: impl Into<String>) -> anyhow::Error {
    Coded { ending, text: text.into(), report: None }.into()
}

/// What was done nevertheless, for `--json`.
pub(crate) fn with_report(mut error: anyhow::Error, report: &impl Serialize) -> anyhow::Error {
    let report = serde_json::to_value(report).ok();
    if let Some(coded) = error.downcast_mut::<Coded>() {
        coded.report = report;
        return error;
    }
    Coded { ending: Ending::Failed, text: format!("{error:#}"), report }.into()
}

/// See [`with_report`].
pub(crate) fn report(error: &anyhow::Error) -> Option<&serde_json::Value> {
    error.downcast_ref::<Coded>()?.report.as_ref()
}

impl Ending {
    /// What the result of a command stands for.
    pub(crate) fn of(result: &anyhow::Result<()>) -> Self {
        let Err(error) = result else { return Self::Done };
        error
            .chain()
            .find_map(|cause| cause.downcast_ref::<Coded>())
            .map_or(Self::Failed, |coded| coded.ending)
    }

    /// The number that the system gets.
    pub(crate) const fn code(self) -> u8 {
        self as u8
    }
}

impl From<Ending> for ExitCode {
    fn from(ending: Ending) -> Self {
        Self::from(ending.code())
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    #[test]
    fn the_code_is_found_under_what_was_said_of_it() {
        assert_eq!(Ending::of(&Ok(())).code(), 0);
        assert_eq!(Ending::of(&Err(anyhow::anyhow!("x"))), Ending::Failed);
        let deep = Err(not_found("nobody")).context("while looking").context("download");
        assert_eq!(Ending::of(&deep), Ending::NotFound);
        for ending in
            [Ending::Failed, Ending::Usage, Ending::NotFound, Ending::Integrity, Ending::Interrupted]
        {
            assert!(EXIT_CODES.contains(&format!("\n  {}  ", ending.code())), "{ending:?}");
        }
    }
}
