//! The project's own commands. `cargo xtask help` lists them; each has a file in `command/`.

mod apt;
mod command;
mod page;
mod precompress;
mod shell;
mod stamp;
mod tidy;
mod tools;
mod wasm_toolchain;
mod workspace;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    match command::Cli::parse().run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
