//! The browser tests, see `e2e::runner`.

mod accounts;
mod compare;
mod dashboard;
mod firefox;
mod foreign;
mod http;
mod interop;
mod native;
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
        http::tests(),
        transfer::tests(),
        share::tests(),
        swarm::tests(),
        interop::tests(),
        obstacles::tests(),
        native::tests(),
        firefox::tests(),
        foreign::tests(),
        compare::tests(),
        dashboard::tests(),
        accounts::tests(),
    ];
    runner::main(groups.into_iter().flatten().collect())
}
