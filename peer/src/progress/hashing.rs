//! Files being hashed.

use std::sync::mpsc::{RecvTimeoutError, channel};

use serde::Serialize;

use super::{Meter, RecentRate, TOLD_EVERY};
use crate::output::{Output, units};

/// Told with `--json-lines` while files are hashed.
#[derive(Serialize)]
struct Hashing<'a> {
    event: &'static str,
    name: &'a str,
    hashed: u64,
    bytes: u64,
    bytes_per_second: u64,
}

/// Does `work`, which hashes files of `total` bytes, and shows meanwhile how far `counter` says it is.
pub(crate) fn hashed<T>(
    output: &Output,
    name: &str,
    total: u64,
    counter: &(dyn Fn() -> u64 + Sync),
    work: impl FnOnce() -> T,
) -> T {
    std::thread::scope(|scope| {
        // Dropped, also by a panic, it ends the watcher.
        let (ending, ended) = channel::<()>();
        scope.spawn(move || {
            let mut meter = Meter::new(output, total);
            let mut rate = RecentRate::new();
            // What is hashed before anybody could read of it needs no bar.
            while ended.recv_timeout(TOLD_EVERY) == Err(RecvTimeoutError::Timeout) {
                let hashed = counter();
                let rate = rate.at(hashed);
                meter.set(hashed, total, || said(hashed, total, rate));
                output.event(&Hashing {
                    event: "hashing",
                    name,
                    hashed,
                    bytes: total,
                    bytes_per_second: rate,
                });
            }
        });
        let done = work();
        drop(ending);
        done
    })
}

fn said(hashed: u64, total: u64, rate: u64) -> String {
    let mut text =
        format!("hashing {} of {} · {}", units::bytes(hashed), units::bytes(total), units::rate(rate));
    let left = u128::from(total.saturating_sub(hashed)) * 1_000;
    if let Some(ms) = left.checked_div(u128::from(rate))
        && let Some(time) = u64::try_from(ms).ok().and_then(units::time_left)
    {
        text.push_str(&format!(" · {time}"));
    }
    text
}
