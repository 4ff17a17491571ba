//! Lists in files: one entry a line, and comments behind a `#`.

use std::collections::HashSet;

use shared::id::InfoHash;

use super::network::{Network, Networks};

/// Wrong lines that are named; the rest is counted.
const NAMED: usize = 5;

/// A line that is no entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BadLine {
    /// From 1.
    pub(super) number: usize,
    pub(super) reason: String,
}

/// Info-hashes: 40 hexadecimal or 32 base32 characters; of v2 also 64 hexadecimal ones, of which 20 bytes count, as in
/// announces (BEP 52).
pub(super) fn torrents(text: &str) -> Result<HashSet<InfoHash>, Vec<BadLine>> {
    entries(text, |entry| {
        let is_hex = |text: &str| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let counting = match entry {
            v2 if is_hex(v2) => &v2[..40],
            other => other,
        };
        counting.parse::<InfoHash>().map_err(|error| {
            format!(
                "expected an info-hash (40 or 64 hexadecimal, or 32 base32 characters), found `{}`: {error}",
                short(entry)
            )
        })
    })
}

/// Addresses and networks.
pub(super) fn networks(text: &str) -> Result<Networks, Vec<BadLine>> {
    entries(text, |entry| entry.parse::<Network>().map_err(|error| error.to_string()))
}

fn entries<T, C: FromIterator<T>>(
    text: &str,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<C, Vec<BadLine>> {
    let mut wrong = Vec::new();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let lines = text.lines().zip(1..).filter_map(|(line, number)| {
        let entry = line.split('#').next().unwrap_or_default().trim();
        (!entry.is_empty()).then_some((entry, number))
    });
    let found = lines
        .filter_map(|(entry, number)| {
            parse(entry).map_err(|reason| wrong.push(BadLine { number, reason })).ok()
        })
        .collect();
    if wrong.is_empty() { Ok(found) } else { Err(wrong) }
}

/// Wrong lines in words, each with the file's name.
pub(super) fn said(path: &std::path::Path, wrong: &[BadLine]) -> String {
    let named = wrong.iter().take(NAMED);
    let mut lines: Vec<_> =
        named.map(|BadLine { number, reason }| format!("{}:{number}: {reason}", path.display())).collect();
    if wrong.len() > NAMED {
        lines.push(format!("and {} more", wrong.len() - NAMED));
    }
    lines.join("; ")
}

fn short(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_hashes_of_every_form_and_comments() {
        let hex = "0123456789abcdef0123456789ABCDEF01234567";
        let text = format!(
            "\u{feff}# of ours\n\n{hex}\t# the release\r\n  AERUKZ4JVPG66AJDIVTYTK6N54ASGRLH\n{}\n",
            "ab".repeat(32)
        );
        let set = torrents(&text).unwrap();
        assert_eq!(set.len(), 2, "two forms of one, and one of v2");
        assert!(set.contains(&hex.parse::<InfoHash>().unwrap()));
        assert!(set.contains(&InfoHash([0xab; 20])));
        assert!(torrents("").unwrap().is_empty());
    }

    #[test]
    fn wrong_lines_are_named() {
        let wrong =
            torrents(&format!("# a\n{}\nnonsense\n{}g", "00".repeat(20), "0".repeat(39))).unwrap_err();
        assert_eq!(wrong.iter().map(|line| line.number).collect::<Vec<_>>(), [3, 4]);
        assert!(wrong[0].reason.contains("found `nonsense`"), "{wrong:?}");
        let many = networks(&"x\n".repeat(8)).unwrap_err();
        let said = said(std::path::Path::new("/a/list"), &many);
        assert!(
            said.starts_with("/a/list:1: expected an address or a network") && said.ends_with("; and 3 more"),
            "{said}"
        );
    }
}
