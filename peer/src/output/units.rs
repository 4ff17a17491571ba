//! Figures as people read them, as on the page, but with ordinary blanks: text of a terminal is searched and cut.

use std::time::Duration;

use shared::units;

/// `1.2 GB`.
pub(crate) fn bytes(count: u64) -> String {
    plain(&units::bytes(count))
}

/// `12.4 MB/s`.
pub(crate) fn rate(bytes_per_second: u64) -> String {
    plain(&units::rate(bytes_per_second))
}

/// `256 KiB`.
pub(crate) fn piece_length(bytes_in_piece: u32) -> String {
    plain(&units::piece_length(bytes_in_piece))
}

/// `3 files`, `1 piece`; the number with group marks.
pub(crate) fn plural(count: u64, one: &str, many: &str) -> String {
    format!("{} {}", plain(&units::count(count)), if count == 1 { one } else { many })
}

/// `about 2 min`; `None` where that is not to be said.
pub(crate) fn time_left(ms: u64) -> Option<String> {
    units::time_left(ms).map(|text| plain(&text))
}

/// Time that has passed: `0.42 s`, `12 s`, `1:48`, `2:05:09`.
pub(crate) fn elapsed(time: Duration) -> String {
    let milliseconds = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    match milliseconds {
        0..10_000 => format!("{}.{:02} s", milliseconds / 1_000, milliseconds % 1_000 / 10),
        _ => plain(&units::elapsed(milliseconds)),
    }
}

/// Bytes a second, on average over some time.
pub(crate) fn average(bytes: u64, time: Duration) -> u64 {
    let milliseconds = time.as_millis().max(1);
    u64::try_from(u128::from(bytes) * 1_000 / milliseconds).unwrap_or(u64::MAX)
}

fn plain(text: &str) -> String {
    text.replace(['\u{a0}', '\u{202f}'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_ordinary_blanks() {
        assert_eq!(bytes(1_240_000_000), "1.2 GB");
        assert_eq!(rate(12_400_000), "12.4 MB/s");
        assert_eq!(piece_length(262_144), "256 KiB");
        assert_eq!(plural(1, "piece", "pieces"), "1 piece");
        assert_eq!(plural(20_000, "piece", "pieces"), "20 000 pieces");
        assert_eq!(elapsed(Duration::from_millis(425)), "0.42 s");
        assert_eq!(elapsed(Duration::from_secs(108)), "1:48");
        assert_eq!(average(1_000, Duration::from_millis(500)), 2_000);
        assert_eq!(average(1_000, Duration::ZERO), 1_000_000);
    }
}
