//! Plain HTTP: `download URL`.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};

use super::support::{noise, run};

/// Serves `contents` at every path: at `/half` only the first half of what is asked for, then the connection breaks; at
/// `/to?URL` a redirect, and `/circle` one to itself. Answers requests one after the other, for as long as the test runs.
fn serve(contents: Vec<u8>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let _ = answer(stream, &contents);
        }
    });
    address
}

fn answer(mut stream: TcpStream, contents: &[u8]) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    let headers: Vec<String> = lines.map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
    let path = request.split(' ').nth(1).unwrap_or_default();
    if let Some((_, place)) =
        path.split_once("/to?").or_else(|| (path == "/circle").then_some(("", "/circle")))
    {
        return write!(stream, "HTTP/1.1 302 Found\r\nlocation: {place}\r\ncontent-length: 0\r\n\r\n");
    }
    let header = |name: &str| {
        headers.iter().find_map(|line| line.to_ascii_lowercase().strip_prefix(name).map(str::to_owned))
    };
    let range = header("range: bytes=").filter(|_| header("if-range: \"one\"").is_some());
    let first: usize = range.and_then(|range| range.trim_end_matches('-').parse().ok()).unwrap_or(0);
    let status = if first > 0 { "206 Partial Content" } else { "200 OK" };
    let (length, last) = (contents.len(), contents.len() - 1);
    write!(
        stream,
        "HTTP/1.1 {status}\r\netag: \"one\"\r\ncontent-range: bytes {first}-{last}/{length}\r\ncontent-length: {}\r\n\r\n",
        length - first
    )?;
    let half = path == "/half" && first == 0;
    stream.write_all(if half { &contents[..length / 2] } else { &contents[first..] })
}

#[test]
fn a_file_is_fetched_and_goes_on_where_it_broke_off() {
    let contents = noise(3_000_000, 7);
    let server = serve(contents.clone());
    let directory = tempfile::tempdir().expect("a directory");
    let url = format!("http://{server}/half");
    let broken = run(directory.path(), &["download", &url, "--json"]);
    assert_eq!(broken.code, 1, "{broken:?}");
    assert_eq!(broken.json()["downloaded"], 1_500_000);
    assert!(!directory.path().join("half").exists());
    let whole = run(directory.path(), &["download", &url, "--json"]).json();
    assert_eq!((&whole["resumed"], &whole["downloaded"]), (&1_500_000.into(), &1_500_000.into()));
    assert_eq!(std::fs::read(directory.path().join("half")).expect("there"), contents);
    assert_eq!(std::fs::read_dir(directory.path()).expect("readable").count(), 1);
    assert_eq!(run(directory.path(), &["download", &url]).code, 2, "it is there already");
}

#[test]
fn a_name_from_an_address_stays_in_the_directory() {
    let server = serve(b"x".to_vec());
    let directory = tempfile::tempdir().expect("a directory");
    for (path, name) in [("..%2f..%2fup", "download"), ("a%20b.txt?c=/d", "a b.txt"), ("", "download")] {
        let url = format!("http://{server}/{path}");
        let json = run(directory.path(), &["download", &url, "--out", "out", "--overwrite", "--json"]).json();
        let saved = json["path"].as_str().expect("a path").to_owned();
        assert!(saved.starts_with("out/") && saved.matches('/').count() == 1, "{saved}");
        assert!(name == "download" || saved == format!("out/{name}"), "{saved}");
    }
    assert_eq!(std::fs::read_dir(directory.path()).expect("readable").count(), 1, "nothing beside out");
}

#[test]
fn a_redirect_to_a_private_address_is_followed_only_when_allowed() {
    let contents = noise(10, 1);
    let server = serve(contents);
    let directory = tempfile::tempdir().expect("a directory");
    let url = format!("http://{server}/to?http://{server}/file");
    let refused = run(directory.path(), &["download", &url]);
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.contains("private address 127.0.0.1; --allow-private"), "{refused:?}");
    assert_eq!(run(directory.path(), &["download", &url, "--allow-private"]).code, 0);
    let circle = run(directory.path(), &["download", &format!("http://{server}/circle"), "--allow-private"]);
    assert_eq!((circle.code, circle.stderr.contains("more than 5 redirects")), (1, true), "{circle:?}");
}

#[test]
fn a_torrent_that_is_none_is_said_to_be_none() {
    let server = serve(b"no bencode".to_vec());
    let directory = tempfile::tempdir().expect("a directory");
    let ran = run(directory.path(), &["download", &format!("http://{server}/a.torrent")]);
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("is no .torrent that can be used"), "{ran:?}");
}

#[test]
fn the_torrent_that_a_magnet_link_names_is_fetched_and_must_be_the_right_one() {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("trip.mp4"), noise(100_000, 3)).expect("written");
    let created = run(directory.path(), &["create", "trip.mp4", "--json"]).json();
    let hash = created["info_hash"].as_str().expect("a hash");
    std::fs::write(directory.path().join("other.mp4"), noise(100_000, 4)).expect("written");
    run(directory.path(), &["create", "other.mp4", "--json"]).json();
    let torrent = |name: &str| std::fs::read(directory.path().join(name)).expect("made");
    let (right, wrong) = (serve(torrent("trip.mp4.torrent")), serve(torrent("other.mp4.torrent")));
    let link = |sources: &[SocketAddr]| {
        let xs: String = sources.iter().map(|server| format!("&xs=http://{server}/a.torrent")).collect();
        format!("magnet:?xt=urn:btih:{hash}{xs}")
    };
    let none =
        ["--tracker", "http://127.0.0.1:1/announce", "--transport", "tcp", "--timeout", "3s", "--json"];
    let download = |link: &str, to: &str| {
        let arguments = [&["download", link, "--allow-private", "--out", to][..], &none].concat();
        run(directory.path(), &arguments)
    };
    // Nobody has the file: that its name and length are known shows that the .torrent came.
    let known = download(&link(&[wrong, right]), "known");
    let json = known.json();
    assert_eq!((&json["name"], &json["bytes"]), (&"trip.mp4".into(), &100_000.into()), "{known:?}");
    assert!(
        known.stderr.contains(&format!("no .torrent from http://{wrong}/a.torrent: expected")),
        "{known:?}"
    );
    let refused = download(&link(&[wrong]), "refused");
    assert_eq!(refused.json()["bytes"], 0, "{refused:?}");
}
