//! The rules of layout and purity that hold in this repository, as a test.
//!
//! Each rule is a function from the [`Tree`] to its violations, with a test of its own that shows it a violation.

mod documents;
mod layering;
mod markers;
mod purity;
mod shape;
mod source;

use std::fmt;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::shell;
use crate::stamp::files_below;
use source::Source;

/// Directories that hold what was built or fetched.
const NOT_OURS: [&str; 5] = [".git/", "target/", "dist/", "tests/fuzz/target/", "tests/fuzz/artifacts/"];
/// A text file beyond this is data.
const LARGEST_TEXT: u64 = 2_000_000;

/// The files of the checkout.
pub(crate) struct Tree {
    /// All paths from the root, with `/`.
    paths: Vec<String>,
    /// The text files among them, Rust or not.
    texts: Vec<Source>,
}

impl Tree {
    pub(crate) fn read(root: &Path) -> Result<Self> {
        let paths = list(root)?;
        let mut texts = Vec::new();
        for path in &paths {
            let file = root.join(path);
            // Deleted but not yet committed, or a link out of the checkout.
            let Ok(metadata) = fs::metadata(&file) else { continue };
            if !metadata.is_file() || metadata.len() > LARGEST_TEXT {
                continue;
            }
            let bytes = fs::read(&file).with_context(|| format!("cannot read {path}"))?;
            if let Ok(text) = String::from_utf8(bytes) {
                texts.push(Source::new(path.clone(), text));
            }
        }
        Ok(Self { paths, texts })
    }

    /// A tree of made-up files.
    #[cfg(test)]
    fn of(files: &[(&str, &str)]) -> Self {
        let paths = files.iter().map(|(path, _)| (*path).to_owned()).collect();
        let texts =
            files.iter().map(|(path, text)| Source::new((*path).to_owned(), (*text).to_owned())).collect();
        Self { paths, texts }
    }

    fn rust(&self) -> impl Iterator<Item = &Source> {
        self.texts.iter().filter(|source| source.path.ends_with(".rs"))
    }

    fn text(&self, path: &str) -> Option<&Source> {
        self.texts.iter().find(|source| source.path == path)
    }

    /// True for a file, and for a directory with files in it.
    fn has(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        self.paths
            .iter()
            .any(|file| file.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
    }
}

/// A place where a rule is broken.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Violation {
    path: String,
    /// From 1; 0 for the file as a whole.
    line: usize,
    message: String,
}

impl Violation {
    fn new(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, message: message.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.message),
            line => write!(f, "{}:{line}: {}", self.path, self.message),
        }
    }
}

/// What a look at the tree found.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) violations: Vec<Violation>,
    /// Worth a thought, but no reason to fail.
    pub(crate) remarks: Vec<Violation>,
}

impl Findings {
    pub(crate) fn print(&self) {
        for remark in &self.remarks {
            eprintln!("remark: {remark}");
        }
        for violation in &self.violations {
            eprintln!("error: {violation}");
        }
        match self.violations.len() {
            0 => println!("tidy"),
            count => println!("{count} violations"),
        }
    }
}

/// Applies every rule.
pub(crate) fn check(tree: &Tree) -> Findings {
    let rules: [fn(&Tree) -> Vec<Violation>; 12] = [
        purity::paths,
        purity::dependencies,
        layering::modules,
        layering::crates,
        shape::too_long,
        shape::names,
        shape::lints,
        markers::notes,
        markers::macros,
        markers::machine_paths,
        documents::named_paths,
        documents::named_tests,
    ];
    let mut violations: Vec<_> = rules.iter().flat_map(|rule| rule(tree)).collect();
    violations.sort();
    violations.dedup();
    Findings { violations, remarks: shape::long(tree) }
}

/// What git knows or would take; without git, everything that is not built.
fn list(root: &Path) -> Result<Vec<String>> {
    let git = shell::output(Command::new("git").current_dir(root).args([
        "ls-files",
        // Without it, names that are not ASCII come quoted.
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ]));
    let mut paths: Vec<String> = match git {
        Some(listing) => listing
            .split('\0')
            .filter(|path| !path.is_empty() && root.join(path).exists())
            .map(str::to_owned)
            .collect(),
        None => files_below(root)?
            .iter()
            .filter_map(|path| path.strip_prefix(root).ok())
            .map(|path| path.to_string_lossy().replace('\\', "/"))
            .filter(|path| !NOT_OURS.iter().any(|directory| path.starts_with(directory)))
            .collect(),
    };
    paths.sort();
    paths.dedup();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rules hold here and now; `cargo test` alone says so too.
    #[test]
    fn this_repository_is_tidy() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a root");
        let findings = check(&Tree::read(root).expect("the tree can be read"));
        let lines: Vec<_> = findings.violations.iter().map(ToString::to_string).collect();
        assert!(lines.is_empty(), "{}", lines.join("\n"));
    }

    #[test]
    fn directories_and_files_are_there() {
        let tree = Tree::of(&[("shared/src/engine/mod.rs", ""), ("README.md", "")]);
        for path in ["shared", "shared/", "shared/src/engine", "shared/src/engine/mod.rs", "README.md"] {
            assert!(tree.has(path), "{path}");
        }
        for path in ["share", "shared/src/eng", "README"] {
            assert!(!tree.has(path), "{path}");
        }
    }
}
