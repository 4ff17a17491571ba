//! The browser tests, see `e2e::runner`.

mod interop;
mod obstacles;
mod share;
mod stock;
mod swarm;
mod transfer;

use std::process::ExitCode;

use e2e::runner;

fn main() -> ExitCode {
    let groups = [
        stock::tests(),
        transfer::tests(),
        share::tests(),
        swarm::tests(),
        interop::tests(),
        obstacles::tests(),
    ];
    runner::main(groups.into_iter().flatten().collect())
}
