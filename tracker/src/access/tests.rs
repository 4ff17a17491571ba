use std::path::Path;

use super::*;

fn hash(byte: u8) -> InfoHash {
    InfoHash([byte; 20])
}

/// Files are looked at twice before they are read.
fn look(access: &Access) {
    access.look(false);
    access.look(false);
}

fn written(directory: &Path, name: &str, text: &str) -> Option<PathBuf> {
    let path = directory.join(name);
    std::fs::write(&path, text).unwrap();
    Some(path)
}

#[test]
fn lists_say_which_torrents_are_served_and_may_change() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name, hashes: &[u8]| {
        let text: String = hashes.iter().map(|byte| format!("{}\n", hash(*byte))).collect();
        written(directory.path(), name, &text)
    };
    let args =
        AccessArgs { allow_list: write("a", &[1, 2]), deny_list: write("d", &[2]), ..AccessArgs::default() };
    let access = Access::new(&args).unwrap();
    assert_eq!(access.torrent(&hash(1)), Ok(()));
    assert_eq!(access.torrent(&hash(2)), Err(Unserved::Blocked), "who is on both is denied");
    assert_eq!(access.torrent(&hash(3)), Err(Unserved::NotListed));
    let scrape = |hashes: &[InfoHash]| access.scrape("192.0.2.1".parse().unwrap(), hashes);
    assert_eq!(scrape(&[]), Ok(()));
    assert_eq!(scrape(&[hash(3), hash(1)]), Ok(()));
    assert_eq!(scrape(&[hash(3), hash(2)]), Err(Unserved::Blocked));
    write("a", &[3]);
    look(&access);
    assert_eq!(access.torrent(&hash(1)), Err(Unserved::NotListed));
    assert_eq!(access.torrent(&hash(3)), Ok(()));
    written(directory.path(), "d", "nonsense\n");
    look(&access);
    assert_eq!(access.torrent(&hash(2)), Err(Unserved::Blocked), "a wrong list changes nothing");
    std::fs::remove_file(directory.path().join("d")).unwrap();
    look(&access);
    assert_eq!(access.torrent(&hash(2)), Err(Unserved::Blocked), "nor does one that is gone");
    write("d", &[]);
    access.look(true);
    assert_eq!(access.torrent(&hash(2)), Err(Unserved::NotListed), "an empty one does");
}

#[test]
fn addresses_are_denied() {
    let directory = tempfile::tempdir().unwrap();
    let list = written(directory.path(), "n", "192.0.2.0/24 # flood of May\n2001:db8::/32\n");
    let access = Access::new(&AccessArgs { deny_addresses: list, ..AccessArgs::default() }).unwrap();
    for (ip, expected) in [
        ("192.0.2.9", Err(Unserved::Address)),
        ("::ffff:192.0.2.9", Err(Unserved::Address)),
        ("2001:db8:1::1", Err(Unserved::Address)),
        ("192.0.3.1", Ok(())),
    ] {
        assert_eq!(access.address(ip.parse().unwrap()), expected, "{ip}");
    }
    assert_eq!(Access::default().address("192.0.2.9".parse().unwrap()), Ok(()));
}

#[test]
fn a_wrong_list_at_the_start_is_an_error_with_its_line() {
    let directory = tempfile::tempdir().unwrap();
    let list = written(directory.path(), "l", "# a\n\nxyz\n");
    let error =
        Access::new(&AccessArgs { allow_list: list, ..AccessArgs::default() }).unwrap_err().to_string();
    assert!(error.starts_with("--allow-list: ") && error.contains("/l:3: expected an info-hash"), "{error}");
    let list = Some(directory.path().join("none"));
    let error =
        Access::new(&AccessArgs { deny_addresses: list, ..AccessArgs::default() }).unwrap_err().to_string();
    assert!(error.starts_with("--deny-addresses ") && error.contains("No such file"), "{error}");
}

#[test]
fn pages_of_other_origins_are_kept_out_if_some_are_listed() {
    let listed = |origins: &[&str]| Access {
        origins: origins.iter().map(|text| origin(text).unwrap()).collect(),
        ..Access::default()
    };
    let asked = |access: &Access, origin: Option<&'static str>| {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, "tracker.example:8443".parse().unwrap());
        origin.map(|origin| headers.insert(header::ORIGIN, origin.parse().unwrap()));
        access.origin(&Uri::from_static("/announce"), &headers)
    };
    let access = listed(&["https://Example.org/", "https://*.example.net:8443"]);
    for allowed in [
        None,
        Some("https://example.org"),
        Some("HTTPS://EXAMPLE.ORG"),
        Some("https://a.example.net:8443"),
        Some("https://a.b.example.net:8443"),
        Some("https://tracker.example:8443"),
        Some("http://tracker.example"),
    ] {
        assert!(asked(&access, allowed), "{allowed:?}");
    }
    for denied in [
        "null",
        "",
        "http://example.org",
        "https://example.org:444",
        "https://example.org.evil.example",
        "https://evilexample.org",
        "https://example.net:8443",
        "https://.example.net:8443",
        "https://evil-example.net:8443",
        "https://a.example.net",
        "https://tracker.example.evil.example",
    ] {
        assert!(!asked(&access, Some(denied)), "{denied}");
        assert!(asked(&Access::default(), Some(denied)), "without a list all are let in");
    }
    for wrong in ["example.org", "ftp://a", "https://", "https://a/b", "https://a.*.b", "*"] {
        assert!(origin(wrong).is_err(), "{wrong}");
    }
}
