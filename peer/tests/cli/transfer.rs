//! Two binaries, a file between them.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::support::{Ran, noise, peer, run};

/// Nobody listens there.
const NO_TRACKER: &str = "http://127.0.0.1:9/announce";

/// A binary that runs, and tells what happens as JSON.
struct Running {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Running {
    fn start(directory: &Path, arguments: &[&str]) -> Self {
        let mut command = peer();
        command.current_dir(directory).args(arguments).args(["--json-lines", "--transport", "tcp"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        let lines = BufReader::new(child.stdout.take().expect("piped"));
        Self { child, lines }
    }

    /// The next event for which this holds.
    fn wait_for(&mut self, is: impl Fn(&Value) -> bool) -> Value {
        loop {
            let mut line = String::new();
            let read = self.lines.read_line(&mut line).expect("readable");
            assert!(read > 0, "it ended: {:?}", self.child.wait_with_output_of_stderr());
            let event: Value = serde_json::from_str(&line).expect("JSON");
            if is(&event) {
                return event;
            }
        }
    }

    fn interrupt(&self) {
        let pid = Pid::from_raw(self.child.id().cast_signed()).expect("a process");
        kill_process(pid, Signal::INT).expect("it runs");
    }

    /// Exit code and the last object.
    fn end(mut self) -> (i32, Value) {
        let end = self.wait_for(|event| event["event"] == "end");
        (self.child.wait().expect("it ended").code().unwrap_or(-1), end)
    }
}

trait Stderr {
    fn wait_with_output_of_stderr(&mut self) -> String;
}

impl Stderr for Child {
    fn wait_with_output_of_stderr(&mut self) -> String {
        let mut text = String::new();
        if let Some(stderr) = &mut self.stderr {
            let _ = std::io::Read::read_to_string(stderr, &mut text);
        }
        text
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Shares `name` of `directory` on a port of the system's choice; answers the event that says so.
fn seed(directory: &Path, name: &str, more: &[&str]) -> (Running, Value) {
    let arguments = [&["seed", name, "--listen", "127.0.0.1:0", "--tracker", NO_TRACKER][..], more].concat();
    let mut running = Running::start(directory, &arguments);
    let shared = running.wait_for(|event| event["event"] == "sharing");
    (running, shared)
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

fn download(directory: &Path, what: &str, from: &str) -> Ran {
    let listen = ["--listen", "127.0.0.1:0", "--transport", "tcp"];
    run(
        directory,
        &[&["download", what, "--peer", from, "--out", "got", "--timeout", "20s", "--json"][..], &listen]
            .concat(),
    )
}

#[test]
fn a_file_goes_from_one_binary_to_the_other_by_its_hash_alone() {
    let directory = tempfile::tempdir().expect("a directory");
    let contents = noise(3_000_000, 11);
    std::fs::write(directory.path().join("a.bin"), &contents).expect("written");
    let (running, shared) = seed(directory.path(), "a.bin", &["--exit-after", "1"]);
    let ran = download(directory.path(), text(&shared["info_hash"]), text(&shared["listen"]));
    assert_eq!(ran.code, 0, "{ran:?}");
    let got = ran.json();
    assert_eq!((&got["path"], &got["bytes"]), (&"got/a.bin".into(), &3_000_000.into()));
    assert_eq!((&got["peers"], &got["resumed"], &got["wasted"]), (&1.into(), &0.into(), &0.into()));
    assert_eq!(std::fs::read(directory.path().join("got/a.bin")).expect("there"), contents);
    let (code, end) = running.end();
    assert_eq!((code, &end["torrents"][0]["copies"]), (0, &1.into()), "{end}");
}

#[test]
fn a_folder_arrives_whole_from_a_torrent_and_is_known_when_it_is_there() {
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path().join("trip");
    std::fs::create_dir_all(root.join("deep")).expect("made");
    for (name, length) in [("a", 100_000), ("deep/b", 200_000), ("empty", 0), (".c", 1)] {
        std::fs::write(root.join(name), noise(length, 3)).expect("written");
    }
    assert_eq!(run(directory.path(), &["create", "trip"]).code, 0);
    let (running, shared) = seed(directory.path(), "trip", &[]);
    let from = text(&shared["listen"]);
    let ran = download(directory.path(), "trip.torrent", from);
    assert_eq!(ran.code, 0, "{ran:?}");
    let check = run(directory.path(), &["info", "trip.torrent", "--check", "got/trip"]);
    assert_eq!(check.code, 0, "{check:?}");
    let again = download(directory.path(), "trip.torrent", from).json();
    assert_eq!((&again["resumed"], &again["downloaded"]), (&300_001.into(), &0.into()));
    running.interrupt();
    assert_eq!(running.end().0, 0, "interrupted is how sharing is meant to end");
}

#[test]
fn an_interrupted_download_goes_on_and_fetches_nothing_twice() {
    let directory = tempfile::tempdir().expect("a directory");
    let contents = noise(8_000_000, 5);
    std::fs::write(directory.path().join("a.bin"), &contents).expect("written");
    let (_running, shared) = seed(directory.path(), "a.bin", &[]);
    let (hash, from) = (text(&shared["info_hash"]), text(&shared["listen"]));
    let slow = [
        "download",
        hash,
        "--peer",
        from,
        "--out",
        "got",
        "--download-limit",
        "2M",
        "--listen",
        "127.0.0.1:0",
    ];
    let mut first = Running::start(directory.path(), &slow);
    first.wait_for(|event| event["verified"].as_u64() > Some(500_000));
    first.interrupt();
    let (code, end) = first.end();
    assert_eq!((code, &end["code"]), (130, &130.into()), "{end}");
    assert!(text(&end["error"]).contains("the same command goes on from there"), "{end}");
    let safe = end["verified"].as_u64().expect("a number");
    assert!((500_000..8_000_000).contains(&safe), "{safe}");

    let second = download(directory.path(), hash, from).json();
    let resumed = second["resumed"].as_u64().expect("a number");
    assert!(resumed >= safe, "{second}");
    assert_eq!(second["downloaded"].as_u64(), Some(8_000_000 - resumed), "{second}");
    assert_eq!(std::fs::read(directory.path().join("got/a.bin")).expect("there"), contents);
}

#[test]
fn a_download_that_was_killed_half_way_fetches_no_verified_piece_twice() {
    const TOTAL: u64 = 300_000_000;
    let directory = tempfile::tempdir().expect("a directory");
    let contents = noise(TOTAL as usize, 7);
    std::fs::write(directory.path().join("a.bin"), &contents).expect("written");
    let (_running, shared) = seed(directory.path(), "a.bin", &[]);
    let (hash, from) = (text(&shared["info_hash"]), text(&shared["listen"]));
    let slow = ["--download-limit", "60M", "--listen", "127.0.0.1:0"];
    let mut first = Running::start(
        directory.path(),
        &[&["download", hash, "--peer", from, "--out", "got"][..], &slow].concat(),
    );
    let record = directory.path().join("got/.piecemeal").join(hash).join("resume");
    first.wait_for(|event| event["verified"].as_u64() > Some(0));
    let old = std::fs::read(&record).expect("a record");
    let last = first.wait_for(|event| event["verified"].as_u64() >= Some(TOTAL / 2));
    first.child.kill().expect("SIGKILL");
    first.child.wait().expect("it ended");
    let verified = last["verified"].as_u64().expect("a number");
    assert!(verified < TOTAL, "{last}");
    // As if nothing had been recorded since: what is on the disk counts.
    std::fs::write(&record, old).expect("written");

    let second = download(directory.path(), hash, from);
    assert_eq!(second.code, 0, "{second:?}");
    let second = second.json();
    let resumed = second["resumed"].as_u64().expect("a number");
    assert!(resumed >= verified, "{verified} were verified: {second}");
    assert_eq!((second["downloaded"].as_u64(), &second["wasted"]), (Some(TOTAL - resumed), &0.into()));
    assert!(std::fs::read(directory.path().join("got/a.bin")).expect("there") == contents, "it differs");
}

#[test]
fn what_nobody_gives_has_code_3_after_the_time_allowed() {
    let directory = tempfile::tempdir().expect("a directory");
    let hash = "08ada5a7a6183aae1e09d831df6748d566095a10";
    let arguments =
        ["download", hash, "--tracker", NO_TRACKER, "--timeout", "1s", "--transport", "tcp", "--json"];
    let ran = run(directory.path(), &arguments);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(text(&ran.json()["error"]).contains("nobody gave anything"));
}
