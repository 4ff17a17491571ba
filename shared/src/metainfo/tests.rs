use super::builder::{BuildError, Builder, piece_length};
use super::path::{PathError, Tree, safe_part, safe_path};
use super::*;
use crate::layout::LayoutError;

fn info(rest: &str) -> Result<Metainfo, MetainfoError> {
    Metainfo::from_info(Bytes::from(format!("d{rest}e").into_bytes()))
}

const PIECES: &str = "12:piece lengthi16384e6:pieces20:aaaaaaaaaaaaaaaaaaaa";

#[test]
fn a_single_file_is_read() {
    let torrent = info(&format!("6:lengthi5e4:name5:a.txt{PIECES}")).expect("sound");
    assert_eq!((torrent.name(), torrent.is_folder(), torrent.is_private()), ("a.txt", false, false));
    let file = FileEntry { path: vec!["a.txt".to_owned()], length: 5, padding: false };
    assert_eq!(torrent.files(), [file]);
    assert_eq!(torrent.piece_hash(torrent.layout().piece(0).expect("one")), &[b'a'; 20]);
    assert_eq!(torrent.layout().total(), 5);
}

#[test]
fn what_is_no_torrent_says_why() {
    let wrong = |rest: &str| info(rest).expect_err(rest);
    assert_eq!(wrong(""), MetainfoError::Missing("pieces"));
    assert_eq!(wrong("9:file treede"), MetainfoError::VersionTwo);
    assert_eq!(wrong("6:pieces0:"), MetainfoError::Missing("piece length"));
    assert_eq!(wrong(PIECES), MetainfoError::Missing("length"));
    assert_eq!(wrong(&format!("5:filesle6:lengthi5e{PIECES}")), MetainfoError::SingleAndSeveral);
    assert_eq!(wrong(&format!("6:lengthi-5e{PIECES}")), MetainfoError::Negative(-5));
    assert_eq!(wrong(&format!("6:lengthi0e{PIECES}")), MetainfoError::Layout(LayoutError::Empty));
    assert_eq!(wrong(&format!("5:filesle{PIECES}")), MetainfoError::Layout(LayoutError::Empty));
    assert_eq!(wrong(&format!("6:lengthi16385e{PIECES}")), MetainfoError::Pieces { expected: 40, got: 20 });
    assert_eq!(
        wrong("6:lengthi1e12:piece lengthi0e6:pieces0:"),
        MetainfoError::Layout(LayoutError::PieceLength(0))
    );
    assert_eq!(
        wrong("6:lengthi1e12:piece lengthi1e6:piecesi1e"),
        MetainfoError::Kind { key: "pieces", expected: "a byte string", got: "an integer" }
    );
    let climbing = format!("5:filesld6:lengthi5e4:pathl2:..1:aeee{PIECES}");
    assert_eq!(wrong(&climbing), MetainfoError::Path { file: 0, error: PathError::Parent });
    assert_eq!(
        wrong(&format!("6:lengthi5e4:name4:a/..{PIECES}")),
        MetainfoError::Path { file: 0, error: PathError::Separator("a/..".to_owned()) }
    );
    assert!(matches!(Metainfo::from_info(Bytes::from_static(b"le")), Err(MetainfoError::Kind { .. })));
    assert!(matches!(Metainfo::parse(b"d4:infolee"), Err(MetainfoError::Kind { .. })));
    assert_eq!(Metainfo::parse(b"de"), Err(MetainfoError::Missing("info")));
    assert!(matches!(Metainfo::from_info(Bytes::from_static(b"de ")), Err(MetainfoError::Bencode(_))));
}

#[test]
fn a_torrent_without_a_name_is_called_by_its_info_hash() {
    for name in ["", "4:name0:", "4:name1:.", "4:namei7e"] {
        let torrent = info(&format!("6:lengthi5e{name}{PIECES}")).expect("sound");
        assert_eq!(torrent.name(), torrent.info_hash().to_string());
    }
}

#[test]
fn the_info_hash_is_over_the_bytes_as_they_came() {
    let unsorted = format!("d{PIECES}6:lengthi5ee");
    let torrent = Metainfo::parse(format!("d4:info{unsorted}e\n").as_bytes()).expect("tolerated");
    assert_eq!(torrent.info_bytes(), unsorted.as_bytes());
    assert_eq!(torrent.info_hash().0, <[u8; 20]>::from(Sha1::digest(unsorted.as_bytes())));
}

#[test]
fn trackers_and_web_seeds_are_checked_and_kept_once() {
    let bytes = |text: &str| format!("{}:{text}", text.len());
    let torrent = format!(
        "d8:announce{}13:announce-listll{}{}el{}i7e{}ee4:infod6:lengthi5e{PIECES}e8:url-listl{}{}ee",
        bytes("wss://one.example/"),
        bytes("wss://one.example"),
        bytes("javascript:x"),
        bytes("udp://two.example:80"),
        bytes("http://three.example/announce"),
        bytes("https://seed.example/a b"),
        bytes("https://seed.example/a/"),
    );
    let torrent = Metainfo::parse(torrent.as_bytes()).expect("sound");
    let expected = ["wss://one.example", "udp://two.example:80", "http://three.example/announce"];
    assert_eq!(torrent.trackers(), expected);
    assert_eq!(torrent.web_seeds(), ["https://seed.example/a/"]);
    let again = Metainfo::parse(&torrent.to_torrent(torrent.trackers())).expect("our own");
    assert_eq!(again, torrent);
    let bare = Metainfo::parse(&torrent.to_torrent(&[])).expect("our own");
    assert_eq!((bare.info_hash(), bare.trackers().len()), (torrent.info_hash(), 0));
}

#[test]
fn padding_is_marked() {
    let files = "5:filesld6:lengthi5e4:pathl1:aeed4:attr1:p6:lengthi5e4:pathl4:.pad1:5eee";
    let torrent = info(&format!("{files}{PIECES}")).expect("sound");
    assert_eq!(torrent.files().iter().map(|file| file.padding).collect::<Vec<_>>(), [false, true]);
}

#[test]
fn each_part_of_a_path_is_made_safe_or_refused() {
    let long = "é".repeat(200);
    for (part, safe) in [
        ("plain name.txt", "plain name.txt"),
        ("AC\\DC", "AC_DC"),
        ("C:", "C_"),
        ("a<b>c:d\"e|f?g*h", "a_b_c_d_e_f_g_h"),
        ("tab\tdel\u{7f}c1\u{85}", "tab_del_c1_"),
        ("photo\u{202e}gpj.exe", "photo_gpj.exe"),
        ("e\u{301}", "é"),
        ("dots...", "dots___"),
        ("...", "___"),
        ("space ", "space_"),
        (" lead", " lead"),
        (".hidden", ".hidden"),
        ("CON", "_CON"),
        ("nul.tar.gz", "_nul.tar.gz"),
        ("Com1 .txt", "_Com1 .txt"),
        ("LPT³", "_LPT³"),
        ("COM10", "COM10"),
        ("console", "console"),
        ("aux.", "aux_"),
        (&format!("{long}.tar"), &format!("{}.tar", "é".repeat(125))),
        (&format!("{}. ", "a".repeat(254)), &format!("{}_", "a".repeat(254))),
    ] {
        assert_eq!(safe_part(part.as_bytes()), Ok(Some(safe.to_owned())), "{part:?}");
        assert_eq!(safe_part(safe.as_bytes()), Ok(Some(safe.to_owned())), "{safe:?} again");
    }
    assert_eq!(safe_part(b"\xff\xfe.txt"), Ok(Some("\u{fffd}\u{fffd}.txt".to_owned())));
    assert_eq!((safe_part(b""), safe_part(b".")), (Ok(None), Ok(None)));
    assert_eq!(safe_part(b".."), Err(PathError::Parent));
    assert_eq!(safe_part(b"/etc/passwd"), Err(PathError::Separator("/etc/passwd".to_owned())));
    assert_eq!(safe_part(b"a\0b"), Err(PathError::Nul("ab".to_owned())));
    assert_eq!(safe_path([&b""[..], b"."]), Err(PathError::Empty));
    assert_eq!(safe_path([&b"a"[..], b"", b"b"]), Ok(vec!["a".to_owned(), "b".to_owned()]));
    assert_eq!(safe_path([&b"a"[..]; 33]), Err(PathError::Deep(33)));
}

#[test]
fn every_file_gets_a_path_of_its_own() {
    let mut tree = Tree::new();
    let mut place = |path: &str| tree.place(path.split('/').map(str::to_owned).collect()).join("/");
    for (asked, got) in [
        ("a.txt", "a.txt"),
        ("a.txt", "a (2).txt"),
        ("A.TXT", "A (3).TXT"),
        ("a (2).txt", "a (2) (2).txt"),
        ("a.txt/b", "a (4).txt/b"),
        ("a.txt/c", "a (4).txt/c"),
        ("A.txt/b", "a (4).txt/b (2)"),
        ("Dir/x", "Dir/x"),
        ("dir/y", "Dir/y"),
        ("dir/X", "Dir/X (2)"),
        ("DIR", "DIR (2)"),
        ("stra\u{df}e", "stra\u{df}e"),
        ("STRASSE", "STRASSE (2)"),
    ] {
        assert_eq!(place(asked), got, "{asked}");
    }
    let long = "n".repeat(255);
    assert_eq!(place(&long), long);
    assert_eq!(place(&long), format!("{} (2)", "n".repeat(251)));
}

#[test]
fn many_files_of_one_name_take_linear_time() {
    let mut tree = Tree::new();
    for number in 1..=100_000 {
        let got = tree.place(vec!["same".to_owned()]);
        if number == 100_000 {
            assert_eq!(got, ["same (100000)"]);
        }
    }
}

#[test]
fn the_piece_length_is_what_stock_webtorrent_takes() {
    const KIB: u64 = 1_024;
    const MIB: u64 = KIB * KIB;
    for (total, length) in [
        (0, 16 * KIB),
        (1, 16 * KIB),
        (16 * MIB, 16 * KIB),
        (24_000_000, 32 * KIB),
        (32 * MIB, 32 * KIB),
        (64 * MIB, 64 * KIB),
        (100_000_000, 128 * KIB),
        (KIB * MIB, MIB),
        (2 * KIB * MIB, 2 * MIB),
        (4 * KIB * MIB, 4 * MIB),
        (10_000_000_000, 4 * MIB),
        (u64::MAX, 4 * MIB),
    ] {
        assert_eq!(u64::from(piece_length(total)), length, "{total}");
    }
    // The same as rounding the logarithm, which is how it is written there.
    for total in (1..200_000_000_u64).step_by(1_234_567) {
        let rounded = ((total as f64 / 1_024.0).max(1.0).log2() + 0.5).floor();
        assert_eq!(f64::from(piece_length(total)), rounded.exp2().clamp(16_384.0, 4_194_304.0), "{total}");
    }
}

fn built(name: Option<&str>, files: &[(&str, u64)]) -> Metainfo {
    let files: Vec<_> =
        files.iter().map(|(path, length)| (path.split('/').map(str::to_owned).collect(), *length)).collect();
    let mut builder = Builder::new(name, &files).expect("sound");
    for (piece, number) in builder.layout().clone().all_pieces().zip(1..) {
        assert_eq!(builder.missing(), builder.layout().pieces() - piece.get());
        builder.set_hash(piece, [number; 20]);
        builder.set_hash(piece, [number; 20]);
    }
    builder.finish().expect("complete")
}

#[test]
fn names_follow_from_the_files() {
    assert_eq!(built(None, &[("a.txt", 5)]).name(), "a.txt");
    assert!(!built(None, &[("a.txt", 5)]).is_folder());
    assert_eq!(built(Some(" b.txt "), &[("a.txt", 5)]).files()[0].path, ["b.txt"]);
    let folder = built(None, &[("trip/a", 5)]);
    assert_eq!(
        (folder.name(), folder.is_folder(), &folder.files()[0].path[..]),
        ("trip", true, &["a".to_owned()][..])
    );
    assert_eq!(built(None, &[("trip/b", 5), ("trip/a", 5)]).name(), "trip");
    let loose = built(None, &[("z", 1), ("b/a", 5), ("b.txt", 5)]);
    assert_eq!(loose.name(), "b and 2 more");
    assert_eq!(built(Some("given"), &[("a", 1), ("b", 1)]).name(), "given");
}

#[test]
fn the_same_files_make_the_same_info_hash_in_any_order() {
    let one = built(None, &[("f/b", 40_000), ("f/a/x", 5), ("f/c", 0)]);
    let other = built(None, &[("f/c", 0), ("f/b", 40_000), ("f/a/x", 5)]);
    assert_eq!(one, other);
    assert_eq!(one.files().iter().map(|file| file.path.join("/")).collect::<Vec<_>>(), ["a/x", "b", "c"]);
    let files = [(vec!["b".to_owned()], 1), (vec!["a".to_owned()], 2)];
    assert_eq!(Builder::new(None, &files).expect("sound").order(), [1, 0]);
}

#[test]
fn files_that_make_no_torrent_say_why() {
    let new = |files: &[(&str, u64)]| {
        let files: Vec<_> = files
            .iter()
            .map(|(path, length)| (path.split('/').map(str::to_owned).collect(), *length))
            .collect();
        Builder::new(None, &files).map(|builder| builder.order().len()).expect_err("refused")
    };
    assert_eq!(new(&[]), BuildError::Files(0));
    assert_eq!(new(&[("a", 0)]), BuildError::Layout(LayoutError::Empty));
    assert_eq!(new(&[("a", 1), ("../b", 1)]), BuildError::Path { file: 1, error: PathError::Parent });
    assert_eq!(new(&[("a", u64::MAX), ("b", 2)]), BuildError::Layout(LayoutError::Overflow));
    let unhashed = Builder::new(None, &[(vec!["a".to_owned()], 20_000)]).expect("sound");
    assert_eq!(unhashed.finish().expect_err("refused"), BuildError::Unhashed(2));
}

#[test]
fn private_and_piece_length_change_the_info_hash_and_nothing_else_does() {
    let files = [(vec!["a.bin".to_owned()], 100_000)];
    let finish = |mut builder: Builder| {
        builder.layout().clone().all_pieces().for_each(|piece| builder.set_hash(piece, [7; 20]));
        builder.finish().expect("complete")
    };
    let plain = || Builder::new(None, &files).expect("sound");
    let usual = finish(plain());
    let private = finish(plain().with_private(true));
    let long = finish(plain().with_piece_length(65_536).expect("allowed"));
    assert!(private.is_private() && !usual.is_private());
    assert_eq!((usual.layout().pieces(), long.layout().pieces()), (7, 2));
    assert!(usual.info_hash() != private.info_hash() && usual.info_hash() != long.info_hash());
    assert_eq!(finish(plain().with_private(false)), usual);
    for wrong in [0, 1, 8_192, 100_000, 8 << 20] {
        assert_eq!(plain().with_piece_length(wrong).err(), Some(BuildError::PieceLength(wrong)));
    }
}

#[test]
fn what_stands_beside_the_info_dictionary_is_written_and_read() {
    let plain = built(None, &[("a", 1)]);
    let seeds = ["https://Host.example/a".to_owned(), "https://host.example/a".to_owned()];
    let full = plain.clone().with_web_seeds(&seeds).expect("URLs").with_comment(" made\u{202e} here\0 ");
    let read = Metainfo::parse(&full.to_torrent(&["udp://t.example:1".to_owned()])).expect("sound");
    assert_eq!(read.info_hash(), plain.info_hash());
    assert_eq!(read.comment(), Some("made here"));
    assert_eq!(read.web_seeds(), &seeds[1..]);
    assert_eq!(read.trackers(), ["udp://t.example:1"]);
    assert!(plain.clone().with_web_seeds(&["ftp://host/a".to_owned()]).is_err());
    assert_eq!(plain.with_comment("\0").comment(), None);
}
