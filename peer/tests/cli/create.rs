//! `create` and `info`.

use shared::metainfo::Metainfo;
use shared::metainfo::builder::Builder;

use super::support::{noise, run};

/// What the page makes of one file: the builder with its defaults.
fn on_the_page(name: &str, contents: &[u8]) -> Metainfo {
    use sha1::{Digest as _, Sha1};
    let mut builder = Builder::new(None, &[(vec![name.to_owned()], contents.len() as u64)]).expect("sound");
    let layout = builder.layout().clone();
    for (piece, bytes) in layout.all_pieces().zip(contents.chunks(layout.piece_length() as usize)) {
        builder.set_hash(piece, Sha1::digest(bytes).into());
    }
    builder.finish().expect("complete")
}

#[test]
fn a_file_has_the_info_hash_of_the_page_and_reads_back() {
    let directory = tempfile::tempdir().expect("a directory");
    let contents = noise(1_000_000, 1);
    std::fs::write(directory.path().join("holiday.mp4"), &contents).expect("written");
    let expected = on_the_page("holiday.mp4", &contents).info_hash().to_string();
    let tracker = "ws://localhost:8080/announce";
    let web = "https://Host.example/holiday.mp4";
    let arguments =
        ["create", "holiday.mp4", tracker, "--web-seed", web, "--comment", "from the beach", "--json"];
    let created = run(directory.path(), &arguments).json();
    assert_eq!(created["info_hash"], expected);
    assert_eq!((&created["bytes"], &created["files"]), (&1_000_000.into(), &1.into()));
    assert_eq!(created["torrent"], "holiday.mp4.torrent");

    let info =
        run(directory.path(), &["info", "holiday.mp4.torrent", "--check", "holiday.mp4", "--json"]).json();
    assert_eq!(info["kind"], "torrent");
    assert_eq!(info["info_hash"], expected);
    assert_eq!(info["trackers"][0], tracker);
    assert_eq!(info["web_seeds"][0], "https://host.example/holiday.mp4");
    assert_eq!(info["comment"], "from the beach");
    assert_eq!(info["magnet"], created["magnet"]);
    assert_eq!(info["check"]["complete"], true);
    assert_eq!(info["check"]["pieces"], info["pieces"]);

    let link = run(directory.path(), &["info", created["magnet"].as_str().expect("a link"), "--json"]).json();
    assert_eq!((&link["kind"], &link["info_hash"]), (&"link".into(), &expected.as_str().into()));
    assert_eq!((&link["bytes"], &link["files"]), (&1_000_000.into(), &serde_json::Value::Null));
    let text = run(directory.path(), &["info", "holiday.mp4.torrent"]);
    assert!(
        text.stdout.contains("1 MB (1000000 bytes), 1 file") && text.stdout.contains(&expected),
        "{text:?}"
    );
}

#[test]
fn a_copy_that_differs_has_code_4_and_names_the_file() {
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path().join("trip");
    std::fs::create_dir(&root).expect("made");
    for (name, seed) in [("a", 1), ("b", 2), ("c", 3)] {
        std::fs::write(root.join(name), noise(100_000, seed)).expect("written");
    }
    assert_eq!(run(directory.path(), &["create", "trip"]).code, 0);
    let check = || run(directory.path(), &["info", "trip.torrent", "--check", "trip", "--json"]);
    assert_eq!(check().code, 0);

    let mut damaged = noise(100_000, 2);
    damaged[50_000] ^= 1;
    std::fs::write(root.join("b"), damaged).expect("written");
    std::fs::remove_file(root.join("c")).expect("removed");
    let ran = check();
    let json = ran.json();
    assert_eq!((ran.code, &json["code"]), (4, &4.into()));
    assert_eq!(json["check"]["differing"], serde_json::json!(["b", "c"]));
    assert_eq!(json["check"]["complete"], false);
    let text = run(directory.path(), &["info", "trip.torrent", "--check", "."]);
    assert!(text.stdout.contains("differs         b\n") && text.stderr.contains("differs from"), "{text:?}");
}

#[test]
fn nothing_is_overwritten_unasked_and_links_are_left_out_aloud() {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::create_dir(directory.path().join("f")).expect("made");
    std::fs::write(directory.path().join("f/.hidden"), "h").expect("written");
    std::os::unix::fs::symlink("/etc", directory.path().join("f/link")).expect("linked");
    let run = |arguments: &[&str]| run(directory.path(), arguments);
    let first = run(&["create", "f", "--json"]);
    assert!(first.stderr.contains("left out: f/link (a symbolic link"), "{first:?}");
    assert_eq!(first.json()["skipped"], serde_json::json!(["f/link"]));
    let made = std::fs::read(directory.path().join("f.torrent")).expect("there");
    assert_eq!(Metainfo::parse(&made).expect("sound").files()[0].path, [".hidden"]);
    assert_eq!(run(&["create", "f"]).code, 2);
    assert_eq!(run(&["create", "f", "--overwrite"]).code, 0);
    let other =
        run(&["create", "f", "--out", "sub.torrent", "--private", "--piece-length", "64KiB", "--json"])
            .json();
    assert_eq!((&other["piece_length"], &other["private"]), (&65_536.into(), &true.into()));
    assert_ne!(other["info_hash"], first.json()["info_hash"]);
    let names: Vec<_> = std::fs::read_dir(directory.path()).expect("readable").flatten().collect();
    assert_eq!(names.len(), 3, "nothing unfinished is left: {names:?}");
    assert_eq!(run(&["create", "f", "--out", "no/such/folder.torrent"]).code, 1);
}

#[test]
fn the_torrent_may_go_to_standard_output() {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("a"), "contents").expect("written");
    let ran = run(directory.path(), &["create", "a", "--out", "-"]);
    assert_eq!(ran.code, 0);
    assert!(ran.stdout.starts_with("d4:infod6:lengthi8e4:name1:a") && ran.stdout.ends_with("ee"), "{ran:?}");
    assert!(!directory.path().join("a.torrent").exists());
}
