//! What is left lying about: notes to oneself, half-done code, places of one machine.

use super::source::{Source, line_of, words};
use super::{Tree, Violation};

/// Notes to oneself. Here and below written in two parts, so that this file holds none.
const NOTES: [&str; 4] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("X", "XX"), concat!("HA", "CK")];

/// Macros of code that is not done.
const MACROS: [&str; 3] = ["todo", "unimplemented", "dbg"];

/// Directories that exist on one machine only.
const MACHINE_PATHS: [&str; 3] = [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/")];

/// Texts that others wrote.
const FOREIGN: [&str; 4] = ["Cargo.lock", "tests/fuzz/Cargo.lock", "LICENSE-APACHE", "LICENSE-MIT"];

/// No text holds a note to oneself.
pub(crate) fn notes(tree: &Tree) -> Vec<Violation> {
    in_texts(
        tree,
        |text| NOTES.iter().flat_map(|note| words(text, note)).collect(),
        "a note to oneself was left here",
    )
}

/// No text names a directory of the machine that it was written on.
pub(crate) fn machine_paths(tree: &Tree) -> Vec<Violation> {
    let find = |text: &str| {
        let places = MACHINE_PATHS.iter().flat_map(|path| text.match_indices(path)).map(|(at, _)| at);
        // `frame/work/` and `https://host/root/` are not absolute paths.
        let absolute = |at: &usize| {
            !text[..*at].ends_with(|before: char| before.is_alphanumeric() || "._-}/~".contains(before))
        };
        places.filter(absolute).collect()
    };
    in_texts(tree, find, "a path of one machine")
}

/// No code is half done.
pub(crate) fn macros(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    for source in tree.rust() {
        for name in MACROS {
            for at in words(&source.code, name) {
                if source.code[at + name.len()..].starts_with('!') {
                    violations.push(Violation::new(
                        &source.path,
                        line_of(&source.code, at),
                        format!("`{name}!`"),
                    ));
                }
            }
        }
    }
    violations
}

fn in_texts(tree: &Tree, find: impl Fn(&str) -> Vec<usize>, message: &str) -> Vec<Violation> {
    let ours = tree.texts.iter().filter(|source| !FOREIGN.contains(&source.path.as_str()));
    let violations = |source: &Source| -> Vec<Violation> {
        let places = find(&source.text).into_iter();
        places.map(|at| Violation::new(&source.path, line_of(&source.text, at), message)).collect()
    };
    ours.flat_map(violations).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_to_oneself_are_caught_everywhere() {
        for note in NOTES {
            for path in ["shared/src/a.rs", "www/a.css", "README.md", "shared/src/tests.rs"] {
                assert_eq!(
                    notes(&Tree::of(&[(path, &format!("\n// {note}: later"))])).len(),
                    1,
                    "{path} {note}"
                );
            }
        }
        assert!(notes(&Tree::of(&[("a.md", "TODOS HACKNEY"), ("Cargo.lock", NOTES[0])])).is_empty());
    }

    #[test]
    fn half_done_code_is_caught() {
        let text =
            "fn f() {\n    todo!()\n}\nfn g() { dbg!(1); unimplemented!(\"x\") }\n// todo!()\nfn todo() {}";
        let lines: Vec<_> =
            macros(&Tree::of(&[("a.rs", text)])).into_iter().map(|violation| violation.line).collect();
        assert_eq!(lines, [2, 4, 4]);
    }

    #[test]
    fn paths_of_one_machine_are_caught() {
        for path in MACHINE_PATHS {
            assert_eq!(machine_paths(&Tree::of(&[("a.md", &format!("see {path}notes"))])).len(), 1, "{path}");
            assert_eq!(machine_paths(&Tree::of(&[("a.rs", &format!("\"{path}x\""))])).len(), 1, "{path}");
            assert!(
                machine_paths(&Tree::of(&[("a.md", &format!("https://host{path} a-b{path}"))])).is_empty(),
                "{path}"
            );
        }
    }
}
