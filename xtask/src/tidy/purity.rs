//! Rule 2 of the design: the engine and the swarm take time, randomness and bytes from outside, and nothing else.

use super::source::Source;
use super::{Tree, Violation};

/// Where the code is pure.
const PURE: [&str; 7] = [
    "shared/src/",
    "tracker/src/swarm/",
    "tracker/src/cluster/codec/",
    "tracker/src/cluster/digest.rs",
    "tracker/src/cluster/replica/",
    "tracker/src/cluster/store.rs",
    "tracker/src/cluster/tally.rs",
];

/// What pure code does not name, and why.
const BANNED: [(&str, &str); 26] = [
    ("std::time", "time comes in as shared::time::Instant; only Duration is a plain value"),
    ("std::net", "the host opens sockets"),
    ("std::fs", "the host reads and writes"),
    ("std::thread", "the engine never waits, and tells nobody else to"),
    ("std::env", "configuration comes in as a value"),
    ("std::process", "a panic or an exit is never the answer to an input"),
    ("std::collections::hash_map", "iteration order differs from run to run"),
    ("std::collections::hash_set", "iteration order differs from run to run"),
    ("std::hash::RandomState", "it differs from run to run"),
    ("HashMap", "iteration order differs from run to run; use BTreeMap"),
    ("HashSet", "iteration order differs from run to run; use BTreeSet"),
    ("hashbrown", "iteration order is not part of its promise; use BTreeMap"),
    ("tokio", "the host has the runtime"),
    ("axum", "frontends speak HTTP"),
    ("web_sys", "the host talks to the browser"),
    ("js_sys", "the host talks to the browser"),
    ("wasm_bindgen", "the host talks to the browser"),
    ("gloo_timers", "the host has the timers"),
    ("getrandom", "randomness is forked from the engine's seed"),
    ("rand::rng", "randomness is forked from the engine's seed"),
    ("rand::random", "randomness is forked from the engine's seed"),
    ("rand::thread_rng", "randomness is forked from the engine's seed"),
    ("println", "events say what happened; logs go through tracing"),
    ("eprintln", "events say what happened; logs go through tracing"),
    ("parking_lot", "one caller at a time: the host locks"),
    ("unsafe", "the workspace forbids it"),
];

/// Values, neither clocks nor sockets.
const HARMLESS: [&str; 5] = [
    "std::time::Duration",
    "std::net::IpAddr",
    "std::net::Ipv4Addr",
    "std::net::Ipv6Addr",
    "std::net::SocketAddr",
];

/// Crates that pure code must not even depend on.
const IMPURE_CRATES: [&str; 11] = [
    "tokio",
    "axum",
    "hyper",
    "web-sys",
    "js-sys",
    "wasm-bindgen",
    "getrandom",
    "rand",
    "gloo-timers",
    "socket2",
    "parking_lot",
];

/// Exceptions, to be lowered and never raised: file, name, how often, why that is harmless.
const EXCEPTIONS: [(&str, &str, usize, &str); 1] =
    [("tracker/src/swarm/index.rs", "hashbrown", 1, "looked up there, and never gone through")];

/// No pure file names a clock, a socket, a file, a thread, a global generator or a map with an order of its own.
pub(crate) fn paths(tree: &Tree) -> Vec<Violation> {
    let pure = tree.rust().filter(|source| PURE.iter().any(|directory| source.path.starts_with(directory)));
    pure.flat_map(|source| impurities(source, &EXCEPTIONS)).collect()
}

fn impurities(source: &Source, exceptions: &[(&str, &str, usize, &str)]) -> Vec<Violation> {
    let mut violations = Vec::new();
    let named = source.shipped_paths();
    for (banned, reason) in BANNED {
        let mut lines: Vec<_> =
            named.iter().filter(|(_, path)| names(path, banned)).map(|(line, _)| *line).collect();
        let excused = exceptions
            .iter()
            .find(|(path, name, ..)| *path == source.path && *name == banned)
            .map_or(0, |e| e.2);
        if lines.len() > excused {
            lines.drain(..excused);
            violations.extend(
                lines
                    .into_iter()
                    .map(|line| Violation::new(&source.path, line, format!("`{banned}`: {reason}"))),
            );
        } else if lines.len() < excused {
            let message =
                format!("`{banned}` occurs {} times: lower its exception from {excused}", lines.len());
            violations.push(Violation::new(&source.path, 0, message));
        }
    }
    violations
}

/// True if `path` is `banned`, or goes through it.
fn names(path: &str, banned: &str) -> bool {
    let path = path.strip_prefix("core::").map_or_else(|| path.to_owned(), |rest| format!("std::{rest}"));
    let through = |name: &str| path == name || path.starts_with(&format!("{name}::"));
    if HARMLESS.into_iter().any(through) {
        return false;
    }
    if banned.contains("::") { through(banned) } else { path.split("::").any(|segment| segment == banned) }
}

/// `shared` does not depend on what would let it be impure.
pub(crate) fn dependencies(tree: &Tree) -> Vec<Violation> {
    let Some(manifest) = tree.text("shared/Cargo.toml") else { return Vec::new() };
    super::layering::dependencies(&manifest.text)
        .filter(|dependency| !dependency.for_tests && IMPURE_CRATES.contains(&dependency.name))
        .map(|dependency| {
            let message = format!("`{}` has no place under a pure engine", dependency.name);
            Violation::new(&manifest.path, dependency.line, message)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<usize> {
        paths(&Tree::of(&[("shared/src/picker/mod.rs", text)]))
            .into_iter()
            .map(|violation| violation.line)
            .collect()
    }

    #[test]
    fn each_kind_of_impurity_is_caught() {
        for text in [
            "use std::time::Instant;",
            "use std::time::SystemTime;",
            "use std::{time::Instant as Clock};",
            "use std::time;",
            "use std::time::*;",
            "fn f() { let now = std::time::Instant::now(); }",
            "fn f() { let now = core::time::Instant::now(); }",
            "use std::net::UdpSocket;",
            "fn f() { std::fs::read(p) }",
            "fn f() { std::thread::spawn(g); }",
            "use std::env;",
            "use tokio::sync::mpsc;",
            "use ::tokio::time;",
            "use web_sys::Window;",
            "use js_sys::Date;",
            "fn f() { getrandom::fill(&mut b) }",
            "fn f() { rand::rng() }",
            "use std::collections::HashMap;",
            "use std::collections::{BTreeMap, HashSet};",
            "fn f(m: &std::collections::HashMap<u8, u8>) {}",
            "fn f() { println!(); }",
            "fn f() { unsafe { g() } }",
        ] {
            assert_eq!(lines(text), [1], "{text}");
        }
    }

    #[test]
    fn values_comments_tests_and_other_crates_may() {
        for text in [
            "use std::time::Duration;",
            "use core::time::Duration;",
            "use core::net::{IpAddr, Ipv4Addr};",
            "use crate::time::Instant;",
            "use std::collections::BTreeMap;",
            "// std::time::Instant would not do here\n",
            "#[cfg(test)]\nmod tests { use std::time::Instant; }",
            "fn f() -> &'static str { \"tokio\" }",
        ] {
            assert!(lines(text).is_empty(), "{text}");
        }
        assert!(paths(&Tree::of(&[("web/src/clock.rs", "use std::time::Instant;")])).is_empty());
        assert_eq!(paths(&Tree::of(&[("tracker/src/swarm/mod.rs", "use tokio::net;")])).len(), 1);
    }

    #[test]
    fn exceptions_are_counted_both_ways() {
        let source = Source::new(
            "shared/src/a.rs".into(),
            "use std::collections::HashMap;\ntype A = HashMap<u8, u8>;".into(),
        );
        let count = |excused| {
            impurities(&source, &[("shared/src/a.rs", "HashMap", excused, "looked up, never iterated")]).len()
        };
        assert_eq!((count(0), count(1), count(2), count(3)), (2, 1, 0, 1));
    }

    #[test]
    fn an_impure_dependency_is_caught() {
        let manifest =
            "[dependencies]\nbytes.workspace = true\ntokio = \"1\"\n[dev-dependencies]\nrand = \"1\"\n";
        let found = dependencies(&Tree::of(&[("shared/Cargo.toml", manifest)]));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].line, 3);
    }
}
