//! What the system tells of this process, under the names that Prometheus' own libraries use.

/// Numbers of this process; `None` where the system does not tell.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Process {
    pub(crate) resident_bytes: Option<u64>,
    pub(crate) cpu_seconds: Option<f64>,
    pub(crate) open_files: Option<u64>,
}

impl Process {
    /// Of now.
    pub(crate) fn now() -> Self {
        let stat = std::fs::read_to_string("/proc/self/stat").ok();
        let times = stat.as_deref().and_then(ticks);
        let pages = std::fs::read_to_string("/proc/self/statm").ok();
        let resident = pages.as_deref().and_then(|pages| pages.split(' ').nth(1)?.parse::<u64>().ok());
        Self {
            resident_bytes: resident.map(|pages| pages * rustix::param::page_size() as u64),
            cpu_seconds: times.map(|ticks| ticks as f64 / rustix::param::clock_ticks_per_second() as f64),
            open_files: std::fs::read_dir("/proc/self/fd").ok().map(|files| files.count() as u64),
        }
    }
}

/// User and system time in ticks; the name in parentheses before them may hold anything.
fn ticks(stat: &str) -> Option<u64> {
    let (_, after) = stat.rsplit_once(") ")?;
    let mut fields = after.split(' ').skip(11);
    Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_past_any_name() {
        let stat = "77 (a) b (c)) S 1 77 77 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 9 0 1 2 3";
        assert_eq!(ticks(stat), Some(300));
        assert_eq!(ticks("77 (a)"), None);
        if cfg!(target_os = "linux") {
            assert!(Process::now().resident_bytes > Some(100_000));
        }
    }
}
