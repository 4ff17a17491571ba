//! `/files/`.

use std::os::unix::fs::symlink;
use std::path::PathBuf;

use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tracker::config::Config;

use crate::support::{Server, header, http2, request};

const SIZE: usize = 1_000_000;

fn contents() -> Vec<u8> {
    (0..SIZE).map(|at| (at * 7 + at / 251) as u8).collect()
}

async fn serving() -> (TempDir, Server) {
    let directory = tempfile::tempdir().unwrap();
    let root: PathBuf = directory.path().join("served");
    std::fs::create_dir_all(root.join("sub")).unwrap();
    std::fs::write(directory.path().join("secret"), "secret").unwrap();
    std::fs::write(root.join("large.bin"), contents()).unwrap();
    std::fs::write(root.join("empty"), "").unwrap();
    std::fs::write(root.join("page.html"), "<script>alert(1)</script>").unwrap();
    std::fs::write(root.join("sub/ü <b>&.txt"), "in sub").unwrap();
    std::fs::write(root.join(".hidden"), "hidden").unwrap();
    symlink(directory.path().join("secret"), root.join("link")).unwrap();
    symlink(directory.path(), root.join("out")).unwrap();
    let server = Server::start(Config { files: Some(root), ..Config::default() }).await;
    (directory, server)
}

#[tokio::test]
async fn a_file_is_served_whole_as_an_attachment_in_a_sandbox() {
    let (_directory, server) = serving().await;
    let response = server.get("/files/large.bin", &[]).await;
    assert_eq!(response.status(), 200);
    assert!(response.body()[..] == contents()[..]);
    let of = |name| header(response.headers(), name);
    assert_eq!(of("content-length"), SIZE.to_string());
    assert_eq!(of("accept-ranges"), "bytes");
    assert_eq!(of("content-disposition"), "attachment; filename=\"large.bin\"; filename*=UTF-8''large.bin");
    assert_eq!(of("x-content-type-options"), "nosniff");
    assert!(of("content-security-policy").contains("sandbox"));
    assert!(of("etag").starts_with('"'));
    assert!(of("last-modified").ends_with("GMT"));
    let page = server.get("/files/page.html", &[]).await;
    assert_eq!(header(page.headers(), "content-type"), "application/octet-stream");
    let empty = server.get("/files/empty", &[]).await;
    assert_eq!((empty.status().as_u16(), empty.body().len()), (200, 0));
}

#[tokio::test]
async fn head_tells_what_get_would_and_nothing_else_is_allowed() {
    let (_directory, server) = serving().await;
    // The list says how far the files are hashed, until they are.
    let hashing =
        async || String::from_utf8_lossy(server.get("/files/", &[]).await.body()).contains("being hashed");
    while hashing().await {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    for path in ["/files/large.bin", "/files/", "/files/missing", "/files/empty", "/", "/health"] {
        let (get, head) = (server.get(path, &[]).await, server.request("HEAD", path, &[]).await);
        assert_eq!(get.status(), head.status(), "{path}");
        assert!(head.body().is_empty(), "{path}");
        for name in ["content-length", "content-type", "etag", "accept-ranges"] {
            assert_eq!(header(get.headers(), name), header(head.headers(), name), "{path}: {name}");
        }
    }
    let ranged = server.request("HEAD", "/files/large.bin", &[("range", "bytes=0-9")]).await;
    assert_eq!(ranged.status(), 200);
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        let response = server.request(method, "/files/large.bin", &[]).await;
        assert_eq!(
            (response.status().as_u16(), header(response.headers(), "allow").as_str()),
            (405, "GET, HEAD")
        );
    }
}

#[tokio::test]
async fn a_range_is_served_in_each_form() {
    let (_directory, server) = serving().await;
    let whole = contents();
    for (range, start, end) in [
        ("bytes=0-0", 0, 1),
        ("bytes=0-99", 0, 100),
        ("bytes=262143-524289", 262_143, 524_290),
        ("bytes=999999-", 999_999, SIZE),
        ("bytes=5-99999999", 5, SIZE),
        ("bytes=-100", SIZE - 100, SIZE),
        ("bytes=-99999999", 0, SIZE),
    ] {
        let response = server.get("/files/large.bin", &[("range", range)]).await;
        assert_eq!(response.status(), 206, "{range}");
        let expected = format!("bytes {start}-{}/{SIZE}", end - 1);
        assert_eq!(header(response.headers(), "content-range"), expected, "{range}");
        assert!(response.body()[..] == whole[start..end], "{range}: other bytes");
    }
}

#[tokio::test]
async fn several_ranges_come_as_parts() {
    let (_directory, server) = serving().await;
    let whole = contents();
    let response = server.get("/files/large.bin", &[("range", "bytes=0-9, 500000-800000,-5")]).await;
    assert_eq!(response.status(), 206);
    let content_type = header(response.headers(), "content-type");
    let boundary = content_type.strip_prefix("multipart/byteranges; boundary=").unwrap();
    assert_eq!(header(response.headers(), "content-length"), response.body().len().to_string());
    let mut expected = Vec::new();
    for (start, end) in [(0, 10), (500_000, 800_001), (SIZE - 5, SIZE)] {
        let head = format!(
            "{}--{boundary}\r\nContent-Type: application/octet-stream\r\nContent-Range: bytes {start}-{}/{SIZE}\r\n\r\n",
            if expected.is_empty() { "" } else { "\r\n" },
            end - 1
        );
        expected.extend_from_slice(head.as_bytes());
        expected.extend_from_slice(&whole[start..end]);
    }
    expected.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    assert!(response.body()[..] == expected[..]);
}

#[tokio::test]
async fn a_range_outside_is_refused_and_a_strange_one_ignored() {
    let (_directory, server) = serving().await;
    for (path, range) in [
        ("large.bin", "bytes=1000000-"),
        ("large.bin", "bytes=2000000-3000000,4000000-"),
        ("large.bin", "bytes=-0"),
        ("empty", "bytes=0-"),
    ] {
        let response = server.get(&format!("/files/{path}"), &[("range", range)]).await;
        assert_eq!(response.status(), 416, "{range}");
        let size = if path == "empty" { 0 } else { SIZE };
        assert_eq!(header(response.headers(), "content-range"), format!("bytes */{size}"));
    }
    for range in ["bytes=5-4", "bytes=a-b", "lines=1-2", "bytes=0-,0-", "bytes"] {
        let response = server.get("/files/large.bin", &[("range", range)]).await;
        assert_eq!((response.status().as_u16(), response.body().len()), (200, SIZE), "{range}");
    }
}

#[tokio::test]
async fn versions_are_told_apart() {
    let (directory, server) = serving().await;
    // Old enough for its date to tell versions apart.
    let file = std::fs::File::options().write(true).open(directory.path().join("served/large.bin")).unwrap();
    file.set_modified(std::time::SystemTime::now() - std::time::Duration::from_secs(120)).unwrap();
    let first = server.get("/files/large.bin", &[]).await;
    let (etag, date) = (header(first.headers(), "etag"), header(first.headers(), "last-modified"));
    for condition in [("if-none-match", etag.as_str()), ("if-modified-since", &date)] {
        let response = server.get("/files/large.bin", &[condition]).await;
        assert_eq!((response.status().as_u16(), response.body().len()), (304, 0), "{condition:?}");
        assert_eq!(header(response.headers(), "etag"), etag);
    }
    assert_eq!(server.get("/files/large.bin", &[("if-match", "\"other\"")]).await.status(), 412);
    for (condition, status) in [(etag.as_str(), 206), (&date, 206), ("\"other\"", 200)] {
        let headers = [("if-range", condition), ("range", "bytes=0-9")];
        assert_eq!(server.get("/files/large.bin", &headers).await.status(), status, "{condition}");
    }
    std::fs::write(directory.path().join("served/large.bin"), vec![1; SIZE]).unwrap();
    let fresh = header(server.get("/files/large.bin", &[]).await.headers(), "last-modified");
    let headers = [("if-range", fresh.as_str()), ("range", "bytes=0-9")];
    let response = server.get("/files/large.bin", &headers).await;
    assert_eq!(response.status(), 200, "a file that may change again within this second has no strong date");
    let headers = [("if-range", etag.as_str()), ("range", "bytes=0-9")];
    let changed = server.get("/files/large.bin", &headers).await;
    assert_eq!((changed.status().as_u16(), changed.body().len()), (200, SIZE));
    assert_ne!(header(changed.headers(), "etag"), etag);
}

#[tokio::test]
async fn who_was_led_here_by_another_name_sees_no_files() {
    let (_directory, server) = serving().await;
    for (host, status) in [("localhost", 200), ("127.0.0.1:80", 200), ("evil.example", 421)] {
        let response = server.get("/files/large.bin", &[("host", host)]).await;
        assert_eq!(response.status(), status, "{host}");
    }
}

#[tokio::test]
async fn nothing_outside_is_served() {
    let (_directory, server) = serving().await;
    for path in [
        "../secret",
        "..%2fsecret",
        "%2e%2e/secret",
        "%2e%2e%2fsecret",
        "sub/../../secret",
        "..%5csecret",
        "..\\secret",
        "%252e%252e/secret",
        "..%c0%afsecret",
        "/secret",
        "//secret",
        "/etc/passwd",
        "%2fetc%2fpasswd",
        "link",
        "out/secret",
        "out/",
        "out",
        ".hidden",
        "%2ehidden",
        "sub/../large.bin",
        "./large.bin",
        "large.bin%00",
        "large.bin%00.txt",
        "large.bin/",
        "large.bin/..",
        ".",
        "..",
        "...",
        "%",
        "%2",
        "%zz",
        "missing",
    ] {
        let response = server.get(&format!("/files/{path}"), &[]).await;
        assert_eq!(response.status(), 404, "{path}");
        assert!(!response.body().windows(6).any(|window| window == b"secret"), "{path}");
    }
    let long = format!("/files/{}", "a/".repeat(3_000));
    assert_eq!(server.get(&long, &[]).await.status(), 404);
}

#[tokio::test]
async fn a_directory_is_listed_for_people_and_programs() {
    let (_directory, server) = serving().await;
    let moved = server.get("/files", &[]).await;
    assert_eq!((moved.status().as_u16(), header(moved.headers(), "location").as_str()), (308, "/files/"));
    let moved = server.get("/files/sub", &[]).await;
    assert_eq!((moved.status().as_u16(), header(moved.headers(), "location").as_str()), (308, "/files/sub/"));
    let page = server.get("/files/sub/", &[("accept", "text/html,*/*")]).await;
    let text = String::from_utf8(page.body().to_vec()).unwrap();
    assert!(text.contains("ü &lt;b&gt;&amp;.txt") && text.contains("./%C3%BC%20%3Cb%3E%26.txt"), "{text}");
    assert!(!text.contains("<script") && !text.contains("style=\""), "{text}");
    let policy = header(page.headers(), "content-security-policy");
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    let list = server.get("/files/", &[("accept", "application/json")]).await;
    let list: Vec<Value> = serde_json::from_slice(list.body()).unwrap();
    let names: Vec<_> = list.iter().map(|entry| entry["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["sub", "empty", "large.bin", "page.html"]);
    assert_eq!((&list[0]["type"], &list[2]["size"]), (&"directory".into(), &SIZE.into()));
    let url = format!("/files/sub/{}", "%C3%BC%20%3Cb%3E%26.txt");
    assert_eq!(&server.get(&url, &[]).await.body()[..], b"in sub");
}

#[tokio::test]
async fn http2_in_clear_serves_the_same() {
    let (_directory, server) = serving().await;
    let get = async |headers: &[(&str, &str)]| {
        let stream = TcpStream::connect(server.address).await.unwrap();
        let mut request = request("GET", "/files/large.bin", headers);
        *request.uri_mut() = "http://localhost/files/large.bin".parse().unwrap();
        http2(stream, request).await
    };
    let whole = get(&[]).await;
    assert_eq!((whole.status().as_u16(), whole.version()), (200, http::Version::HTTP_2));
    assert!(whole.body()[..] == contents()[..]);
    let part = get(&[("range", "bytes=-70000")]).await;
    assert_eq!(part.status(), 206);
    assert!(part.body()[..] == contents()[SIZE - 70_000..]);
}

#[tokio::test]
async fn without_a_directory_there_are_no_files() {
    let server = Server::start(Config::default()).await;
    for path in ["/files", "/files/", "/files/x"] {
        let response = server.get(path, &[]).await;
        assert_eq!(response.status(), 404);
        assert!(String::from_utf8_lossy(response.body()).contains("--files DIR"), "{path}");
    }
}
