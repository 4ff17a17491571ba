//! From one client to another over TCP.

use std::fs;
use std::os::unix::fs::symlink;

use peer::client::Add;
use shared::engine::{Origin, Phase};

use super::support::{assert_same, client, files, introduce, look, reach, seed, torrent};

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_megabytes_arrive_by_link() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    files(from.path(), &[("large.bin", 100_000_000)]);
    let (metainfo, info_hash, place) = torrent(from.path(), &["large.bin"]);
    let seeding = seed(from.path(), &metainfo, place).await;
    reach(&seeding, info_hash, &[Phase::Seeding]).await;
    let fetching = client(to.path()).await;
    fetching.add(Add::download(Origin::Link(info_hash.to_string()))).await.unwrap();
    introduce(&fetching, info_hash, &seeding);
    let done = reach(&fetching, info_hash, &[Phase::Complete, Phase::Error]).await;
    assert_eq!(done.error, None);
    assert_eq!(done.wasted, 0);
    assert_same(&from.path().join("large.bin"), &to.path().join("large.bin"));
    let (sent, got) = (seeding.counters().tcp, fetching.counters().tcp);
    assert_eq!(sent.sent, got.received);
    assert!(got.received > 100_000_000 && got.received < 100_500_000, "{got:?}");
    seeding.shutdown().await;
    fetching.shutdown().await;
    assert_eq!(fetching.snapshot().await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_arrives_with_its_empty_files() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let names = ["set/a.bin", "set/deep/er/b.bin", "set/empty", "set/z.bin"];
    files(from.path(), &[(names[0], 100_000), (names[1], 1), (names[2], 0), (names[3], 300_000)]);
    let (metainfo, info_hash, place) = torrent(from.path(), &names);
    let seeding = seed(from.path(), &metainfo, place).await;
    let fetching = client(to.path()).await;
    fetching.add(Add::download(Origin::Metainfo(metainfo))).await.unwrap();
    introduce(&fetching, info_hash, &seeding);
    let done = reach(&fetching, info_hash, &[Phase::Complete, Phase::Error]).await;
    assert_eq!(done.error, None);
    for name in names {
        assert_same(&from.path().join(name), &to.path().join(name));
    }
    // What came is given on, from where it lies now.
    let third = tempfile::tempdir().unwrap();
    seeding.shutdown().await;
    let last = client(third.path()).await;
    last.add(Add::download(Origin::Link(info_hash.to_string()))).await.unwrap();
    introduce(&last, info_hash, &fetching);
    assert_eq!(reach(&last, info_hash, &[Phase::Complete, Phase::Error]).await.error, None);
    assert_same(&from.path().join(names[3]), &third.path().join(names[3]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seeded_file_that_changes_ends_the_torrent_and_no_byte_of_it_is_given() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    files(from.path(), &[("x.bin", 1_000_000)]);
    let (metainfo, info_hash, place) = torrent(from.path(), &["x.bin"]);
    let seeding = seed(from.path(), &metainfo, place).await;
    reach(&seeding, info_hash, &[Phase::Seeding]).await;
    let mut other = fs::read(from.path().join("x.bin")).unwrap();
    other[500_000] ^= 1;
    fs::write(from.path().join("x.bin"), other).unwrap();
    let fetching = client(to.path()).await;
    fetching.add(Add::download(Origin::Metainfo(metainfo))).await.unwrap();
    introduce(&fetching, info_hash, &seeding);
    let ended = reach(&seeding, info_hash, &[Phase::Error]).await;
    assert!(ended.error.as_ref().is_some_and(|error| error.contains("changed")), "{ended:?}");
    assert_eq!(look(&fetching, info_hash).await.map(|found| found.failed_pieces), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_written_through_a_symbolic_link() {
    let (from, to, outside) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    files(from.path(), &[("set/sub/a.bin", 50_000), ("set/b.bin", 50_000)]);
    let (metainfo, info_hash, place) = torrent(from.path(), &["set/sub/a.bin", "set/b.bin"]);
    fs::create_dir(to.path().join("set")).unwrap();
    symlink(outside.path(), to.path().join("set/sub")).unwrap();
    let seeding = seed(from.path(), &metainfo, place).await;
    let fetching = client(to.path()).await;
    fetching.add(Add::download(Origin::Metainfo(metainfo))).await.unwrap();
    introduce(&fetching, info_hash, &seeding);
    assert!(reach(&fetching, info_hash, &[Phase::Error]).await.error.is_some());
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_somebody_else_is_not_overwritten_unless_asked() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    files(from.path(), &[("x.bin", 300_000)]);
    fs::write(to.path().join("x.bin"), "mine, and dear to me").unwrap();
    let (metainfo, info_hash, place) = torrent(from.path(), &["x.bin"]);
    let seeding = seed(from.path(), &metainfo, place).await;
    let fetching = client(to.path()).await;
    fetching.add(Add::download(Origin::Metainfo(metainfo.clone()))).await.unwrap();
    introduce(&fetching, info_hash, &seeding);
    let ended = reach(&fetching, info_hash, &[Phase::Error]).await;
    assert!(ended.error.as_ref().is_some_and(|error| error.contains("another file")), "{ended:?}");
    assert_eq!(fs::read_to_string(to.path().join("x.bin")).unwrap(), "mine, and dear to me");
    fetching.shutdown().await;

    let mut options = super::support::options(to.path());
    options.storage.overwrite = true;
    let fetching = peer::client::Client::start(options).await.unwrap();
    fetching.add(Add::download(Origin::Metainfo(metainfo))).await.unwrap();
    introduce(&fetching, info_hash, &seeding);
    assert_eq!(reach(&fetching, info_hash, &[Phase::Complete, Phase::Error]).await.error, None);
    assert_same(&from.path().join("x.bin"), &to.path().join("x.bin"));
}
