//! The browser tests, see `runner`.

mod stock;

use std::process::ExitCode;

use e2e::runner::{self, Test};

fn main() -> ExitCode {
    let mut tests: Vec<Test> = Vec::new();
    tests.extend(stock::tests());
    runner::main(tests)
}
