//! `--print-config`: a whole file, from clap's description of the command.

use std::fmt::Write as _;

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command};

use super::{is_flag, is_key};

/// Width of the comments.
const WIDTH: usize = 100;

/// Every option with its documentation. What is set somewhere is set in it; the rest shows its default behind a `#`.
pub(super) fn file(command: &Command, matches: &ArgMatches) -> String {
    let mut text = String::new();
    comment(
        &mut text,
        "Configuration of the Piecemeal tracker, for --config. Every option is here; one behind a # has its default. \
         Options on the command line come before variables of the environment, those before this file.",
    );
    let mut heading = None;
    for arg in command.get_arguments().filter(|arg| is_key(arg) && !arg.is_hide_set()) {
        let Some(key) = arg.get_long() else { continue };
        if arg.get_help_heading() != heading {
            heading = arg.get_help_heading();
            let _ = write!(text, "\n# ==== {} ====\n", heading.unwrap_or("Options"));
        }
        text.push('\n');
        let help =
            arg.get_long_help().or_else(|| arg.get_help()).map(ToString::to_string).unwrap_or_default();
        help.lines().for_each(|line| comment(&mut text, line));
        if let Some(name) = arg.get_env() {
            comment(&mut text, &format!("Variable: {}", name.to_string_lossy()));
        }
        let _ = writeln!(text, "{}", line(key, arg, matches));
    }
    text
}

/// The key and its value.
fn line(key: &str, arg: &Arg, matches: &ArgMatches) -> String {
    let id = arg.get_id().as_str();
    let is_set = matches!(matches.value_source(id), Some(source) if source != ValueSource::DefaultValue);
    if is_flag(arg) {
        let on = matches.get_flag(id);
        return if on { format!("{key} = true") } else { format!("#{key} = false") };
    }
    if is_set && arg.is_hide_env_values_set() {
        return format!("# It is set, and not shown because it is secret.\n#{key} = {}", placeholder(arg));
    }
    let values: Vec<String> = match matches.get_raw(id) {
        Some(raw) if is_set => raw.map(|value| quoted(&value.to_string_lossy())).collect(),
        _ => arg.get_default_values().iter().map(|value| quoted(&value.to_string_lossy())).collect(),
    };
    let value = match values.as_slice() {
        [] => placeholder(arg),
        [one] => one.clone(),
        several => format!("[{}]", several.join(", ")),
    };
    format!("{}{key} = {value}", if is_set { "" } else { "#" })
}

/// What stands for a value that there is not: what the help calls it.
fn placeholder(arg: &Arg) -> String {
    let names = arg.get_value_names().unwrap_or_default();
    quoted(names.first().map_or("", |name| name.as_str()))
}

/// Text as a TOML value; a number stays bare.
fn quoted(text: &str) -> String {
    match text.parse::<i64>() {
        Ok(number) if number.to_string() == text => text.to_owned(),
        _ => toml::Value::String(text.to_owned()).to_string(),
    }
}

/// Appends `text` as lines of a comment.
fn comment(text: &mut String, comment: &str) {
    let mut line = String::from("#");
    for word in comment.split_whitespace() {
        if line.len() + 1 + word.len() > WIDTH && line.len() > 1 {
            let _ = writeln!(text, "{line}");
            line.truncate(1);
        }
        line.push(' ');
        line.push_str(word);
    }
    let _ = writeln!(text, "{line}");
}
