//! Sizes, durations and rates as people type them.

use std::time::Duration;

/// Bytes: `812`, `10M`, `1.5 GB`, `16KiB`. K, M, G, T and kB, MB… are decimal, as everything that is shown; KiB, MiB… are
/// binary.
pub fn size(text: &str) -> Result<u64, String> {
    let expected =
        || format!("expected a size such as 812, 10M, 1.5GB (decimal) or 16KiB (binary), got {text:?}");
    let (number, unit) = split(text).ok_or_else(expected)?;
    let factor: u64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" => 1_000,
        "m" | "mb" => 1_000_000,
        "g" | "gb" => 1_000_000_000,
        "t" | "tb" => 1_000_000_000_000,
        "ki" | "kib" => 1 << 10,
        "mi" | "mib" => 1 << 20,
        "gi" | "gib" => 1 << 30,
        "ti" | "tib" => 1 << 40,
        _ => return Err(expected()),
    };
    scaled(number, factor).ok_or_else(expected)
}

/// Bytes a second, at least 1: a [`size`], with or without `/s`.
pub fn rate(text: &str) -> Result<u64, String> {
    let bytes = text.trim().strip_suffix("/s").unwrap_or(text);
    match size(bytes) {
        Ok(0) | Err(_) => {
            Err(format!("expected bytes a second such as 500k, 10M or 2MB/s, at least 1, got {text:?}"))
        }
        Ok(rate) => Ok(rate),
    }
}

/// A length of time: `30`, `30s`, `1.5m`, `2h`, `250ms`; a bare number is seconds.
pub fn duration(text: &str) -> Result<Duration, String> {
    let expected = || format!("expected a duration such as 250ms, 30s, 5m, 2h or 1d, got {text:?}");
    let (number, unit) = split(text).ok_or_else(expected)?;
    let milliseconds: u64 = match unit {
        "ms" => 1,
        "" | "s" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(expected()),
    };
    scaled(number, milliseconds).map(Duration::from_millis).ok_or_else(expected)
}

/// The number and the unit after it.
fn split(text: &str) -> Option<(&str, &str)> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    (!number.is_empty()).then_some((number, unit.trim()))
}

/// A decimal number, with at most nine places, times a factor; rounded down. Whole numbers throughout, so that nothing is
/// lost of a large one.
fn scaled(number: &str, factor: u64) -> Option<u64> {
    let (whole, places) = number.split_once('.').unwrap_or((number, ""));
    if places.len() > 9 || (whole.is_empty() && places.is_empty()) || number.ends_with('.') {
        return None;
    }
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let part: u64 = if places.is_empty() { 0 } else { places.parse().ok()? };
    let part = u128::from(part) * u128::from(factor) / 10_u128.pow(places.len() as u32);
    whole.checked_mul(factor)?.checked_add(u64::try_from(part).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_decimal_unless_they_say_otherwise() {
        for (text, bytes) in [
            ("0", 0),
            ("812", 812),
            ("10M", 10_000_000),
            (" 1.5 GB ", 1_500_000_000),
            ("16KiB", 16_384),
            ("2ti", 2 << 40),
            (".5k", 500),
            ("7b", 7),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for wrong in ["", "M", "-1", "1e3", "10 X", "1.2.3", "1.", ".", "99999999999T", "1.0000000001", "１"]
        {
            let error = size(wrong).expect_err(wrong);
            assert!(error.starts_with("expected a size such as") && error.contains(wrong), "{error}");
        }
    }

    #[test]
    fn rates_are_sizes_and_never_nothing() {
        assert_eq!(rate("2MB/s"), Ok(2_000_000));
        assert_eq!(rate("500k"), Ok(500_000));
        assert!(rate("0").is_err() && rate("fast").is_err());
    }

    #[test]
    fn durations_have_units() {
        assert_eq!(duration("30"), Ok(Duration::from_secs(30)));
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("1.5m"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("2 h"), Ok(Duration::from_secs(7_200)));
        for wrong in ["", "s", "1y", "-3s", "1M"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
