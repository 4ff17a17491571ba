//! What a person, or a program, gets to read: results on standard output, everything else on standard error.

pub(crate) mod status;
pub(crate) mod units;

use std::io::{IsTerminal, Write as _};

use serde::Serialize;

use crate::cli::Common;
use crate::ending::{self, Ending};

/// Where results, notes and progress go, and in which form.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    form: Form,
    verbose: bool,
    /// Standard output and standard error.
    terminals: (bool, bool),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Text,
    Json,
    JsonLines,
}

/// The shape of every JSON object that ends a command.
#[derive(Serialize)]
struct Ended<'a, T> {
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<&'static str>,
    ok: bool,
    #[serde(flatten)]
    value: &'a T,
}

#[derive(Serialize)]
struct Failed<'a> {
    code: u8,
    error: String,
    #[serde(flatten)]
    report: Option<&'a serde_json::Value>,
}

/// For the `--help` of every verb.
pub(crate) const JSON_ENDED: &str = "With --json an object with `ok` ends it; where `ok` is false, with `code` (the exit \
    code) and `error`.";

impl Output {
    /// As the command line says, and what the standard streams are.
    pub(crate) fn new(common: &Common) -> Self {
        let form = match (common.json, common.json_lines) {
            (_, true) => Form::JsonLines,
            (true, false) => Form::Json,
            (false, false) => Form::Text,
        };
        let terminals = (std::io::stdout().is_terminal(), std::io::stderr().is_terminal());
        Self { form, verbose: common.verbose, terminals }
    }

    /// Whether results are text for people.
    pub(crate) fn is_text(&self) -> bool {
        self.form == Form::Text
    }

    /// Whether text is read on a terminal, as far as known.
    pub(crate) fn is_on_terminal(&self) -> bool {
        self.is_text() && self.terminals.0
    }

    /// Whether a bar can be drawn on standard error.
    pub(crate) const fn has_bar(&self) -> bool {
        self.terminals.1
    }

    /// Whether what happens is told in lines on standard error.
    pub(crate) const fn has_lines(&self) -> bool {
        self.verbose && !self.terminals.1
    }

    /// Whether what happens is told as JSON, a line each.
    pub(crate) fn has_events(&self) -> bool {
        self.form == Form::JsonLines
    }

    /// Part of the result, where it is text.
    pub(crate) fn text(&self, text: &str) {
        if self.is_text() {
            print(text);
        }
    }

    /// Something that happened meanwhile, where such is asked for. `event` is to have a field of that name.
    pub(crate) fn event(&self, event: &impl Serialize) {
        if self.has_events() {
            print_json(event);
        }
    }

    /// The result, where it is JSON.
    pub(crate) fn end(&self, value: &impl Serialize) {
        self.ended(true, value);
    }

    /// Something a person should know, whatever the form of the result.
    pub(crate) fn note(&self, text: &str) {
        // Whoever closed standard error does not want to know.
        let _ = writeln!(std::io::stderr(), "{text}");
    }

    /// The last word of a command that failed.
    pub(crate) fn failure(&self, ending: Ending, error: &anyhow::Error) {
        self.note(&format!("peer: {error:#}"));
        let report = ending::report(error);
        self.ended(false, &Failed { code: ending.code(), error: format!("{error:#}"), report });
    }

    fn ended(&self, ok: bool, value: &impl Serialize) {
        if !self.is_text() {
            print_json(&Ended { event: self.has_events().then_some("end"), ok, value });
        }
    }
}

/// `label` and what stands beside it, in columns.
pub(crate) fn line(label: &str, value: &str) -> String {
    format!("  {label:<15} {value}\n")
}

/// Whether colours are wanted on a stream: on a terminal that knows them, where `NO_COLOR` is not set.
pub(crate) fn colours(stream: &impl IsTerminal) -> bool {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    stream.is_terminal() && set("NO_COLOR").is_none() && set("TERM").is_none_or(|term| term != "dumb")
}

fn print_json(value: &impl Serialize) {
    match serde_json::to_string(value) {
        Ok(text) => print(&(text + "\n")),
        Err(error) => tracing::error!("a result cannot be written as JSON: {error}"),
    }
}

fn print(text: &str) {
    // Whoever closed standard output does not want to know.
    let mut stdout = std::io::stdout().lock();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}
