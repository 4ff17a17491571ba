//! The peer's command.

mod cli;
mod command;
mod ending;
mod output;
mod progress;

use std::process::ExitCode;

use clap::Parser as _;
use tracing_subscriber::EnvFilter;

use cli::{Args, Verb};
use ending::Ending;
use output::Output;

fn main() -> ExitCode {
    let args = Args::parse();
    let output = Output::new(&args.common);
    let ended = log_to_stderr(&args.common.log).and_then(|()| run(args.verb, &output));
    let ending = Ending::of(&ended);
    if let Err(error) = &ended {
        output.failure(ending, error);
    }
    ending.into()
}

fn run(verb: Verb, output: &Output) -> anyhow::Result<()> {
    match verb {
        Verb::Seed(args) => command::seed::run(&args, output),
        Verb::Download(args) => command::download::run(&args, output),
        Verb::Create(args) => command::create::run(&args, output),
        Verb::Compare(args) => command::compare::run(&args, output),
        Verb::Lane(args) => command::compare::lane(&args),
        Verb::Info(args) => command::info::run(&args, output),
        Verb::Stress(args) => command::stress::run(&args, output),
        Verb::Completions(args) => command::completions::run(&args),
    }
}

fn log_to_stderr(filter: &str) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(filter).map_err(|error| ending::usage(format!("--log: {error}")))?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(output::colours(&std::io::stderr()))
        // It would report a closed standard error on standard error, and panic.
        .log_internal_errors(false)
        .init();
    Ok(())
}
