//! Files: how long, how named, under which lints.

use super::source::{Source, is_test_file, line_of};
use super::{Tree, Violation};

/// Longer than this is worth a thought.
const LONG: usize = 500;
/// Longer than this is two files.
const TOO_LONG: usize = 800;

/// Names that say nothing about what is inside.
const EMPTY_NAMES: [&str; 8] = ["utils", "util", "helpers", "helper", "manager", "common", "misc", "stuff"];

/// No Rust file is longer than 800 lines, tests not counted.
pub(crate) fn too_long(tree: &Tree) -> Vec<Violation> {
    lengths(tree)
        .filter(|(_, lines)| *lines > TOO_LONG)
        .map(|(source, lines)| Violation::new(&source.path, 0, format!("{lines} lines; at most {TOO_LONG}")))
        .collect()
}

/// Files between the two limits, for a remark.
pub(crate) fn long(tree: &Tree) -> Vec<Violation> {
    lengths(tree)
        .filter(|(_, lines)| (LONG + 1..=TOO_LONG).contains(lines))
        .map(|(source, lines)| Violation::new(&source.path, 0, format!("{lines} lines; aim at {LONG}")))
        .collect()
}

/// Lines of each file without those of its tests; blank lines at the end are those of the tests that were taken out.
fn lengths(tree: &Tree) -> impl Iterator<Item = (&Source, usize)> {
    tree.rust().filter(|source| !is_test_file(&source.path)).map(|source| {
        let tests = source.code.lines().zip(source.shipped.lines());
        let inside_tests =
            tests.filter(|(code, shipped)| !code.trim().is_empty() && shipped.trim().is_empty()).count();
        (source, source.text.lines().count() - inside_tests)
    })
}

/// No file or directory has an empty name, test support excepted.
pub(crate) fn names(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    for path in &tree.paths {
        if path.starts_with("tests/") || is_test_file(path) {
            continue;
        }
        for component in path.split('/') {
            let stem = component.split('.').next().unwrap_or(component);
            if EMPTY_NAMES.contains(&stem) {
                violations.push(Violation::new(
                    path,
                    0,
                    format!("`{stem}` says nothing about what is inside"),
                ));
            }
        }
    }
    violations
}

/// Every crate is under the workspace's lints, and departs from one only with a reason.
pub(crate) fn lints(tree: &Tree) -> Vec<Violation> {
    let manifests = tree.texts.iter().filter(|source| source.path.ends_with("/Cargo.toml"));
    let unlinted = manifests
        // The fuzz targets are a workspace of their own, with a macro that needs what ours forbids.
        .filter(|manifest| manifest.path != "tests/fuzz/Cargo.toml")
        .filter(|manifest| !manifest.text.contains("[lints]\nworkspace = true"))
        .map(|manifest| Violation::new(&manifest.path, 0, "lacks `[lints]` with `workspace = true`"));
    let allowed = tree.rust().flat_map(|source| {
        ["#[allow(", "#![allow("].into_iter().flat_map(|attribute| source.code.match_indices(attribute)).map(
            |(at, _)| {
                let message = "`allow` hides what is no longer so: use `#[expect(.., reason = \"..\")]`";
                Violation::new(&source.path, line_of(&source.code, at), message)
            },
        )
    });
    unlinted.chain(allowed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_files_are_caught_but_not_for_their_tests() {
        let lines = |n: usize| "fn f() {}\n".repeat(n);
        let with_tests = format!("{}#[cfg(test)]\nmod tests {{\n{}}}\n", lines(400), lines(2000));
        let tree = Tree::of(&[
            ("a/src/fine.rs", &lines(500)),
            ("a/src/long.rs", &lines(501)),
            ("a/src/too_long.rs", &lines(801)),
            ("a/src/tests.rs", &lines(3000)),
            ("a/src/tested.rs", &with_tests),
        ]);
        let paths =
            |found: Vec<Violation>| found.into_iter().map(|violation| violation.path).collect::<Vec<_>>();
        assert_eq!(paths(too_long(&tree)), ["a/src/too_long.rs"]);
        assert_eq!(paths(long(&tree)), ["a/src/long.rs"]);
    }

    #[test]
    fn empty_names_are_caught() {
        let tree = Tree::of(&[
            ("web/src/utils.rs", ""),
            ("web/src/helpers/mod.rs", ""),
            ("tracker/tests/common/mod.rs", ""),
            ("web/src/communication.rs", ""),
        ]);
        assert_eq!(names(&tree).len(), 2);
    }

    #[test]
    fn crates_without_lints_and_allowances_are_caught() {
        let tree = Tree::of(&[
            ("peer/Cargo.toml", "[package]\n"),
            ("web/Cargo.toml", "[package]\n[lints]\nworkspace = true\n"),
            (
                "web/src/a.rs",
                "#[expect(dead_code, reason = \"x\")]\n#[allow(dead_code)]\nfn f() {}\n// #[allow(x)]",
            ),
        ]);
        let found: Vec<_> =
            lints(&tree).into_iter().map(|violation| (violation.path, violation.line)).collect();
        assert_eq!(found, [("peer/Cargo.toml".to_owned(), 0), ("web/src/a.rs".to_owned(), 2)]);
    }
}
