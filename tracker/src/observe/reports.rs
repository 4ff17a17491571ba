//! What willing peers say of their own progress, kept for as long as they go on saying it. For display only.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use shared::id::{InfoHash, PeerId};
use shared::tracker::ws::Report;
use shared::tracker::ws::report::{UNDERSTANDS, invitation};

use crate::swarm::SocketId;

/// Reports that are kept; about a kilobyte each.
const KEPT: usize = 10_000;

/// Reports of one socket: a page shares a handful of files, a seed its most active ones.
const OF_SOCKET: usize = 64;

/// Reporting sockets for which the interval that was configured holds; with more it grows in proportion, so that a second
/// never brings more than some five hundred reports at three seconds.
const AT_FULL_RATE: usize = 1_500;

/// A report is forgotten after this many intervals without another.
const MISSED: u32 = 4;

/// The reports of late, by socket and torrent.
#[derive(Debug)]
pub(crate) struct Reports {
    /// What operators ask for; zero is none.
    every: Duration,
    table: Mutex<Table>,
    /// Payload bytes that peers gave each other, as far as they say so.
    moved: AtomicU64,
}

#[derive(Debug, Default)]
struct Table {
    reports: BTreeMap<(SocketId, InfoHash), Kept>,
    swept: Option<Instant>,
}

/// A report, and when it came.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) report: Report,
    pub(crate) at: Instant,
}

/// What all reporting peers do together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sum {
    /// Reports that count.
    pub(crate) reports: usize,
    /// Payload bytes a second that peers give each other.
    pub(crate) rate: u64,
    /// The same since the tracker started.
    pub(crate) moved: u64,
}

impl Reports {
    /// Asks for a report every so many seconds; 0 asks for none.
    pub(crate) fn new(seconds: u32) -> Self {
        let every = Duration::from_secs(seconds.into());
        Self { every, table: Mutex::default(), moved: AtomicU64::new(0) }
    }

    /// What to send to a peer that announced itself as this, the first time: it is asked for reports, if it understands.
    pub(crate) fn invitation(&self, peer_id: &PeerId) -> Option<String> {
        if self.every.is_zero() || !peer_id.0.starts_with(UNDERSTANDS) {
            return None;
        }
        Some(invitation(self.interval(self.table.lock().reports.len())))
    }

    fn interval(&self, reports: usize) -> Duration {
        let times = reports.div_ceil(AT_FULL_RATE).max(1);
        self.every * u32::try_from(times).unwrap_or(u32::MAX)
    }

    /// Keeps a report in place of the one before; `false` if there is no room for it.
    pub(crate) fn take(&self, socket: SocketId, report: Report, now: Instant) -> bool {
        if self.every.is_zero() {
            return false;
        }
        let mut table = self.table.lock();
        self.sweep(&mut table, now);
        let key = (socket, report.info_hash);
        if let Some(kept) = table.reports.get_mut(&key) {
            // Whoever begins anew counts from nothing, and nobody counts faster than what is said of the rate by far.
            let since = now.saturating_duration_since(kept.at).as_secs() + 1;
            let most = report.up_rate.max(kept.report.up_rate).saturating_mul(4 * since);
            let more = report.uploaded.saturating_sub(kept.report.uploaded).min(most);
            self.moved.fetch_add(more, Ordering::Relaxed);
            *kept = Kept { report, at: now };
            return true;
        }
        let of_socket = table.reports.range(Self::of(socket)).count();
        if table.reports.len() >= KEPT || of_socket >= OF_SOCKET {
            return false;
        }
        table.reports.insert(key, Kept { report, at: now });
        true
    }

    /// Forgets what a socket said.
    pub(crate) fn forget(&self, socket: SocketId) {
        let mut table = self.table.lock();
        let gone: Vec<_> = table.reports.range(Self::of(socket)).map(|(key, _)| *key).collect();
        for key in gone {
            table.reports.remove(&key);
        }
    }

    /// What is said of one torrent, and by which socket.
    pub(crate) fn of_swarm(&self, info_hash: &InfoHash, now: Instant) -> Vec<(SocketId, Kept)> {
        let mut table = self.table.lock();
        self.sweep(&mut table, now);
        let of = table.reports.iter().filter(|((_, of), _)| of == info_hash);
        of.map(|((socket, _), kept)| (*socket, kept.clone())).collect()
    }

    /// All of them together.
    pub(crate) fn sum(&self, now: Instant) -> Sum {
        let mut table = self.table.lock();
        self.sweep(&mut table, now);
        Sum {
            reports: table.reports.len(),
            rate: table.reports.values().fold(0, |sum, kept| sum.saturating_add(kept.report.up_rate)),
            moved: self.moved.load(Ordering::Relaxed),
        }
    }

    /// Forgets what was not said again, at most once a second.
    fn sweep(&self, table: &mut Table, now: Instant) {
        if table.swept.is_some_and(|swept| now.saturating_duration_since(swept) < Duration::from_secs(1)) {
            return;
        }
        table.swept = Some(now);
        let longest = self.interval(table.reports.len()) * MISSED;
        table.reports.retain(|_, kept| now.saturating_duration_since(kept.at) < longest);
    }

    const fn of(socket: SocketId) -> std::ops::RangeInclusive<(SocketId, InfoHash)> {
        (socket, InfoHash([0; 20]))..=(socket, InfoHash([0xff; 20]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moved(reports: &Reports) -> u64 {
        reports.moved.load(Ordering::Relaxed)
    }

    fn report(torrent: u8, uploaded: u64, up_rate: u64) -> Report {
        let text = format!(
            r#"{{"action":"report","info_hash":"{}","peer_id":"-PM0100-aaaaaaaaaaaa","uploaded":{uploaded},"up_rate":{up_rate}}}"#,
            char::from(torrent).to_string().repeat(20)
        );
        Report::parse(&text).unwrap()
    }

    #[test]
    fn the_newest_counts_until_it_is_old_or_its_socket_is_gone() {
        let reports = Reports::new(3);
        let start = Instant::now();
        assert!(reports.take(SocketId(1), report(b'a', 1_000, 500), start));
        assert!(reports.take(SocketId(1), report(b'b', 0, 0), start));
        assert!(reports.take(SocketId(2), report(b'a', 0, 7), start));
        let later = start + Duration::from_secs(3);
        assert!(reports.take(SocketId(1), report(b'a', 3_000, 700), later));
        assert_eq!(reports.sum(later), Sum { reports: 3, rate: 707, moved: 2_000 });
        assert_eq!(reports.of_swarm(&InfoHash([b'a'; 20]), later).len(), 2);
        let old = start + Duration::from_secs(13);
        assert_eq!(reports.sum(old).reports, 1);
        reports.forget(SocketId(1));
        assert_eq!(reports.sum(old).reports, 0);
    }

    #[test]
    fn no_peer_fills_the_table_or_the_sum_by_itself() {
        let reports = Reports::new(3);
        let now = Instant::now();
        let taken = (0..=255_u8).filter(|torrent| torrent.is_ascii());
        let taken = taken.filter(|torrent| !b"\"\\".contains(torrent) && *torrent >= b' ');
        let taken = taken.filter(|torrent| reports.take(SocketId(1), report(*torrent, 0, 0), now)).count();
        assert_eq!(taken, OF_SOCKET);
        assert!(reports.take(SocketId(2), report(b'a', 0, 0), now));
        reports.take(SocketId(2), report(b'a', u64::MAX, 10), now + Duration::from_secs(1));
        assert!(moved(&reports) <= 100, "{}", moved(&reports));
        reports.take(SocketId(2), report(b'a', 0, 0), now + Duration::from_secs(2));
        assert!(moved(&reports) <= 100);
    }

    #[test]
    fn only_our_own_are_asked_and_seldom_where_they_are_many() {
        let peer = |name: &[u8; 20]| PeerId(*name);
        let reports = Reports::new(3);
        assert!(reports.invitation(&peer(b"-PM0100-aaaaaaaaaaaa")).unwrap().contains(":3}"));
        assert_eq!(reports.invitation(&peer(b"-WW0100-aaaaaaaaaaaa")), None);
        assert_eq!(Reports::new(0).invitation(&peer(b"-PM0100-aaaaaaaaaaaa")), None);
        assert!(!Reports::new(0).take(SocketId(1), report(b'a', 0, 0), Instant::now()));
        assert_eq!(reports.interval(AT_FULL_RATE), Duration::from_secs(3));
        assert_eq!(reports.interval(AT_FULL_RATE + 1), Duration::from_secs(6));
    }
}
