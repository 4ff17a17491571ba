use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use sha1::{Digest as _, Sha1};
use shared::metainfo::builder::{Builder, piece_length};
use shared::metainfo::path::safe_part;
use shared::metainfo::{Metainfo, MetainfoError};

use super::mutations;

/// Names as strangers choose them.
fn any_name() -> impl Strategy<Value = String> {
    const TRAPS: &[&str] = &[
        "con", "Aux.txt", "a", "A", "a (2)", "é", "e\u{301}", "..", ".", "x.", " ", "\u{202e}", "C:", "a\\b",
        "ß", "ss",
    ];
    prop_oneof![proptest::sample::select(TRAPS).prop_map(str::to_owned), "\\PC{0,6}", "[ab]{1,2}"]
}

fn any_files() -> impl Strategy<Value = Vec<(Vec<String>, u64)>> {
    let path = proptest::collection::vec(any_name(), 1..4);
    proptest::collection::vec((path, 0..50_000_u64), 1..12)
}

/// A torrent of these files with made-up contents.
fn build(files: &[(Vec<String>, u64)]) -> Option<Metainfo> {
    let mut builder = Builder::new(None, files).ok()?;
    for piece in builder.layout().clone().all_pieces() {
        builder.set_hash(piece, Sha1::digest(piece.get().to_be_bytes()).into());
    }
    Some(builder.finish().expect("complete"))
}

proptest! {
    #[test]
    fn a_torrent_of_any_files_can_be_read_whatever_their_order(files in any_files(), seed: u64) {
        if let Some(torrent) = build(&files) {
            let trackers = ["wss://tracker.example".to_owned()];
            let again = Metainfo::parse(&torrent.to_torrent(&trackers)).expect("our own");
            prop_assert_eq!(again.trackers(), trackers);
            prop_assert_eq!((again.info_hash(), again.files()), (torrent.info_hash(), torrent.files()));
            let paths: BTreeSet<_> =
                torrent.files().iter().map(|file| file.path.join("/").to_uppercase().to_lowercase()).collect();
            prop_assert_eq!(paths.len(), files.len());
            let mut shuffled = files;
            shared::rng::Rng::from_seed([seed as u8; 32]).shuffle(&mut shuffled);
            prop_assert_eq!(build(&shuffled).map(|torrent| torrent.info_hash()), Some(torrent.info_hash()));
        }
    }

    #[test]
    fn a_safe_name_stays_as_it_is(name in prop_oneof![any::<Vec<u8>>(), any_name().prop_map(String::into_bytes)]) {
        if let Ok(Some(safe)) = safe_part(&name) {
            prop_assert_eq!(safe_part(safe.as_bytes()), Ok(Some(safe)));
        }
    }

    #[test]
    fn a_piece_length_grows_with_the_total(total: u64, more: u64) {
        prop_assert!(piece_length(total) <= piece_length(total.saturating_add(more)));
        prop_assert!(piece_length(total).is_power_of_two());
    }
}

#[test]
fn the_generator_reaches_files_folders_and_refusals() {
    let mut runner = TestRunner::deterministic();
    let (mut single, mut folder, mut refused) = (0, 0, 0);
    for _ in 0..300 {
        match build(&any_files().new_tree(&mut runner).expect("files").current()) {
            Some(torrent) if torrent.is_folder() => folder += 1,
            Some(_) => single += 1,
            None => refused += 1,
        }
    }
    assert!(single > 3 && folder > 20 && refused > 20, "{single} {folder} {refused}");
}

#[test]
fn every_mutation_of_a_torrent_is_read_or_refused() {
    let files = [("t/a", 20_000), ("t/b/c", 0), ("t/b/C", 7)];
    let files: Vec<_> =
        files.iter().map(|(path, length)| (path.split('/').map(str::to_owned).collect(), *length)).collect();
    let torrent = build(&files).expect("sound").to_torrent(&["ws://h".to_owned()]);
    let (mut read, mut refused) = (0, 0);
    for mutated in mutations(&torrent) {
        shared::fuzz::metainfo(&mutated);
        match Metainfo::parse(&mutated) {
            Ok(_) => read += 1,
            Err(error) => {
                refused += 1;
                assert!(!error.to_string().is_empty());
            }
        }
    }
    assert!(read > 500 && refused > 500, "the sweep reaches both: {read} {refused}");
}

#[test]
fn a_torrent_of_as_many_files_as_allowed_is_read_and_one_more_refused() {
    let torrent = |count: usize| {
        let files = "d6:lengthi1e4:pathl1:a4:nameee".repeat(count);
        let pieces = count.div_ceil(1 << 20) * 20;
        let hashes = "h".repeat(pieces);
        Metainfo::from_info(
            format!("d5:filesl{files}e4:name1:t12:piece lengthi1048576e6:pieces{pieces}:{hashes}e").into(),
        )
    };
    let most = torrent(shared::limits::FILES_MAX).expect("allowed");
    assert_eq!(most.files().len(), shared::limits::FILES_MAX);
    assert_eq!(torrent(shared::limits::FILES_MAX + 1), Err(MetainfoError::Files));
}

/// The torrent of files with made-up contents, hashed as a host would.
fn hashed(files: &[(&str, u32)]) -> Metainfo {
    let named: Vec<_> = files
        .iter()
        .map(|(path, length)| (path.split('/').map(str::to_owned).collect(), u64::from(*length)))
        .collect();
    let mut builder = Builder::new(None, &named).expect("sound");
    let byte = |at: u32| (at.wrapping_mul(2_654_435_761) >> 24) as u8;
    let contents: Vec<u8> = builder.order().iter().flat_map(|file| (0..files[*file].1).map(byte)).collect();
    for piece in builder.layout().clone().all_pieces() {
        let start = builder.layout().piece_offset(piece) as usize;
        let size = builder.layout().piece_size(piece) as usize;
        builder.set_hash(piece, Sha1::digest(&contents[start..start + size]).into());
    }
    builder.finish().expect("complete")
}

/// Info-hashes that create-torrent 6.1.3, which is what stock WebTorrent uses, gives to the same files.
#[test]
fn files_get_the_info_hash_that_stock_webtorrent_gives_them() {
    for (files, hash) in [
        (&[("one.bin", 1)][..], "e6d4ecd8dc37e7718f269ea22dcb4cb6bbda4dd8"),
        (&[("leaves é.txt", 362_017)], "fcc7e20ac3c21880ddc36ff5d38a8c807bb4459c"),
        (&[("a piece exactly.bin", 16_384)], "2d38f3548faa539fd6a43bf69b80aa37812c859f"),
        (
            &[("t/a.txt", 20_000), ("t/b/c.bin", 5), ("t/z.txt", 300_000)],
            "e801eddd3a32614546e250120739b3844aa41b0a",
        ),
    ] {
        assert_eq!(hashed(files).info_hash().to_string(), hash, "{files:?}");
    }
}

#[test]
fn a_torrent_of_stock_webtorrent_is_read() {
    let torrent = include_bytes!("../../../tests/fuzz/corpus/metainfo/numbers");
    let torrent = Metainfo::parse(torrent).expect("sound");
    assert_eq!(torrent.info_hash().to_string(), "89d97c2261a21b040cf11caa661a3ba7233bb7e6");
    assert_eq!(torrent.name(), "numbers");
    let files: Vec<_> = torrent.files().iter().map(|file| (file.path.join("/"), file.length)).collect();
    assert_eq!(files, [("1.txt".to_owned(), 1), ("2.txt".to_owned(), 2), ("3.txt".to_owned(), 3)]);
}
