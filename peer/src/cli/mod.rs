//! The command line.

pub(crate) mod network;
pub(crate) mod values;

use clap::builder::BoolishValueParser;
use clap::{Parser, Subcommand};

use crate::command;

/// Seeds, downloads and creates torrents, over WebRTC with browsers and over TCP with everybody else.
///
/// Results go to standard output, progress to standard error. Every flag may also be set in the environment.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "peer",
    version,
    max_term_width = 100,
    subcommand_required = true,
    arg_required_else_help = true
)]
#[command(after_help = concat!(
    "Examples:\n",
    "  peer seed holiday.mp4\n",
    "  peer download 'http://localhost:8080/#magnet:?xt=urn:btih:…'"
))]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) common: Common,

    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// What every verb takes.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct Common {
    /// End with one JSON object on standard output, in place of text; bytes and seconds throughout.
    #[arg(long, global = true, env = "PIECEMEAL_JSON", value_parser = flag())]
    pub(crate) json: bool,

    /// Like --json, and before that object one a line for what happens meanwhile, each with `event`.
    #[arg(long, global = true, env = "PIECEMEAL_JSON_LINES", value_parser = flag())]
    pub(crate) json_lines: bool,

    /// Say on standard error what happens, where that is no terminal and shows no bar.
    #[arg(long, short, global = true, env = "PIECEMEAL_VERBOSE", value_parser = flag())]
    pub(crate) verbose: bool,

    /// What is logged, as a filter of tracing's: `warn`, `debug`, `peer=trace`.
    #[arg(long, global = true, value_name = "FILTER", default_value = "error", env = "PIECEMEAL_LOG")]
    pub(crate) log: String,
}

/// What is to be done.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Verb {
    /// Share files and folders.
    Seed(command::seed::Args),
    /// Fetch what a link, a .torrent or an address names.
    Download(command::download::Args),
    /// Make a .torrent of a file or a folder.
    Create(command::create::Args),
    /// Say what a .torrent or a link holds; compare a copy on disk with it.
    Info(command::info::Args),
    /// Start many real peers against a tracker, and say how it went.
    Stress(command::stress::Args),
    /// Send the same bytes over HTTP/1.1, HTTP/2 and BitTorrent, and say what each costs.
    Compare(command::compare::Args),
    /// One lane of a comparison.
    #[command(hide = true)]
    Lane(peer::compare::lane::Args),
    /// Write the completions of a shell to standard output.
    Completions(command::completions::Args),
}

/// A flag that may be `1`, `yes`, `off`… in the environment.
pub(crate) fn flag() -> BoolishValueParser {
    BoolishValueParser::new()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn every_flag_has_a_variable_and_every_verb_ends_with_an_example() {
        let shown = |verb: &&clap::Command| !verb.is_hide_set();
        for mut verb in Args::command().get_subcommands().filter(shown).cloned() {
            let name = verb.get_name().to_owned();
            for argument in verb.get_arguments().filter(|argument| !argument.is_positional()) {
                let id = argument.get_id().as_str();
                let variable = argument.get_env().and_then(|variable| variable.to_str());
                let named = variable.is_some_and(|variable| variable.starts_with("PIECEMEAL_"));
                assert!(named || ["help", "version"].contains(&id), "{name} --{id}: {variable:?}");
            }
            let help = verb.render_long_help().to_string();
            let (_, example) = help.rsplit_once("Example").expect("an example");
            assert!(example.contains(&format!("  peer {name}")) && !example.contains("\n\n"), "{example}");
        }
    }
}
