//! `peer compare` as it is used: the executable, the tracker's executable, and network namespaces where they can be had.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod remote;

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use peer::compare::lab::{Lab, LabError};
use peer::compare::lane::{Answer, Request, Wanted};
use peer::compare::model::{Lane, Mode, Report};

/// Bytes of headers, without options.
const IP_HEADER: u64 = 20;
const ETHERNET_HEADER: u64 = 14;

const PEER: &str = env!("CARGO_BIN_EXE_peer");

/// The tracker's executable, built if it is not there.
fn tracker() -> PathBuf {
    static TRACKER: OnceLock<PathBuf> = OnceLock::new();
    TRACKER
        .get_or_init(|| {
            let path = PathBuf::from(PEER).with_file_name("tracker");
            if !path.is_file() {
                let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
                let built =
                    Command::new(cargo).args(["build", "--quiet", "--package", "tracker"]).status().unwrap();
                assert!(built.success() && path.is_file(), "the tracker could not be built");
            }
            path
        })
        .clone()
}

fn compare(arguments: &[&str]) -> Command {
    let mut command = Command::new(PEER);
    command.arg("compare").args(arguments).arg("--tracker-binary").arg(tracker());
    command
}

fn report(arguments: &[&str]) -> Report {
    let output = compare(arguments).arg("--json").output().unwrap();
    let Output { status, stdout, stderr } = output;
    let said = String::from_utf8_lossy(&stderr);
    assert!(status.success(), "{status}: {said}");
    serde_json::from_slice(&stdout).unwrap_or_else(|error| panic!("{error}: {said}"))
}

/// Says that a test checks nothing, and why: to the stream itself, as `eprintln!` of a test that passes is shown to nobody.
fn not_tested(why: &str) {
    let _ = writeln!(std::io::stderr(), "notice: not tested: {why}");
}

/// Whether this machine has nginx. Says so, if not.
fn nginx() -> bool {
    let there = Command::new("nginx").arg("-v").stderr(Stdio::null()).status().is_ok();
    if !there {
        not_tested("nginx is not installed");
    }
    there
}

/// Whether this machine lets us have namespaces. Says why a test checks nothing, if not.
fn namespaces() -> bool {
    match Lab::pair() {
        Ok(_) => true,
        Err(error @ (LabError::Rights(_) | LabError::Missing { .. })) => {
            not_tested(&error.to_string());
            false
        }
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn parts_on_the_wire_add_up_to_the_links_counter() {
    if !namespaces() {
        return;
    }
    let report =
        report(&["--lanes", "http1,h2c,http1-tls,http2", "--sizes", "1,10k,1M,10M", "--repeats", "3"]);
    assert!(report.environment.namespaces);
    assert_eq!(report.runs.len(), 4 * 4 * 3, "warm-ups are not among them");
    for run in &report.runs {
        let wire = run.wire.unwrap_or_else(|| panic!("{run:?}"));
        assert!(run.ok && wire.measured, "{run:?}");
        // Within 1 % from 1 MB up, within 1 kB below.
        let allowed = if run.size >= 1_000_000 { wire.link / 100 } else { 1_000 };
        assert!(wire.discrepancy() <= allowed, "{} of {}: {wire:?}", run.lane, run.size);
        assert_eq!(wire.security > 0, run.lane.is_encrypted(), "{run:?}");
        // Headers of TCP/IP over Ethernet take 4.6 % of full frames at least; offloads would hide that.
        let least = run.size as f64 * (1514.0 / 1448.0);
        assert!(wire.received as f64 >= least * 0.999, "{run:?}");
        // They take no more than that where nothing is sent twice, which bounds suppose.
        let once = (wire.received - wire.retransmits) as f64;
        assert!(run.lane != Lane::Http1 || run.size < 10_000_000 || once <= least * 1.005, "{run:?}");
        assert!(run.cpu_seconds.is_some_and(|cpu| cpu.server > 0.0 && cpu.client > 0.0), "{run:?}");
        assert!(run.ttfb_seconds.is_some_and(|first| first > 0.0 && Some(first) <= run.seconds), "{run:?}");
    }
}

#[test]
fn bittorrent_adds_up_as_well() {
    if !namespaces() {
        return;
    }
    let lanes = ["bt-tcp", "bt-webrtc", "hybrid"];
    let report = report(&["--lanes", &lanes.join(","), "--sizes", "10k,1M,5M", "--repeats", "2"]);
    assert_eq!(report.runs.len(), lanes.len() * 3 * 2);
    for run in &report.runs {
        let wire = run.wire.unwrap_or_else(|| panic!("{run:?}"));
        assert!(run.ok && wire.measured && wire.adds_up(), "{run:?}");
        assert!(wire.application > 0, "{run:?}");
        assert_eq!(wire.security > 0, run.lane.is_encrypted(), "{run:?}");
        // Datagrams that the kernel took at once are none of them ARP.
        let few = wire.link_layer * IP_HEADER <= (wire.network + 1_000) * ETHERNET_HEADER;
        assert!(few || run.lane != Lane::BtWebRtc, "{run:?}");
    }
}

#[test]
fn receivers_that_help_each_other_spare_the_server() {
    if !namespaces() {
        return;
    }
    let arguments = ["--lanes", "http1,bt-tcp", "--sizes", "1", "--repeats", "1", "--receivers", "1,3"];
    let lines = ["--receivers-size", "2MiB", "--uplink", "1M", "--server-uplink", "1M"];
    let report = report(&[&arguments[..], &lines[..]].concat());
    assert_eq!(report.receivers.len(), 4);
    for many in &report.receivers {
        let (ratio, copies) = (many.over_bound().unwrap(), many.copies().unwrap());
        // A bucket's first bytes come at once; a machine that is busy with other tests takes its time.
        assert!(many.ok && (0.9..8.0).contains(&ratio), "{many:?}");
        match many.mode {
            Mode::ClientServer => assert!(copies > f64::from(many.n), "{many:?}"),
            Mode::P2p => assert!(copies < 2.5, "{many:?}"),
        }
    }
}

#[test]
fn nginx_serves_the_same_beside() {
    if !nginx() {
        return;
    }
    let report =
        report(&["--lanes", "http1,h2c,http1-tls,http2", "--sizes", "100k", "--repeats", "2", "--nginx"]);
    assert!(report.environment.beside.is_some_and(|version| version.starts_with("nginx/")));
    assert_eq!((report.runs.len(), report.beside.len()), (8, 8));
    for run in &report.beside {
        assert!(run.ok && run.cpu_seconds.is_some_and(|cpu| cpu.server > 0.0), "{run:?}");
    }
}

#[test]
fn several_transfers_at_once_are_one_run() {
    let report = report(&["--lanes", "http1,http2", "--sizes", "100k", "--repeats", "2", "--parallel", "3"]);
    assert_eq!(report.runs.len(), 4);
    for run in &report.runs {
        let wire = run.wire.unwrap();
        assert_eq!((run.size, wire.payload), (100_000, 300_000));
        assert!(wire.adds_up(), "{wire:?}");
    }
}

#[test]
fn without_namespaces_wire_bytes_are_modelled_and_say_so() {
    let report =
        report(&["--lanes", "http1,http1-tls", "--sizes", "1M", "--repeats", "1", "--no-namespaces"]);
    assert!(!report.environment.namespaces && !report.environment.modelled.is_empty());
    for run in &report.runs {
        let wire = run.wire.unwrap();
        // 691 full segments with 66 bytes of headers each, as many acknowledgements at most, and 10 kB for TLS and HTTP.
        assert!(!wire.measured && (1_045_606..1_101_212).contains(&wire.sum), "{wire:?}");
    }
}

#[test]
fn files_are_written_and_a_table_is_printed() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).display().to_string();
    let (csv, json, html) = (path("c.csv"), path("c.json"), path("c.html"));
    let files = ["--csv", &csv, "--json-file", &json, "--html", &html, "--dir", &path("")];
    let output =
        compare(&["--lanes", "http1,h2c", "--sizes", "10k", "--repeats", "20"]).args(files).output().unwrap();
    let table = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && table.contains("20/20"), "{table}");
    assert_eq!(std::fs::read_to_string(csv).unwrap().lines().count(), 1 + 40);
    assert!(std::fs::read_to_string(html).unwrap().contains("<svg"));
    let json = std::fs::read_to_string(json).unwrap();
    assert_eq!(serde_json::from_str::<serde_json::Value>(&json).unwrap()["ok"], true);
    let report: Report = serde_json::from_str(&json).unwrap();
    assert_eq!(report.runs.len(), 40);
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 3, "nothing else is left");
}

#[test]
fn a_file_that_cannot_be_written_costs_no_measurement() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).display().to_string();
    let short = ["--lanes", "http1", "--sizes", "10k", "--repeats", "1", "--no-namespaces", "--json"];
    let (kept, csv, nowhere) = (path("kept.json"), path("c.csv"), path("nowhere/c.html"));
    std::fs::write(&kept, "kept").unwrap();
    let output =
        compare(&short).args(["--json-file", &kept, "--csv", &csv, "--html", &nowhere]).output().unwrap();
    let said: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(said["error"].as_str().unwrap().contains(&format!("cannot write {nowhere}")), "{said}");
    assert!(said["runs"].is_null(), "it ends at once: {said}");
    assert_eq!(std::fs::read_to_string(kept).unwrap(), "kept");
    assert!(!PathBuf::from(&csv).exists(), "nothing empty is left");

    let output = compare(&short).args(["--html", "/dev/full", "--csv", &csv]).output().unwrap();
    let said: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), &said["ok"]), (Some(1), &serde_json::Value::Bool(false)));
    assert!(said["error"].as_str().unwrap().contains("/dev/full"), "{said}");
    assert_eq!(said["runs"].as_array().unwrap().len(), 1, "what was measured is told: {said}");
    assert_eq!(std::fs::read_to_string(csv).unwrap().lines().count(), 2);
}

#[test]
fn many_receivers_without_namespaces_make_no_sense() {
    let output = compare(&["--receivers", "2", "--no-namespaces"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("--no-namespaces"), "{said}");
}

#[test]
fn a_missing_tracker_is_one_clear_line() {
    let output = Command::new(PEER)
        .args(["compare", "--sizes", "10k", "--tracker-binary", "/nowhere/tracker"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let last = said.lines().last().unwrap();
    assert!(last.contains("/nowhere/tracker") && last.contains("--tracker-binary"), "{said}");
    assert!(!said.contains("panicked"), "{said}");
}

/// Every process below `pid`.
fn descendants(pid: u32) -> BTreeSet<u32> {
    let mut all = BTreeSet::new();
    let mut ask = vec![pid];
    while let Some(pid) = ask.pop() {
        let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else { continue };
        for thread in threads.flatten() {
            let children = std::fs::read_to_string(thread.path().join("children")).unwrap_or_default();
            let children = children.split_whitespace().filter_map(|child| child.parse().ok());
            ask.extend(children.filter(|child| all.insert(*child)));
        }
    }
    all
}

/// Starts a comparison, waits until it is well under way, and returns it with its processes.
fn under_way(directory: &tempfile::TempDir, more: &[&str]) -> (Child, BTreeSet<u32>) {
    let place = directory.path().display().to_string();
    let mut child =
        compare(&["--lanes", "http1,http2", "--sizes", "10k", "--repeats", "10000", "--dir", &place])
            .args(more)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
    let end = Instant::now() + Duration::from_secs(30);
    let is_lane = |pid: &&u32| {
        let line = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.starts_with(PEER) && line.contains("\0lane\0")
    };
    // The tracker and two lanes; with namespaces, what holds those too.
    let mut below = descendants(child.id());
    while below.iter().filter(is_lane).count() < 2 && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(20));
        below = descendants(child.id());
    }
    if below.iter().filter(is_lane).count() < 2 {
        child.kill().unwrap();
        panic!("the lanes do not start: {below:?}, {}", child.wait().unwrap());
    }
    (child, below)
}

fn all_end(processes: &BTreeSet<u32>) {
    let end = Instant::now() + Duration::from_secs(10);
    let is_alive = |pid: &&u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        !stat.is_empty() && !stat.contains(") Z ")
    };
    while processes.iter().any(|pid| is_alive(&pid)) {
        assert!(Instant::now() < end, "left: {:?}", processes.iter().filter(is_alive).collect::<Vec<_>>());
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn interrupted_it_leaves_nothing_behind() {
    let directory = tempfile::tempdir().unwrap();
    let (mut child, below) = under_way(&directory, &[]);
    let interrupted = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(interrupted.success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    all_end(&below);
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0, "the files are gone");
}

#[test]
fn killed_it_leaves_no_process_and_so_no_namespace() {
    if namespaces() {
        killed_it_leaves_no_process(&[]);
    }
}

#[test]
fn killed_without_namespaces_it_leaves_no_process() {
    killed_it_leaves_no_process(&["--no-namespaces"]);
}

#[test]
fn killed_it_leaves_no_nginx() {
    if nginx() {
        let below = killed_it_leaves_no_process(&["--nginx"]);
        assert!(
            below.iter().any(|line| line.starts_with("nginx\0") || line.starts_with("nginx: ")),
            "{below:?}"
        );
    }
}

/// Returns the command lines of the processes that there were.
fn killed_it_leaves_no_process(more: &[&str]) -> Vec<String> {
    let directory = tempfile::tempdir().unwrap();
    let (mut child, below) = under_way(&directory, more);
    let line = |pid: &u32| std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let lines = below.iter().map(line).collect();
    child.kill().unwrap();
    child.wait().unwrap();
    all_end(&below);
    lines
}

/// A server that answers each request with given bytes, whatever is asked.
fn server(answer: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let _ = reply(stream, answer);
        }
    });
    address
}

fn reply(mut stream: TcpStream, answer: &[u8]) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_millis(200)))?;
    let mut seen = Vec::new();
    let mut chunk = [0; 1024];
    while !seen.ends_with(b"\r\n\r\n") {
        // A client that speaks something else waits for us.
        match stream.read(&mut chunk) {
            Ok(0) | Err(_) => break,
            Ok(length) => seen.extend_from_slice(&chunk[..length]),
        }
    }
    stream.write_all(answer)
}

/// What a lane says of a file of five bytes, "abcde", on a server.
fn lane(lane: Lane, server: SocketAddr) -> Answer {
    let directory = tempfile::tempdir().unwrap();
    let address = server.to_string();
    let mut child = Command::new(PEER)
        .args(["lane", lane.name(), "--server", &address, "--authority", &address])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let wanted = Wanted {
        path: "/f".to_owned(),
        size: 5,
        sha1: "03de6c570bfe24bfc328ccd7ca46b76eadaf4334".to_owned(),
        to: directory.path().join("f"),
        torrent: None,
    };
    let request = serde_json::to_string(&Request { files: vec![wanted], linger: false }).unwrap();
    writeln!(child.stdin.take().unwrap(), "{request}").unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(child.wait().unwrap().success(), "it ends with its input");
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

#[test]
fn whatever_a_server_gets_wrong_is_one_clear_line() {
    for (answer, expected) in [
        (
            &b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabcdef"[..],
            "expected 5 bytes of /f, the server announces 6",
        ),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc", "/f ended after 3 of 5 bytes"),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabcd", "/f ended after 4 of 5 bytes"),
        (
            b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabcdef",
            "expected 5 bytes of /f, the server sends more",
        ),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcdf", "expected SHA-1 03de6c570bfe24bf"),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "expected status 200 for /f, got 404"),
        (b"SSH-2.0-x\r\n\r\n", "HTTP with 127.0.0.1"),
        (b"", "HTTP with 127.0.0.1"),
    ] {
        let error = lane(Lane::Http1, server(answer)).error.unwrap_or_default();
        assert!(error.starts_with(expected) && !error.contains('\n'), "expected {expected:?}, got {error:?}");
    }
    let good = lane(Lane::Http1, server(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcde"));
    assert_eq!((good.error, good.layers.payload, good.layers.above_received), (None, 5, 43));
}

#[test]
fn a_server_that_is_not_there_or_speaks_otherwise_is_one_clear_line() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (way, server, expected) in [
        (Lane::Http1, nobody, "cannot connect to 127.0.0.1"),
        (Lane::Http2, server(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "TLS with 127.0.0.1"),
        (Lane::H2c, server(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "HTTP with 127.0.0.1"),
    ] {
        let error = lane(way, server).error.unwrap_or_default();
        assert!(error.starts_with(expected) && !error.contains('\n'), "expected {expected:?}, got {error:?}");
    }
}
