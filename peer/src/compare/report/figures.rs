//! Figures as people read them. Decimal units throughout.

/// `1.23 GB`, `45.6 MB`, `789 B`.
pub(super) fn bytes(bytes: f64) -> String {
    scaled(bytes, "B")
}

/// `1.23 GB/s`.
pub(super) fn rate(rate: f64) -> String {
    scaled(rate, "B/s")
}

/// `1.23 s`, `45.6 ms`, `789 µs`.
pub(super) fn seconds(seconds: f64) -> String {
    match seconds {
        _ if seconds >= 1.0 => format!("{} s", three_digits(seconds)),
        _ if seconds >= 1e-3 => format!("{} ms", three_digits(seconds * 1e3)),
        _ => format!("{} µs", three_digits(seconds * 1e6)),
    }
}

/// `3.94 %` of a share.
pub(super) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent.abs() >= 10.0 { format!("{percent:.0} %") } else { format!("{percent:.2} %") }
}

fn scaled(value: f64, unit: &str) -> String {
    for (factor, prefix) in [(1e9, "G"), (1e6, "M"), (1e3, "k")] {
        if value >= factor {
            return format!("{} {prefix}{unit}", three_digits(value / factor));
        }
    }
    format!("{value:.0} {unit}")
}

fn three_digits(value: f64) -> String {
    let decimals = if value >= 99.95 {
        0
    } else if value >= 9.995 {
        1
    } else {
        2
    };
    format!("{value:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_and_a_unit() {
        assert_eq!(bytes(789.0), "789 B");
        assert_eq!(bytes(45_600_000.0), "45.6 MB");
        assert_eq!(rate(1_234_000_000.0), "1.23 GB/s");
        assert_eq!(rate(123_400.0), "123 kB/s");
        assert_eq!(seconds(0.000_789), "789 µs");
        assert_eq!(seconds(0.0456), "45.6 ms");
        assert_eq!(seconds(160.4), "160 s");
        assert_eq!(percent(0.0394), "3.94 %");
        assert_eq!(percent(1.5), "150 %");
    }
}
