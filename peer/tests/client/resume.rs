//! Going on after an end, clean or not.

use std::fs;
use std::os::unix::fs::FileExt as _;

use peer::client::Add;
use rustix::fs::{FlockOperation, flock};
use shared::engine::{Command, Origin, Phase};

use super::support::{assert_same, client, files, introduce, reach, seed, torrent, wait};

#[tokio::test(flavor = "multi_thread")]
async fn a_download_that_was_dropped_half_way_goes_on_with_what_it_has() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    files(from.path(), &[("large.bin", 40_000_000)]);
    let (metainfo, info_hash, place) = torrent(from.path(), &["large.bin"]);
    let seeding = seed(from.path(), &metainfo, place).await;
    seeding.command(Command::SetLimits { upload: Some(10_000_000), download: None });
    let fetching = client(to.path()).await;
    fetching.add(Add::download(Origin::Metainfo(metainfo.clone()))).await.unwrap();
    introduce(&fetching, info_hash, &seeding);
    wait(&fetching, info_hash, |found| found.verified_bytes > 10_000_000).await;
    // As a crash would end it: no goodbye, no last record.
    drop(fetching);
    // It ends in the background; only the end of a process ends its locks at once.
    let state = fs::File::open(to.path().join(".piecemeal").join(info_hash.to_string())).unwrap();
    flock(&state, FlockOperation::LockExclusive).unwrap();
    drop(state);
    seeding.command(Command::SetLimits { upload: None, download: None });

    let again = client(to.path()).await;
    let locked = |found: &shared::engine::TorrentSnapshot| found.phase == Phase::Error;
    again.add(Add::download(Origin::Metainfo(metainfo.clone()))).await.unwrap();
    let found = wait(&again, info_hash, |found| locked(found) || found.phase == Phase::Downloading).await;
    assert_eq!(found.error, None);
    assert!(found.verified_bytes > 10_000_000, "{}", found.verified_bytes);
    introduce(&again, info_hash, &seeding);
    let done = reach(&again, info_hash, &[Phase::Complete, Phase::Error]).await;
    assert_eq!(done.error, None);
    assert!(done.downloaded <= 40_000_000 - found.verified_bytes, "{done:?}");
    assert_same(&from.path().join("large.bin"), &to.path().join("large.bin"));
    again.shutdown().await;

    // Complete and closed: nothing is read, nothing fetched.
    let third = client(to.path()).await;
    third.add(Add::download(Origin::Metainfo(metainfo))).await.unwrap();
    let found = reach(&third, info_hash, &[Phase::Complete, Phase::Error]).await;
    assert_eq!((found.error, found.downloaded), (None, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_changed_meanwhile_is_checked_and_mended() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    files(from.path(), &[("x.bin", 5_000_000)]);
    let (metainfo, info_hash, place) = torrent(from.path(), &["x.bin"]);
    let seeding = seed(from.path(), &metainfo, place).await;
    let fetching = client(to.path()).await;
    fetching.add(Add::download(Origin::Metainfo(metainfo.clone()))).await.unwrap();
    introduce(&fetching, info_hash, &seeding);
    reach(&fetching, info_hash, &[Phase::Complete]).await;
    fetching.shutdown().await;

    let file = fs::OpenOptions::new().write(true).open(to.path().join("x.bin")).unwrap();
    file.write_all_at(b"not what was there", 2_000_000).unwrap();
    drop(file);
    let again = client(to.path()).await;
    again.add(Add::download(Origin::Metainfo(metainfo))).await.unwrap();
    introduce(&again, info_hash, &seeding);
    let done = reach(&again, info_hash, &[Phase::Complete, Phase::Error]).await;
    assert_eq!(done.error, None);
    assert!(done.downloaded > 0 && done.downloaded <= 64 * 1024, "{}", done.downloaded);
    assert_same(&from.path().join("x.bin"), &to.path().join("x.bin"));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_clients_do_not_write_the_same_download() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    files(from.path(), &[("x.bin", 100_000)]);
    let (metainfo, info_hash, _) = torrent(from.path(), &["x.bin"]);
    let first = client(to.path()).await;
    first.add(Add::download(Origin::Metainfo(metainfo.clone()))).await.unwrap();
    reach(&first, info_hash, &[Phase::Downloading]).await;
    let second = client(to.path()).await;
    second.add(Add::download(Origin::Metainfo(metainfo))).await.unwrap();
    let found = reach(&second, info_hash, &[Phase::Error]).await;
    assert!(found.error.as_ref().is_some_and(|error| error.contains("another program")), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_was_downloaded_from_before_needs_nobody_for_its_list_of_files() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    files(from.path(), &[("x.bin", 100_000)]);
    let (metainfo, info_hash, _) = torrent(from.path(), &["x.bin"]);
    let first = client(to.path()).await;
    first.add(Add::download(Origin::Metainfo(metainfo))).await.unwrap();
    reach(&first, info_hash, &[Phase::Downloading]).await;
    first.shutdown().await;

    let link = Origin::Link(info_hash.to_string());
    let again = client(to.path()).await;
    again.add(Add::download(link.clone())).await.unwrap();
    let found = reach(&again, info_hash, &[Phase::Downloading, Phase::Error]).await;
    assert_eq!((found.error, found.total_bytes), (None, 100_000));
    again.shutdown().await;

    // What is kept of another torrent is not taken for this one's, and what is damaged not at all.
    let kept = to.path().join(".piecemeal").join(info_hash.to_string()).join("torrent");
    for instead in [&b"d4:infodee"[..], b""] {
        fs::write(&kept, instead).unwrap();
        let third = client(to.path()).await;
        third.add(Add::download(link.clone())).await.unwrap();
        let found = reach(&third, info_hash, &[Phase::Connecting, Phase::Downloading]).await;
        assert_eq!((found.phase, found.total_bytes), (Phase::Connecting, 0));
        third.shutdown().await;
    }
}
