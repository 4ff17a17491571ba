//! A map that cannot rot: what the documents point at is there.

use super::source::line_of;
use super::{Tree, Violation};

/// Directories that exist only after a build.
const BUILT: [&str; 2] = ["target/", "dist/"];

/// Endings that make a word without `/` the name of a file in the root.
const ENDINGS: [&str; 5] = [".rs", ".toml", ".md", ".html", ".css"];

/// Every path in backticks, and every link to a file, in the documents of the root leads to something.
pub(crate) fn named_paths(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    let documents =
        tree.texts.iter().filter(|source| source.path.ends_with(".md") && !source.path.contains('/'));
    for document in documents {
        for (at, word) in in_backticks(&document.text).into_iter().filter(|(_, word)| is_path(tree, word)) {
            if !BUILT.iter().any(|built| word.starts_with(built)) && !tree.has(word) {
                let line = line_of(&document.text, at);
                violations.push(Violation::new(&document.path, line, format!("`{word}` is not there")));
            }
        }
        for (at, target) in links(&document.text) {
            let target = target.split('#').next().unwrap_or(target);
            if !target.is_empty() && !target.contains(':') && !tree.has(target) {
                let line = line_of(&document.text, at);
                violations.push(Violation::new(
                    &document.path,
                    line,
                    format!("link to `{target}`, which is not there"),
                ));
            }
        }
    }
    violations
}

/// A threat model that cannot rot: the tests that SECURITY.md names are tests, and each row of its tables that says who may not do
/// what names one.
pub(crate) fn named_tests(tree: &Tree) -> Vec<Violation> {
    let Some(document) = tree.text("SECURITY.md") else { return Vec::new() };
    let mut violations = Vec::new();
    for (at, word) in in_backticks(&document.text).into_iter().filter(|(_, word)| is_test_name(word)) {
        if !tree.rust().any(|source| has_test(&source.code, word)) {
            let line = line_of(&document.text, at);
            violations.push(Violation::new(&document.path, line, format!("there is no test `{word}`")));
        }
    }
    for (number, line) in document.text.lines().enumerate() {
        let is_row = line.starts_with("| ") && !line.starts_with("| ---") && !line.ends_with("| held by |");
        if is_row && !in_backticks(line).iter().any(|(_, word)| is_test_name(word)) {
            violations.push(Violation::new(&document.path, number + 1, "no test holds this line"));
        }
    }
    violations
}

/// Tests here are named by sentences.
fn is_test_name(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        && word.matches('_').count() >= 2
}

/// Whether a function of this name stands below an attribute that makes it a test.
fn has_test(code: &str, name: &str) -> bool {
    let declared = format!("fn {name}(");
    code.match_indices(&declared).any(|(at, _)| {
        let before = &code[..at];
        let attributes = &before[before.rfind(['}', ';']).map_or(0, |end| end + 1)..];
        attributes.contains("#[test]") || attributes.contains("#[tokio::test")
    })
}

/// True if `word` means a place in this repository.
fn is_path(tree: &Tree, word: &str) -> bool {
    let plain = word.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c));
    if !plain || word.starts_with(['/', '-', '.']) && !word.starts_with(".c") {
        return false;
    }
    match word.split_once('/') {
        // A path starts in a directory of the root; `path/to/file` of an example does not.
        Some((first, _)) => tree.has(first),
        None => ENDINGS.iter().any(|ending| word.ends_with(ending) && word.len() > ending.len()),
    }
}

/// The contents of `` `..` `` on one line, outside of fenced blocks.
fn in_backticks(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut fenced = false;
    let mut start_of_line = 0;
    for line in text.split_inclusive('\n') {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            let mut at = start_of_line;
            for (index, part) in line.split('`').enumerate() {
                if index % 2 == 1 {
                    found.push((at, part));
                }
                at += part.len() + 1;
            }
        }
        start_of_line += line.len();
    }
    found
}

/// The targets of `[..](..)`.
fn links(text: &str) -> Vec<(usize, &str)> {
    let starts = text.match_indices("](").map(|(at, mark)| at + mark.len());
    starts.filter_map(|at| text[at..].find(')').map(|end| (at, &text[at..at + end]))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(text: &str) -> Vec<usize> {
        let tree = Tree::of(&[("ARCHITECTURE.md", text), ("shared/src/time.rs", ""), ("deny.toml", "")]);
        named_paths(&tree).into_iter().map(|violation| violation.line).collect()
    }

    #[test]
    fn the_threat_model_names_tests_that_exist() {
        let row =
            |cell: &str| format!("| may | may not | held by |\n| --- | --- | --- |\n| a | b | {cell} |\n");
        let code = "#[tokio::test]\nasync fn it_is_held() {}\nfn it_is_not_held() {}\n";
        let violations =
            |text: &str| named_tests(&Tree::of(&[("SECURITY.md", text), ("a/tests/b.rs", code)])).len();
        assert_eq!(violations(&row("`it_is_held`")), 0);
        assert_eq!(violations(&row("`it_is_not_held`")), 1, "no test");
        assert_eq!(violations(&row("`it_is_nowhere`")), 1);
        assert_eq!(violations(&row("")), 1, "no name");
        assert_eq!(violations("`it_is_held`, `main`, `a_b`"), 0);
    }

    #[test]
    fn what_is_not_there_is_caught() {
        assert_eq!(broken("The clock:\n`shared/src/clock.rs`"), [2]);
        assert_eq!(broken("`shared/src/gone/` and `gone.toml`"), [1, 1]);
        assert_eq!(broken("see [the clock](shared/src/clock.rs)"), [1]);
    }

    #[test]
    fn what_is_there_and_what_is_no_path_is_left_alone() {
        for text in [
            "`shared/`, `shared/src/time.rs`, `deny.toml`, [x](deny.toml), [y](https://host/a.md), [z](#part)",
            "`target/release/tracker`, `dist/index.html`",
            "`path/to/file`, `/files/NAME`, `std::time`, `cargo xtask run`, `GET /shared`, `application/json`",
            "```\nshared/src/clock.rs `shared/src/clock.rs`\n```\n",
        ] {
            assert!(broken(text).is_empty(), "{text}");
        }
    }
}
