//! Where options come from: the command line, then the environment, then a TOML file, then their defaults.
//!
//! Knows no option by name. Everything is taken from clap's description of the command: a long option `--max-connections`
//! is the key `max-connections` of the file, and its variable is what clap was told. So an option that is added needs
//! nothing here.

mod file;
mod print;

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use clap::builder::Resettable;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, CommandFactory as _, FromArgMatches as _, Id};

pub use self::file::FileError;
use crate::cli::Args;

/// The option that names the file; it cannot stand in the file.
const CONFIG: &str = "config";

/// The option that prints a file; it cannot stand in the file either.
const PRINT: &str = "print-config";

/// The variable of `--log`.
const LOG_VARIABLE: &str = "PIECEMEAL_LOG";

/// What the tracker was started for.
#[derive(Debug)]
pub enum Asked {
    /// To run.
    Run(Box<Args>),
    /// To print this.
    Print(String),
}

/// Why the options cannot be used. The text names the place and says what was expected.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The command line; also `--help` and `--version`.
    #[error(transparent)]
    CommandLine(clap::Error),
    /// The file.
    #[error(transparent)]
    File(#[from] FileError),
    /// A variable of the environment.
    #[error("environment variable {variable}: {reason}")]
    Variable {
        /// Its name.
        variable: String,
        /// What is wrong with its value.
        reason: String,
    },
    /// Options of several places do not go together.
    #[error("{reason}\n(some of these options are set in {places})")]
    Together {
        /// What clap says.
        reason: String,
        /// Where they come from.
        places: String,
    },
}

/// One option that is set outside of the command line.
#[derive(Debug)]
struct Setting {
    option: Id,
    /// As they would be typed; none for a flag that is off.
    words: Vec<OsString>,
}

/// Reads the options of this process.
///
/// # Errors
///
/// [`SettingsError`].
pub fn read() -> Result<Asked, SettingsError> {
    // RUST_LOG is what Rust programs look at; ours comes first.
    let own = |name: &OsStr| std::env::var_os(name).filter(|value| !value.is_empty());
    let variable = |name: &OsStr| match name == LOG_VARIABLE {
        true => own(name).or_else(|| own(OsStr::new("RUST_LOG"))),
        false => own(name),
    };
    let command = Args::command();
    let matches = resolve(&command, std::env::args_os().collect(), &variable)?;
    if matches.get_flag("print_config") {
        return Ok(Asked::Print(print::file(&command, &matches)));
    }
    let args = Args::from_arg_matches(&matches);
    Ok(Asked::Run(Box::new(
        args.map_err(|error| SettingsError::CommandLine(error.format(&mut command.clone())))?,
    )))
}

/// The options in force. What a higher place says hides what a lower one says of the same option, and of those that cannot
/// stand beside it.
fn resolve(
    command: &Command,
    typed: Vec<OsString>,
    variable: &dyn Fn(&OsStr) -> Option<OsString>,
) -> Result<ArgMatches, SettingsError> {
    let plain = command.clone().mut_args(|arg| arg.env(Resettable::Reset));
    let shown = of_command_line(command, &plain, &typed)?;
    let is_typed = |arg: &&Arg| shown.value_source(arg.get_id().as_str()) == Some(ValueSource::CommandLine);
    let mut given: HashSet<Id> =
        command.get_arguments().filter(is_typed).map(|arg| arg.get_id().clone()).collect();
    let mut present = given.clone();
    let from_environment = environment(command, &plain, variable)?;
    let path = shown.get_one::<PathBuf>(CONFIG).cloned().or_else(|| {
        let named = from_environment.iter().find(|setting| setting.option == CONFIG)?;
        named
            .words
            .first()
            .and_then(|word| word.to_str())
            .and_then(|word| word.split_once('='))
            .map(|(_, path)| path.into())
    });
    let from_file =
        path.as_deref().map(|path| file::read(path, command, &plain)).transpose()?.unwrap_or_default();
    let mut words = Vec::new();
    let mut places = Vec::new();
    for (place, settings) in
        [("the environment".to_owned(), from_environment), (in_file(path.as_deref()), from_file)]
    {
        let kept: Vec<_> =
            settings.into_iter().filter(|setting| !is_hidden(command, setting, &given, &present)).collect();
        if kept.iter().any(|setting| !setting.words.is_empty()) {
            places.push(place);
        }
        for Setting { option, words: of_option } in kept {
            if !of_option.is_empty() {
                present.insert(option.clone());
            }
            given.insert(option);
            words.extend(of_option);
        }
    }
    let mut all = typed;
    let program = all.len().min(1);
    all.splice(program..program, words);
    plain.try_get_matches_from(all).map_err(|error| match places.is_empty() {
        true => SettingsError::CommandLine(error),
        false => SettingsError::Together {
            reason: error.to_string().trim_end().to_owned(),
            places: places.join(" and "),
        },
    })
}

fn in_file(path: Option<&Path>) -> String {
    path.map(|path| path.display().to_string()).unwrap_or_default()
}

/// What was typed, and whether it can be understood. What it lacks may come from elsewhere.
fn of_command_line(
    command: &Command,
    plain: &Command,
    typed: &[OsString],
) -> Result<ArgMatches, SettingsError> {
    plain.clone().try_get_matches_from(typed).or_else(|error| match error.kind() {
        ErrorKind::MissingRequiredArgument => {
            plain.clone().ignore_errors(true).try_get_matches_from(typed).map_err(SettingsError::CommandLine)
        }
        // The help names the variables.
        ErrorKind::DisplayHelp => Err(SettingsError::CommandLine(
            command.clone().try_get_matches_from(typed).err().unwrap_or(error),
        )),
        _ => Err(SettingsError::CommandLine(error)),
    })
}

/// Whether a higher place has said something about this option or against it.
fn is_hidden(command: &Command, setting: &Setting, given: &HashSet<Id>, present: &HashSet<Id>) -> bool {
    let named = |id: &Id| command.get_arguments().find(|arg| arg.get_id() == id);
    let Some(own) = named(&setting.option) else { return true };
    let excludes = |one: &Arg, other: &Arg| {
        command.get_arg_conflicts_with(one).iter().any(|excluded| excluded.get_id() == other.get_id())
    };
    given.contains(&setting.option)
        || present.iter().filter_map(named).any(|other| excludes(own, other) || excludes(other, own))
}

/// What the environment says. An empty variable says nothing.
fn environment(
    command: &Command,
    plain: &Command,
    variable: &dyn Fn(&OsStr) -> Option<OsString>,
) -> Result<Vec<Setting>, SettingsError> {
    let mut settings = Vec::new();
    for arg in command.get_arguments() {
        let (Some(name), Some(long)) = (arg.get_env(), arg.get_long()) else { continue };
        let Some(value) = variable(name).filter(|value| !value.is_empty()) else { continue };
        let refused =
            |reason| SettingsError::Variable { variable: name.to_string_lossy().into_owned(), reason };
        let words = if is_flag(arg) {
            match value.to_str().map(str::to_ascii_lowercase).as_deref() {
                Some("1" | "true" | "yes" | "on" | "y" | "t") => vec![OsString::from(format!("--{long}"))],
                Some("0" | "false" | "no" | "off" | "n" | "f") => Vec::new(),
                _ => return Err(refused(format!("expected true or false, found {value:?}"))),
            }
        } else {
            let mut word = OsString::from(format!("--{long}="));
            word.push(&value);
            check(plain, arg, &word).map_err(refused)?;
            vec![word]
        };
        settings.push(Setting { option: arg.get_id().clone(), words });
    }
    Ok(settings)
}

/// Whether an option is only there or not.
fn is_flag(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::SetTrue)
}

/// Whether an option's value can be used, by itself; in words what is wrong with it.
fn check(plain: &Command, arg: &Arg, word: &OsStr) -> Result<(), String> {
    use std::error::Error as _;
    let program = plain.get_name().to_owned();
    let parsed = plain.clone().try_get_matches_from([OsStr::new(&program), word]);
    let error = match parsed {
        Err(error) if is_of_one_value(error.kind()) => error,
        // Whether all go together is seen at the end.
        _ => return Ok(()),
    };
    let value = word.to_string_lossy();
    let value = value.split_once('=').map_or(&*value, |(_, value)| value);
    let why = error.source().map(|source| format!(": {source}")).unwrap_or_default();
    let possible = match error.get(ContextKind::ValidValue) {
        Some(ContextValue::Strings(values)) if !values.is_empty() => {
            format!(" (one of {})", values.join(", "))
        }
        _ => String::new(),
    };
    Err(format!("expected {}{possible}, found `{value}`{why}", expected(arg)))
}

const fn is_of_one_value(kind: ErrorKind) -> bool {
    use ErrorKind::{
        InvalidUtf8, InvalidValue, NoEquals, TooFewValues, TooManyValues, ValueValidation,
        WrongNumberOfValues,
    };
    matches!(
        kind,
        InvalidUtf8
            | InvalidValue
            | NoEquals
            | TooFewValues
            | TooManyValues
            | ValueValidation
            | WrongNumberOfValues
    )
}

/// What an option takes, as its help calls it.
fn expected(arg: &Arg) -> String {
    let names = arg.get_value_names().unwrap_or_default();
    let first = names.first().map_or("a value", |name| name.as_str());
    first.to_owned()
}

/// Whether an option belongs into a file.
fn is_key(arg: &Arg) -> bool {
    let own = arg.get_long().is_some_and(|long| ![CONFIG, PRINT].contains(&long));
    own && !matches!(
        arg.get_action(),
        ArgAction::Help | ArgAction::HelpShort | ArgAction::HelpLong | ArgAction::Version
    )
}

#[cfg(test)]
mod tests;
