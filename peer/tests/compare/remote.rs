//! `peer compare --server`: a server that runs already.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use peer::compare::model::{Lane, Report};

use super::{PEER, server, tracker};

/// A tracker that publishes and seeds a directory; it ends with this value.
struct Running {
    process: Child,
    clear: String,
    tls: String,
}

impl Running {
    fn start(files: &Path, data: &Path) -> Self {
        let ports = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let [clear, tls] = ports.map(|port| port.local_addr().unwrap().to_string());
        let process = Command::new(tracker())
            .args(["--listen", &clear, "--listen-tls", &tls, "--seed", "--files"])
            .arg(files)
            .arg("--data")
            .arg(data)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let running = Self { process, clear, tls };
        // Once it lists the file with its torrent, it was hashed; then it is shared.
        let end = Instant::now() + Duration::from_secs(60);
        while !running.lists_a_torrent() {
            assert!(Instant::now() < end, "the tracker does not publish");
            std::thread::sleep(Duration::from_millis(100));
        }
        running
    }

    fn lists_a_torrent(&self) -> bool {
        let info = Command::new(PEER)
            .args(["download", &format!("http://{}/torrents/a.bin.torrent", self.clear), "--json"])
            .args(["--timeout", "1ms", "--out"])
            .arg(std::env::temp_dir().join("piecemeal-no-such-directory"))
            .output()
            .unwrap();
        String::from_utf8_lossy(&info.stdout).contains("\"a.bin\"")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn compare(arguments: &[&str]) -> (Report, String) {
    let output = Command::new(PEER).arg("compare").args(arguments).arg("--json").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {said}"));
    (report, said)
}

#[test]
fn a_running_trackers_file_is_fetched_over_every_way_that_it_offers() {
    let directory = tempfile::tempdir().unwrap();
    let (files, data) = (directory.path().join("files"), directory.path().join("data"));
    std::fs::create_dir(&files).unwrap();
    let contents: Vec<u8> =
        (0..3_000_000_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    std::fs::write(files.join("a.bin"), &contents).unwrap();
    let tracker = Running::start(&files, &data);
    let lanes = |report: &Report| report.runs.iter().map(|run| run.lane).collect::<BTreeSet<_>>();

    let clear = format!("http://{}/files/a.bin", tracker.clear);
    let (report, said) = compare(&["--server", &clear, "--repeats", "2"]);
    assert!(report.runs.iter().all(|run| run.ok && run.size == 3_000_000), "{:?}", report.runs);
    let expected = [Lane::Http1, Lane::H2c, Lane::BtTcp, Lane::BtWebRtc, Lane::Hybrid];
    assert_eq!(lanes(&report), expected.into());
    assert!(said.contains("http2 is left out: the address is no https one"), "{said}");
    assert_eq!(report.environment.server, clear);
    assert!(report.runs.iter().all(|run| run.wire.is_some_and(|wire| !wire.measured)));
    assert!(report.runs.iter().all(|run| run.cpu_seconds.is_none()), "the server's is not known");

    let encrypted = format!("https://{}/files/a.bin", tracker.tls);
    let certificate = data.join("certificate.pem").display().to_string();
    let lanes_asked = ["--lanes", "http1,http1-tls,http2", "--repeats", "2"];
    let arguments = [&["--server", &encrypted, "--certificate", &certificate][..], &lanes_asked].concat();
    let (report, _) = compare(&arguments);
    assert!(report.runs.iter().all(|run| run.ok), "{:?}", report.runs);
    assert_eq!(lanes(&report), [Lane::Http1Tls, Lane::Http2].into());
}

#[test]
fn what_a_server_lacks_is_one_clear_line() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let missing = server(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    let plain = server(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcde");
    for (url, lanes, expected) in [
        (format!("http://{nobody}/f"), "http1", "Connection refused"),
        (format!("http://{missing}/f"), "http1", "the server answered 404"),
        (format!("http://{plain}/f"), "bt-tcp", "bt-tcp is left out: the server has no .torrent of the file"),
        ("ftp://a/f".to_owned(), "http1", "expected the http or https address of a file"),
    ] {
        let output =
            Command::new(PEER).args(["compare", "--server", &url, "--lanes", lanes]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.lines().last().unwrap_or_default();
        assert!(!output.status.success() && last.contains(expected), "expected {expected:?}, got {said:?}");
    }
}
