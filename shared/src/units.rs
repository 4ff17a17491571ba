//! Figures as people read them. Whole-number arithmetic throughout: the formatting of floats alone would weigh more
//! than everything here.

/// Bytes in decimal units, at most one decimal: `812 B`, `1.2 GB`, `744 MB`.
pub fn bytes(count: u64) -> String {
    let (number, unit) = scaled(count);
    join(number.strip_suffix(".0").unwrap_or(&number), unit)
}

/// Number and unit apart, for where they are set in different sizes: `("12.0", "MB")`. One decimal below 100, none above.
pub fn scaled(count: u64) -> (String, &'static str) {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if count < 1_000 {
        return (count.to_string(), "B");
    }
    let count = u128::from(count);
    let mut divisor: u128 = 1;
    let mut unit = "";
    for next in UNITS {
        unit = next;
        divisor *= 1_000;
        if count + divisor / 2 < divisor * 1_000 {
            break;
        }
    }
    let tenths = ((count * 10 + divisor / 2) / divisor) as u64;
    let number = if tenths < 1_000 { decimal(tenths) } else { ((count + divisor / 2) / divisor).to_string() };
    (number, unit)
}

/// Bytes a second: `12.4 MB/s`.
pub fn rate(bytes_per_second: u64) -> String {
    let mut text = bytes(bytes_per_second);
    text.push_str("/s");
    text
}

/// A piece's length: powers of two in binary units, `256 KiB`; anything else as [`bytes()`].
pub fn piece_length(bytes_in_piece: u32) -> String {
    match bytes_in_piece {
        length if length >= 1 << 20 && length.is_multiple_of(1 << 20) => {
            join(&(length >> 20).to_string(), "MiB")
        }
        length if length >= 1 << 10 && length.is_multiple_of(1 << 10) => {
            join(&(length >> 10).to_string(), "KiB")
        }
        length => bytes(u64::from(length)),
    }
}

/// A count with a thin group mark: `4 800`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3 * 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) && digits.len() > 4 {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// Hundredths of a whole, rounded down, so that 100 means all of it. A whole of nothing is 0.
pub fn percent(part: u64, whole: u64) -> u64 {
    if whole == 0 { 0 } else { (u128::from(part) * 100 / u128::from(whole)) as u64 }
}

/// Time left, as sure as it is: `a few seconds`, `about 40 s`, `about 2 min`, `about 3 h 20 min`; nothing beyond 99 days.
pub fn time_left(ms: u64) -> Option<String> {
    let seconds = ms.div_ceil(1_000);
    Some(match seconds {
        0..=7 => "a few seconds".to_owned(),
        8..=57 => ["about ", &(seconds.div_ceil(5) * 5).to_string(), " s"].concat(),
        58..=3_569 => ["about ", &((seconds + 30) / 60).to_string(), " min"].concat(),
        3_570..=86_399 => {
            let tens = (seconds + 300) / 600;
            let (hours, minutes) = (tens / 6, tens % 6 * 10);
            if minutes == 0 {
                ["about ", &hours.to_string(), " h"].concat()
            } else {
                ["about ", &hours.to_string(), " h ", &minutes.to_string(), " min"].concat()
            }
        }
        86_400..=8_553_600 => ["about ", &((seconds + 43_200) / 86_400).to_string(), " days"].concat(),
        _ => return None,
    })
}

/// A span of time that has passed: `12 s`, `1:48`, `2:05:09`.
pub fn elapsed(ms: u64) -> String {
    let seconds = ms / 1_000;
    let (hours, minutes, rest) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes) {
        (0, 0) => join(&rest.to_string(), "s"),
        (0, _) => [&minutes.to_string(), ":", &two(rest)].concat(),
        _ => [&hours.to_string(), ":", &two(minutes), ":", &two(rest)].concat(),
    }
}

/// A ratio with two decimals, from parts: `1.25`; `None` where there is nothing to divide by.
pub fn ratio(part: u64, whole: u64) -> Option<String> {
    if whole == 0 {
        return None;
    }
    let hundredths = (u128::from(part) * 100 / u128::from(whole)) as u64;
    Some([&(hundredths / 100).to_string(), ".", &two(hundredths % 100)].concat())
}

fn decimal(tenths: u64) -> String {
    [&(tenths / 10).to_string(), ".", &(tenths % 10).to_string()].concat()
}

fn two(number: u64) -> String {
    let mut text = String::with_capacity(2);
    if number < 10 {
        text.push('0');
    }
    text.push_str(&number.to_string());
    text
}

fn join(number: &str, unit: &str) -> String {
    [number, "\u{a0}", unit].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_keep_three_figures_and_change_unit_before_they_reach_a_thousand() {
        let plain = |count| bytes(count).replace('\u{a0}', " ");
        assert_eq!(plain(0), "0 B");
        assert_eq!(plain(999), "999 B");
        assert_eq!(plain(1_000), "1 kB");
        assert_eq!(plain(1_240_000_000), "1.2 GB");
        assert_eq!(plain(744_400_000), "744 MB");
        assert_eq!(plain(99_950), "100 kB");
        assert_eq!(plain(999_499), "999 kB");
        assert_eq!(plain(999_500), "1 MB");
        assert_eq!(plain(u64::MAX), "18447 PB");
        assert_eq!(scaled(12_000_000), ("12.0".to_owned(), "MB"));
    }

    #[test]
    fn percent_is_a_hundred_only_when_all_is_there() {
        assert_eq!(percent(999, 1_000), 99);
        assert_eq!(percent(1_000, 1_000), 100);
        assert_eq!(percent(5, 0), 0);
        assert_eq!(percent(u64::MAX, u64::MAX), 100);
    }

    #[test]
    fn time_left_is_as_vague_as_it_is_sure_and_never_infinite() {
        assert_eq!(time_left(900).as_deref(), Some("a few seconds"));
        assert_eq!(time_left(38_000).as_deref(), Some("about 40 s"));
        assert_eq!(time_left(59_000).as_deref(), Some("about 1 min"));
        assert_eq!(time_left(119_000).as_deref(), Some("about 2 min"));
        assert_eq!(time_left(3_600_000).as_deref(), Some("about 1 h"));
        assert_eq!(time_left(12_000_000).as_deref(), Some("about 3 h 20 min"));
        assert_eq!(time_left(200_000_000).as_deref(), Some("about 2 days"));
        assert_eq!(time_left(u64::MAX), None);
    }

    #[test]
    fn counts_are_grouped_from_five_digits_on() {
        assert_eq!(count(4_800), "4800");
        assert_eq!(count(2_000_000), "2\u{202f}000\u{202f}000");
        assert_eq!(elapsed(108_000), "1:48");
        assert_eq!(elapsed(7_509_000), "2:05:09");
        assert_eq!(piece_length(262_144).replace('\u{a0}', " "), "256 KiB");
        assert_eq!(ratio(125, 100).as_deref(), Some("1.25"));
        assert_eq!(ratio(1, 0), None);
    }
}
