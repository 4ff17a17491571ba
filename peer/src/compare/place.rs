//! Where a process runs: in which namespace, on which core; and what it costs there.

use std::ffi::OsStr;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;

use super::lab::Node;

/// Ticks of `/proc/PID/stat` in a second, on every architecture that Linux has today.
const TICKS: f64 = 100.0;

/// Rounding does not set the two figures of [`Processor`] further apart, seconds: a thread has ended.
const ROUNDED: f64 = 5.0 / TICKS;

/// A namespace, or this host; and a core.
#[derive(Clone, Copy, Debug)]
pub struct Place<'lab> {
    /// `None`: this host's own network.
    pub node: Option<&'lab Node>,
    /// Core to stay on.
    pub core: Option<usize>,
}

impl Place<'_> {
    /// Address under which others reach what runs here.
    pub fn address(&self) -> IpAddr {
        self.node.map_or(Ipv4Addr::LOCALHOST, Node::address).into()
    }

    /// A command that runs `program` here and is killed when the thread that starts it ends.
    pub fn command(&self, program: &OsStr) -> Command {
        let core = self.core.map(|core| core.to_string());
        let first = if core.is_some() { OsStr::new("taskset") } else { program };
        let mut command = match self.node {
            Some(node) => node.command(first),
            None => Command::new("setpriv"),
        };
        if self.node.is_none() {
            command.args(["--pdeathsig", "KILL", "--"]).arg(first);
        }
        if let Some(core) = core {
            command.args(["--cpu-list", &core]).arg(program);
        }
        command
    }
}

/// Processor seconds of a process so far, user and system.
///
/// # Errors
///
/// It has ended, or `/proc` is not to be read.
pub fn processor_seconds(pid: u32) -> io::Result<Processor> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let coarse = ticks(&stat).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))? as f64 / TICKS;
    let mut fine = 0;
    for thread in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        // A thread that ended meanwhile is in the other figure.
        let Ok(text) = std::fs::read_to_string(thread?.path().join("schedstat")) else { continue };
        fine += text.split(' ').next().and_then(|word| word.parse::<u64>().ok()).unwrap_or(0);
    }
    Ok(Processor { coarse, fine: fine as f64 / 1e9 })
}

/// Processor time of a process in two ways: to a hundredth of a second with all its threads, and exactly for living ones.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Processor {
    coarse: f64,
    fine: f64,
}

impl Processor {
    /// Of two processes together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { coarse: self.coarse + other.coarse, fine: self.fine + other.fine }
    }

    /// Seconds since `before`.
    pub fn since(self, before: Self) -> f64 {
        let (coarse, fine) = (self.coarse - before.coarse, self.fine - before.fine);
        if (coarse - fine).abs() > ROUNDED || fine <= 0.0 { coarse.max(0.0) } else { fine }
    }
}

/// User and system time of `/proc/PID/stat`. The name before them is in brackets and may hold anything.
fn ticks(stat: &str) -> Option<u64> {
    let after = &stat[stat.rfind(')')? + 1..];
    let mut fields = after.split_whitespace().skip(11);
    let (user, system) = (fields.next()?.parse::<u64>().ok()?, fields.next()?.parse::<u64>().ok()?);
    Some(user + system)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_read() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 1 0 5 6 7";
        assert_eq!(ticks(stat), Some(300));
        assert_eq!(ticks("7 (a"), None);
        let before = processor_seconds(std::process::id()).unwrap();
        let mut sum = 0_u64;
        while processor_seconds(std::process::id()).unwrap().since(before) <= 0.0 {
            sum = std::hint::black_box(sum + 1);
        }
        for (coarse, fine, expected, why) in [
            (5.01, 4.5, 5.01, "threads that ended are in the coarse figure only"),
            (0.2, 0.1, 0.2, "so they are in a short run"),
            (0.3, -0.1, 0.3, "ended since, they are in the earlier figure"),
            (0.02, 0.0123, 0.0123, "else the fine one is exact"),
            (5.01, 5.0123, 5.0123, "however long it is"),
        ] {
            assert_eq!(Processor { coarse, fine }.since(Processor::default()), expected, "{why}");
        }
    }

    #[test]
    fn a_core_is_asked_for() {
        for (core, line) in [(None, &["x"][..]), (Some(1), &["taskset", "--cpu-list", "1", "x"])] {
            let command = Place { node: None, core }.command(OsStr::new("x"));
            let arguments: Vec<_> = command.get_args().collect();
            assert_eq!(command.get_program(), "setpriv");
            assert_eq!(arguments, [&["--pdeathsig", "KILL", "--"], line].concat());
        }
    }
}
