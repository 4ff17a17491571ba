//! Who may use whom: between the crates, and between the modules of `shared`.

use super::{Tree, Violation};

/// The modules of `shared`, from what uses to what is used. Each may use the layers after its own; its neighbours in the
/// same layer do not know it.
const LAYERS: [&[&str]; 8] = [
    &["engine"],
    &["torrent", "dht"],
    &["peer", "picker", "choker"],
    &["wire", "metainfo", "tracker", "magnet", "stun"],
    &["bencode"],
    &["bitfield", "rate", "statistics", "text", "units", "url"],
    &["address", "id", "layout"],
    &["time", "rng", "limits"],
];

/// Modules that stand above all layers: the crate's surface, and the bodies of the fuzz targets.
const ABOVE: [&str; 2] = ["lib", "fuzz"];

/// The crates of the workspace, and which of them each may depend on.
const CRATES: [(&str, &[&str]); 9] = [
    ("shared/Cargo.toml", &[]),
    ("web/Cargo.toml", &["shared"]),
    ("peer/Cargo.toml", &["shared"]),
    ("tracker/Cargo.toml", &["shared", "peer"]),
    ("xtask/Cargo.toml", &[]),
    ("tests/sim/Cargo.toml", &["shared", "tracker", "peer"]),
    ("tests/load/Cargo.toml", &["shared"]),
    ("tests/e2e/Cargo.toml", &["shared", "tracker", "peer", "web", "sim"]),
    ("tests/fuzz/Cargo.toml", &["shared", "tracker", "peer", "sim"]),
];

const OWN: [&str; 9] = ["shared", "web", "peer", "tracker", "xtask", "sim", "load", "e2e", "fuzz"];

/// In `shared`, nothing uses what stands above it or beside it.
pub(crate) fn modules(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    for source in tree.rust() {
        let Some(within) = source.path.strip_prefix("shared/src/") else { continue };
        let module = module_path(within);
        let Some(own) = module.first() else { continue };
        if ABOVE.contains(own) {
            continue;
        }
        let Some(own_layer) = layer(own) else {
            let message = format!("module `{own}` has no layer; give it one in xtask/src/tidy/layering.rs");
            violations.push(Violation::new(&source.path, 0, message));
            continue;
        };
        for (line, path) in source.shipped_paths() {
            let Some(used) = top_module(&path, &module) else { continue };
            let allowed = used == *own || layer(&used).is_some_and(|layer| layer > own_layer);
            // What is no module is an item of the crate's root, which has none but modules.
            if layer(&used).is_some() && !allowed {
                let message =
                    format!("`{own}` may not use `{used}`: it stands {} it", where_stands(&used, own_layer));
                violations.push(Violation::new(&source.path, line, message));
            }
        }
    }
    violations
}

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

fn where_stands(used: &str, own_layer: usize) -> &'static str {
    if layer(used) == Some(own_layer) { "beside" } else { "above" }
}

/// `["torrent", "pieces"]` for `torrent/pieces.rs`, `["torrent"]` for `torrent/mod.rs` and `torrent.rs`.
fn module_path(within: &str) -> Vec<&str> {
    let mut module: Vec<&str> = within.trim_end_matches(".rs").split('/').collect();
    if module.last() == Some(&"mod") {
        module.pop();
    }
    module
}

/// The module under the crate's root that `path`, written in `module`, goes through.
fn top_module(path: &str, module: &[&str]) -> Option<String> {
    let mut segments = path.split("::").peekable();
    let mut from: Vec<&str> = match segments.peek() {
        Some(&"crate") => {
            segments.next();
            Vec::new()
        }
        Some(&"super") => module.to_vec(),
        _ => return None,
    };
    while segments.peek() == Some(&"super") {
        segments.next();
        from.pop();
    }
    from.extend(segments);
    from.first().map(|&first| first.to_owned())
}

/// No crate depends on one that it may not know.
pub(crate) fn crates(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    for manifest in tree.texts.iter().filter(|source| source.path.ends_with("/Cargo.toml")) {
        let Some((_, allowed)) = CRATES.iter().find(|(path, _)| *path == manifest.path) else {
            let message = "a crate that xtask/src/tidy/layering.rs does not know: say there what it may use";
            violations.push(Violation::new(&manifest.path, 0, message));
            continue;
        };
        for dependency in dependencies(&manifest.text) {
            if OWN.contains(&dependency.name) && !allowed.contains(&dependency.name) {
                let message = format!("may not depend on `{}`", dependency.name);
                violations.push(Violation::new(&manifest.path, dependency.line, message));
            }
        }
    }
    violations
}

/// A line of one of a manifest's tables of dependencies.
pub(crate) struct Dependency<'a> {
    pub(crate) name: &'a str,
    /// From 1.
    pub(crate) line: usize,
    pub(crate) for_tests: bool,
}

pub(crate) fn dependencies(manifest: &str) -> impl Iterator<Item = Dependency<'_>> {
    let mut table = "";
    manifest.lines().enumerate().filter_map(move |(index, line)| {
        let line = line.trim();
        let number = index + 1;
        if let Some(header) = line.strip_prefix('[') {
            table = header.trim_end_matches(']');
            // `[dependencies.NAME]`
            let (_, name) = table.split_once("dependencies.")?;
            return Some(Dependency { name, line: number, for_tests: table.contains("dev-") });
        }
        if !table.ends_with("dependencies") || line.starts_with('#') {
            return None;
        }
        let name = line.split(['.', '=', ' ']).next().filter(|name| !name.is_empty())?;
        Some(Dependency { name, line: number, for_tests: table.contains("dev-") })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(path: &str, text: &str) -> bool {
        !modules(&Tree::of(&[(path, text)])).is_empty()
    }

    #[test]
    fn using_what_stands_above_or_beside_is_caught() {
        for (path, text) in [
            ("shared/src/torrent/mod.rs", "use crate::engine::Effect;"),
            ("shared/src/torrent/mod.rs", "use super::engine::Effect;"),
            ("shared/src/torrent/pieces.rs", "use super::super::engine::Effect;"),
            ("shared/src/picker/mod.rs", "use crate::choker::Choker;"),
            ("shared/src/bencode/decode.rs", "fn f() { crate::wire::decode() }"),
            ("shared/src/id.rs", "use crate::{limits, bencode::Value};"),
            ("shared/src/time.rs", "use crate::rng::Rng;"),
        ] {
            assert!(broken(path, text), "{path}: {text}");
        }
    }

    #[test]
    fn using_what_stands_below_is_right() {
        for (path, text) in [
            ("shared/src/engine/mod.rs", "use crate::torrent::Torrent;\nuse super::limits;"),
            (
                "shared/src/torrent/mod.rs",
                "mod pieces;\nuse self::pieces::Pieces;\nuse crate::{picker, id::InfoHash};",
            ),
            ("shared/src/torrent/pieces.rs", "use super::state::State;"),
            ("shared/src/lib.rs", "pub use crate::engine::Engine;"),
            ("shared/src/id.rs", "#[cfg(test)]\nmod tests { use crate::engine::Engine; }"),
            ("web/src/client/mod.rs", "use crate::engine::Engine;"),
        ] {
            assert!(!broken(path, text), "{path}: {text}");
        }
    }

    #[test]
    fn a_module_without_a_layer_is_caught() {
        assert!(broken("shared/src/stuff.rs", ""));
        assert!(broken("shared/src/stuff/mod.rs", ""));
    }

    #[test]
    fn crates_that_know_too_much_are_caught() {
        let tree = Tree::of(&[
            ("shared/Cargo.toml", "[package]\nname = \"shared\"\n[dependencies]\ntracker.workspace = true\n"),
            (
                "web/Cargo.toml",
                "[dependencies]\nshared.workspace = true\n[dev-dependencies.tracker]\nworkspace = true\n",
            ),
            ("peer/Cargo.toml", "[dependencies]\nshared = { path = \"../shared\" }\n"),
            ("new/Cargo.toml", ""),
        ]);
        let found: Vec<_> =
            crates(&tree).into_iter().map(|violation| (violation.path, violation.line)).collect();
        let wanted = [("shared/Cargo.toml", 4), ("web/Cargo.toml", 3), ("new/Cargo.toml", 0)];
        assert_eq!(found, wanted.map(|(path, line)| (path.to_owned(), line)));
    }
}
