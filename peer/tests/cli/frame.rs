//! What all verbs have in common.

use std::path::Path;

use super::support::{peer, run};

const VERBS: [&str; 7] = ["seed", "download", "create", "info", "compare", "stress", "completions"];

#[test]
fn help_of_every_verb_ends_in_an_example_and_tells_exit_codes() {
    let here = Path::new(".");
    let whole = run(here, &["--help"]);
    assert_eq!(whole.code, 0);
    for verb in VERBS {
        assert!(whole.stdout.contains(&format!("  {verb} ")), "{verb}");
        let help = run(here, &[verb, "--help"]);
        assert_eq!(help.code, 0, "{verb}");
        let (before, example) = help.stdout.trim_end().rsplit_once("Example:\n").expect(verb);
        assert!(example.starts_with(&format!("  peer {verb} ")), "{example}");
        assert!(
            verb == "completions" || (before.contains("Exit codes:") && before.contains("--json")),
            "{verb}"
        );
        assert!(help.stderr.is_empty(), "{verb}");
    }
}

#[test]
fn what_makes_no_sense_is_refused_with_code_2_and_named() {
    let here = Path::new(".");
    for (arguments, named) in [
        (&[][..], "Usage"),
        (&["seed"], "PATH"),
        (&["frobnicate"], "frobnicate"),
        (&["create", "x", "--piece-length", "lots"], "expected a size such as 812, 10M"),
        (&["create", "x", "--piece-length", "17k"], "a power of two"),
        (&["create", "x", "--tracker", "ftp://h/"], "expected a URL with one of the schemes"),
        (&["create", "x", "--out", "-", "--json"], "cannot both go to standard output"),
        (&["download", "x", "--timeout", "soon"], "expected a duration such as 250ms"),
        (&["download", "x", "--upload-limit", "0"], "expected bytes a second such as 500k"),
        (&["download", "x", "--peer", "nowhere"], "expected a host and a port"),
        (&["download", "hello"], "expected a magnet link, a share link or an info-hash"),
        (&["download", "magnet:?dn=x"], "urn:btih"),
        (&["info", "http://host/"], "info contacts nobody"),
        (&["info", "--log", "=,=", "x"], "--log"),
        (&["seed", "x", "--listen", "here"], "expected a port or an address"),
        (&["seed", "x", "--stun", "turn:h:1"], "expected a STUN server"),
        (&["seed", "x", "--exit-after", "often"], "expected a number of copies"),
    ] {
        let ran = run(here, arguments);
        assert_eq!(ran.code, 2, "{arguments:?}: {ran:?}");
        assert!(
            ran.stderr.contains(named) && ran.stdout.is_empty() != arguments.contains(&"--json"),
            "{ran:?}"
        );
    }
}

#[test]
fn what_is_not_there_has_code_3_in_text_and_json() {
    let directory = tempfile::tempdir().expect("a directory");
    for arguments in
        [&["create", "gone"][..], &["seed", "gone"], &["info", "gone.torrent"], &["download", "a/gone"]]
    {
        let ran = run(directory.path(), arguments);
        assert_eq!(ran.code, 3, "{ran:?}");
        assert!(
            ran.stderr.starts_with("peer: ") && ran.stderr.contains("gone") && ran.stdout.is_empty(),
            "{ran:?}"
        );
        let json = run(directory.path(), &[arguments, &["--json"]].concat()).json();
        assert_eq!((&json["code"], json["error"].is_string()), (&3.into(), true));
    }
}

#[test]
fn flags_may_stand_in_the_environment() {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("a"), "contents").expect("written");
    let mut command = peer();
    command.current_dir(directory.path()).args(["create", "a"]);
    command.env("PIECEMEAL_JSON", "1").env("PIECEMEAL_PRIVATE", "yes");
    command.env("PIECEMEAL_TRACKER", "ws://a.example/x udp://b.example:1");
    let json = super::support::Ran::of(&command.output().expect("it runs")).json();
    assert_eq!(json["private"], true);
    let magnet = json["magnet"].as_str().expect("a link");
    assert!(magnet.ends_with("&tr=ws%3A%2F%2Fa.example%2Fx&tr=udp%3A%2F%2Fb.example%3A1"), "{magnet}");
}

#[test]
fn shells_get_completions_for_every_verb() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = run(Path::new("."), &["completions", shell]);
        assert_eq!(ran.code, 0);
        assert!(
            VERBS.iter().all(|verb| ran.stdout.contains(verb)) && ran.stdout.contains("exit-after"),
            "{shell}"
        );
    }
    assert_eq!(run(Path::new("."), &["completions", "command.com"]).code, 2);
}
