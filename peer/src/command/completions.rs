//! `peer completions`: completions for shells.

use std::io::Write as _;

use clap::CommandFactory as _;
use clap_complete::Shell;

/// Writes the completions of a shell to standard output.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Example:\n  peer completions bash > ~/.local/share/bash-completion/completions/peer")]
pub(crate) struct Args {
    /// For which shell.
    shell: Shell,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut crate::cli::Args::command(), "peer", &mut script);
    // Whoever closed standard output does not want to know.
    let _ = std::io::stdout().write_all(&script);
    Ok(())
}
