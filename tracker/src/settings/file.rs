//! The TOML file: one key for each option, named as it is typed.

use std::ffi::OsString;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use clap::error::{ContextKind, ContextValue};
use clap::{Arg, ArgAction, Command};
use serde::Deserialize as _;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::{Setting, check, expected, is_flag, is_key};

/// Longest file that is read: a hundred times that with every option and its documentation.
const BYTES_MAX: u64 = 1024 * 1024;

/// What is wrong with the file.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read.
    #[error("--config {path}: {error}. Name a file that exists and that this user may read", path = .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// Something in it cannot be used.
    #[error("{path}:{line}: {reason}", path = .path.display())]
    At {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What was expected and what was found, with the key.
        reason: String,
    },
}

/// Reads the options that a file sets.
pub(super) fn read(path: &Path, command: &Command, plain: &Command) -> Result<Vec<Setting>, FileError> {
    let text = read_text(path).map_err(|error| FileError::Read { path: path.to_owned(), error })?;
    settings(&text, command, plain).map_err(|Wrong { at, reason }| {
        let before = text.get(..at).unwrap_or(&text);
        let line = before.bytes().filter(|&byte| byte == b'\n').count() + 1;
        FileError::At { path: path.to_owned(), line, reason }
    })
}

fn read_text(path: &Path) -> io::Result<String> {
    use std::io::Read as _;
    let mut text = String::new();
    let read = std::fs::File::open(path)?.take(BYTES_MAX + 1).read_to_string(&mut text)?;
    if read as u64 > BYTES_MAX {
        return Err(io::Error::other(format!("longer than {BYTES_MAX} bytes")));
    }
    Ok(text)
}

/// What is wrong, and where it begins.
struct Wrong {
    at: usize,
    reason: String,
}

fn settings(text: &str, command: &Command, plain: &Command) -> Result<Vec<Setting>, Wrong> {
    let table = DeTable::parse(text).map_err(|error| Wrong {
        at: error.span().map_or(0, |span| span.start),
        reason: format!("not TOML: {}", error.message()),
    })?;
    let mut keys: Vec<_> = table.get_ref().iter().collect();
    // Errors are told in the order of the lines.
    keys.sort_by_key(|(key, _)| key.span().start);
    keys.into_iter()
        .map(|(key, value)| setting(text, (key.get_ref(), key.span()), value, (command, plain)))
        .collect()
}

fn setting(
    text: &str,
    (key, span): (&str, Range<usize>),
    value: &Spanned<DeValue<'_>>,
    (command, plain): (&Command, &Command),
) -> Result<Setting, Wrong> {
    let found = command.get_arguments().find(|arg| is_key(arg) && arg.get_long() == Some(key));
    let Some(arg) = found else {
        return Err(Wrong { at: span.start, reason: unknown(key, value.get_ref(), command) });
    };
    let wrong = |at: &Spanned<DeValue<'_>>, reason: String| Wrong {
        at: at.span().start,
        reason: format!("{key}: {reason}"),
    };
    if is_flag(arg) {
        return match value.get_ref() {
            DeValue::Boolean(on) => {
                let words = if *on { vec![OsString::from(format!("--{key}"))] } else { Vec::new() };
                Ok(Setting { option: arg.get_id().clone(), words })
            }
            other => Err(wrong(value, format!("expected true or false, found {}", kind(other)))),
        };
    }
    let items: &[Spanned<DeValue<'_>>] = match value.get_ref() {
        DeValue::Array(items) if takes_several(arg) => items,
        _ => std::slice::from_ref(value),
    };
    let mut words = Vec::new();
    for item in items {
        let typed = scalar(text, item).ok_or_else(|| wrong(item, mistyped(arg, item.get_ref())))?;
        let word = OsString::from(format!("--{key}={typed}"));
        check(plain, arg, &word).map_err(|reason| wrong(item, reason))?;
        words.push(word);
    }
    Ok(Setting { option: arg.get_id().clone(), words })
}

/// A value as it would be typed; a table as JSON.
fn scalar(text: &str, value: &Spanned<DeValue<'_>>) -> Option<String> {
    match value.get_ref() {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => {
            i128::from_str_radix(number.as_str(), number.radix()).ok().map(|number| number.to_string())
        }
        DeValue::Float(number) => Some(number.as_str().to_owned()),
        DeValue::Table(_) => {
            let source = ValueDeserializer::parse(text.get(value.span())?).ok()?;
            serde_json::Value::deserialize(source).ok().map(|value| value.to_string())
        }
        DeValue::Boolean(_) | DeValue::Array(_) | DeValue::Datetime(_) => None,
    }
}

fn takes_several(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::Append) || arg.get_value_delimiter().is_some()
}

fn mistyped(arg: &Arg, value: &DeValue<'_>) -> String {
    let several = if takes_several(arg) { ", or an array of such" } else { "" };
    format!("expected {} (a string or a number{several}), found {}", expected(arg), kind(value))
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}

fn unknown(key: &str, value: &DeValue<'_>, command: &Command) -> String {
    if matches!(value, DeValue::Table(_)) {
        return format!(
            "unknown section [{key}]: expected only keys, named as the options, without sections"
        );
    }
    let meant =
        suggestion(key, command).map(|meant| format!("; did you mean `{meant}`?")).unwrap_or_default();
    format!(
        "unknown key `{key}`: expected the name of an option without its dashes, see --print-config{meant}"
    )
}

/// The key that was perhaps meant, as clap would suggest it.
fn suggestion(key: &str, command: &Command) -> Option<String> {
    let is_known =
        |name: &str| command.get_arguments().any(|arg| is_key(arg) && arg.get_long() == Some(name));
    let dashed = key.trim_start_matches('-').replace('_', "-").to_ascii_lowercase();
    if is_known(&dashed) {
        return Some(dashed);
    }
    let typed = [command.get_name().to_owned(), format!("--{dashed}")];
    let error = command.clone().try_get_matches_from(typed).err()?;
    let suggested = match error.get(ContextKind::SuggestedArg)? {
        ContextValue::String(suggested) => suggested.split(' ').next()?.trim_start_matches('-').to_owned(),
        _ => return None,
    };
    is_known(&suggested).then_some(suggested)
}
