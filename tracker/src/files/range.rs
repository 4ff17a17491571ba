//! The `Range` header (RFC 9110, section 14).

/// Ranges of one request that are served; a request with more gets the whole file, as if it had named none.
const RANGES_MAX: usize = 64;

/// Bytes of a file from `start`, inclusive, to `end`, exclusive. Never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ByteRange {
    pub(super) start: u64,
    pub(super) end: u64,
}

/// What a `Range` header asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ranges {
    /// Everything: there is no such header, or none that we understand, or it asks for more bytes than there are.
    Whole,
    /// These, at least one, in the order in which they were named.
    Some(Vec<ByteRange>),
    /// Only such as lie outside of the file.
    Unsatisfiable,
}

impl ByteRange {
    pub(super) const fn len(self) -> u64 {
        self.end - self.start
    }
}

/// Reads a header's value for a file of `size` bytes.
pub(super) fn parse(header: &str, size: u64) -> Ranges {
    let Some((unit, set)) = header.split_once('=') else { return Ranges::Whole };
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return Ranges::Whole;
    }
    let mut ranges = Vec::new();
    let mut named = 0;
    for spec in set.split(',').map(str::trim).filter(|spec| !spec.is_empty()) {
        named += 1;
        match range(spec, size) {
            Some(Some(range)) => ranges.push(range),
            Some(None) => {}
            None => return Ranges::Whole,
        }
        if named > RANGES_MAX {
            return Ranges::Whole;
        }
    }
    // Overlapping ranges would let a short request draw a long response many times the file.
    let total = ranges.iter().fold(0_u64, |total, range| total.saturating_add(range.len()));
    match (named, ranges.is_empty()) {
        (0, _) => Ranges::Whole,
        (_, true) => Ranges::Unsatisfiable,
        _ if ranges.len() > 1 && total > size => Ranges::Whole,
        _ => Ranges::Some(ranges),
    }
}

/// `None`: not a range at all. `Some(None)`: one outside of the file.
fn range(spec: &str, size: u64) -> Option<Option<ByteRange>> {
    let (first, last) = spec.split_once('-')?;
    let (first, last) = (first.trim(), last.trim());
    if first.is_empty() {
        let suffix = number(last)?;
        let start = size.saturating_sub(suffix);
        return Some((start < size).then_some(ByteRange { start, end: size }));
    }
    let start = number(first)?;
    let end = if last.is_empty() { size } else { number(last)?.saturating_add(1) };
    if end <= start && !last.is_empty() {
        return None;
    }
    Some((start < size).then_some(ByteRange { start, end: end.min(size) }))
}

/// Digits only; what does not fit is as large as it gets.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn some(ranges: &[(u64, u64)]) -> Ranges {
        Ranges::Some(ranges.iter().map(|&(start, end)| ByteRange { start, end }).collect())
    }

    #[test]
    fn all_forms_are_read() {
        for (header, expected) in [
            ("bytes=0-0", some(&[(0, 1)])),
            ("bytes=0-99", some(&[(0, 100)])),
            ("bytes=0-1000", some(&[(0, 100)])),
            ("bytes=99-", some(&[(99, 100)])),
            ("bytes=-1", some(&[(99, 100)])),
            ("bytes=-1000", some(&[(0, 100)])),
            ("Bytes = 5 - 6", some(&[(5, 7)])),
            ("bytes=0-1, 5-6,-2", some(&[(0, 2), (5, 7), (98, 100)])),
            ("bytes=90-,0-1", some(&[(90, 100), (0, 2)])),
            ("bytes=0-1,200-300", some(&[(0, 2)])),
            ("bytes=0-99999999999999999999999", some(&[(0, 100)])),
            ("bytes=,0-1,", some(&[(0, 2)])),
        ] {
            assert_eq!(parse(header, 100), expected, "{header}");
        }
    }

    #[test]
    fn what_lies_outside_is_unsatisfiable() {
        for header in
            ["bytes=100-", "bytes=100-200", "bytes=-0", "bytes=200-300,400-", "bytes=99999999999999999999-"]
        {
            assert_eq!(parse(header, 100), Ranges::Unsatisfiable, "{header}");
        }
        for header in ["bytes=0-", "bytes=-1", "bytes=0-0"] {
            assert_eq!(parse(header, 0), Ranges::Unsatisfiable, "{header}");
        }
    }

    #[test]
    fn what_is_no_range_is_ignored() {
        for header in [
            "",
            "bytes",
            "bytes=",
            "bytes=,",
            "bytes=-",
            "bytes=a-b",
            "bytes=5-4",
            "bytes=--1",
            "bytes=1-2-3",
            "lines=0-1",
            "bytes=+1-2",
            "bytes=0x1-2",
            "bytes=1.5-2",
            "bytes=0-1;5-6",
            "bytes=0-1,x",
        ] {
            assert_eq!(parse(header, 100), Ranges::Whole, "{header}");
        }
    }

    #[test]
    fn many_or_overlapping_ranges_get_the_whole() {
        assert_eq!(parse("bytes=0-,0-,0-", 100), Ranges::Whole);
        assert_eq!(parse("bytes=0-59,40-99", 100), Ranges::Whole);
        let many = format!("bytes={}", "0-0,".repeat(RANGES_MAX + 1));
        assert_eq!(parse(&many, 100), Ranges::Whole);
    }

    proptest! {
        #[test]
        fn served_ranges_lie_in_the_file(header in "bytes=[0-9, -]{0,40}", size in 0_u64..1_000) {
            if let Ranges::Some(ranges) = parse(&header, size) {
                prop_assert!(!ranges.is_empty());
                prop_assert!(ranges.iter().all(|range| range.start < range.end && range.end <= size));
                prop_assert!(ranges.iter().map(|range| range.len()).sum::<u64>() <= size);
            }
        }

        #[test]
        fn any_text_is_survived(header: String, size: u64) {
            parse(&header, size);
        }
    }
}
