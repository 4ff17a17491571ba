//! A network of our own: no packet of a test leaves the machine, and no other program's ports are in the way.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

/// Address of the machine on the simulated LAN.
pub const LAN_ADDRESS: &str = "10.77.0.1";

/// Further addresses of it, for programs that tell peers apart by address alone.
pub const PEER_ADDRESSES: [&str; 3] = ["10.77.0.2", "10.77.0.3", "10.77.0.4"];

/// Set in the environment of the re-executed program.
const INSIDE: &str = "PIECEMEAL_E2E_NETNS";

/// A veth pair with both ends here: a LAN address, a default route and multicast, so that Chromium believes it is
/// online, gathers host candidates and resolves mDNS names.
const SETUP: &str = "set -e
ip link set lo up
ip link add pm0 type veth peer name pm1
ip addr add 10.77.0.1/24 dev pm0
for last in 2 3 4; do ip addr add 10.77.0.$last/24 dev pm0; done
ip link set pm0 up
ip link set pm1 up
ip route add default dev pm0
exec \"$0\" \"$@\"";

/// What `unshare` is asked for, the best first. A process namespace ends every browser when the program ends.
const ATTEMPTS: [&[&str]; 4] = [
    &["--net", "--pid", "--fork", "--kill-child", "--mount-proc"],
    &["--net"],
    &["--user", "--map-root-user", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"],
    &["--user", "--map-root-user", "--net"],
];

/// Where the program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// In a namespace with [`LAN_ADDRESS`].
    Own,
    /// On the host's network.
    Host,
}

/// Runs this program again in a network namespace and does not return, unless it is in one already or none can be had.
///
/// Call it before any thread is started and after everything that needs the real network.
pub fn enter() -> Network {
    match std::env::var(INSIDE).as_deref() {
        Ok("own") => return Network::Own,
        Ok(_) => return Network::Host,
        Err(_) => {}
    }
    let Ok(program) = std::env::current_exe() else {
        return host_network("the program's own path is unknown");
    };
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    for flags in ATTEMPTS {
        let probe = Command::new("unshare")
            .args(flags)
            .args(["--", "sh", "-c", SETUP, "true"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        if !probe.is_ok_and(|status| status.success()) {
            continue;
        }
        let error = Command::new("unshare")
            .args(flags)
            .args(["--", "sh", "-c", SETUP])
            .arg(&program)
            .args(&arguments)
            .env(INSIDE, "own")
            .exec();
        return host_network(&error.to_string());
    }
    host_network(
        "unshare and ip (packages util-linux, iproute2) could not make one, neither as root nor in a user namespace",
    )
}

fn host_network(reason: &str) -> Network {
    eprintln!("notice: no network namespace: {reason}.");
    eprintln!(
        "notice: the tests run on this machine's own network; those that need a LAN address are skipped."
    );
    Network::Host
}
