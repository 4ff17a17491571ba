//! How many connections the limit on open files allows, and what to do where that is too few.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::{info, warn};

/// Files that are open besides connections and what is relayed: listeners, logs, files being served.
const RESERVE: u64 = 128;

/// Raises this process's limit as far as `connections` and `further` files need it and the system lets it, and answers with how
/// many connections there can be. Says so if those are fewer.
pub(crate) fn fit(connections: usize, further: usize) -> usize {
    let reserve = RESERVE + further as u64;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = connections as u64 + reserve;
    let Some(now) = current.filter(|current| *current < wanted) else { return connections };
    let raised = maximum.map_or(wanted, |maximum| maximum.min(wanted));
    let allowed = match setrlimit(Resource::Nofile, Rlimit { current: Some(raised), maximum }) {
        Ok(()) => raised,
        Err(error) => {
            info!(%error, "the limit on open files stays as it is");
            now
        }
    };
    let fitting = fitting(connections, reserve, allowed);
    if fitting < connections {
        warn!("{}", explain(connections, fitting, reserve, allowed));
    }
    fitting
}

fn fitting(connections: usize, reserve: u64, allowed: u64) -> usize {
    usize::try_from(allowed.saturating_sub(reserve)).unwrap_or(connections).clamp(1, connections.max(1))
}

fn explain(connections: usize, fitting: usize, reserve: u64, allowed: u64) -> String {
    format!(
        "only {fitting} of {connections} connections at once: each is an open file, {reserve} more are needed, and the system lets \
         this process open {allowed}. Raise its hard limit to {} (systemd: LimitNOFILE=; Docker: --ulimit nofile=; a shell of \
         root's: ulimit -Hn), or say --max-connections {fitting}",
        connections as u64 + reserve,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_what_is_left_of_the_files() {
        assert_eq!(fitting(20_000, 128, 20_000), 19_872);
        assert_eq!(fitting(20_000, 128, 20_128), 20_000);
        assert_eq!(fitting(20_000, 128, u64::MAX), 20_000);
        assert_eq!(fitting(20_000, 128, 64), 1, "not none");
    }

    #[test]
    fn it_says_what_to_do() {
        let text = explain(20_000, 19_872, 128, 20_000);
        for words in ["only 19872 of 20000", "to 20128", "LimitNOFILE", "--max-connections 19872"] {
            assert!(text.contains(words), "{text}");
        }
    }
}
