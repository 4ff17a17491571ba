//! Every storage backend passes the same suite, in a real worker of a real browser.

#![cfg(target_arch = "wasm32")]

use std::rc::Rc;

use bytes::Bytes;
use shared::id::InfoHash;
use shared::layout::Layout;
use wasm_bindgen::JsCast as _;
use wasm_bindgen_futures::JsFuture;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};
use web::platform::files::{self, SyncFile};
use web::storage::library::Library;
use web::storage::memory::Memory;
use web::storage::opfs::Opfs;
use web::storage::source::Source;
use web::storage::{Backend, CachedStorage, Storage, StorageError, conformance};
use web_sys::File;

wasm_bindgen_test_configure!(run_in_dedicated_worker);

fn layout() -> Rc<Layout> {
    Rc::new(conformance::layout().expect("valid"))
}

async fn opfs(library: &Library, torrent: InfoHash) -> Opfs {
    let claim = library.claim(torrent).await.expect("a free slot");
    Opfs::open(claim, layout(), Bytes::from_static(b"the torrent")).await.expect("opens")
}

/// Files as somebody would have chosen them: disk-backed, one for each of the layout's.
async fn shared_files(directory: &str) -> Rc<[File]> {
    let root = files::root().await.expect("private file system");
    let directory = files::directory(&root, directory, true).await.expect("made");
    let contents = conformance::contents();
    let mut made = Vec::new();
    for (number, span) in layout().files().iter().enumerate() {
        let handle = files::file(&directory, &number.to_string(), true).await.expect("made");
        let file = SyncFile::open(&handle).await.expect("opens");
        file.write(0, &contents[span.offset as usize..(span.offset + span.length) as usize]).expect("writes");
        drop(file);
        made.push(JsFuture::from(handle.get_file()).await.expect("a file").unchecked_into());
    }
    made.into()
}

#[wasm_bindgen_test]
async fn memory_conforms() {
    let mut memory = Memory::new(layout(), 10_000_000);
    conformance::writes(&mut memory).await.expect("conforms");
}

#[wasm_bindgen_test]
async fn memory_refuses_what_is_above_its_cap() {
    let total = layout().total();
    let mut memory = Memory::new(layout(), total - 1);
    let refused = memory.write(0, &[Bytes::from_static(b"a piece")]).await;
    assert_eq!(refused, Err(StorageError::NoSpace { needed: total, available: Some(total - 1) }));
}

#[wasm_bindgen_test]
async fn the_private_file_system_conforms_and_remembers() {
    let torrent = InfoHash([1; 20]);
    let library = Library::open(Vec::new()).await.expect("private file system");
    let mut storage = opfs(&library, torrent).await;
    conformance::writes(&mut storage).await.expect("conforms");
    storage.close(false).await.expect("closes");

    let mut storage = opfs(&library, torrent).await;
    assert_eq!(storage.slot(), 0, "what a gone tab left is adopted");
    conformance::reopened(&mut storage).await.expect("remembers");
    storage.close(true).await.expect("erases");

    let mut storage = opfs(&library, torrent).await;
    assert_eq!(storage.opened().record, None);
    assert!(storage.read(0, &mut [0; 1]).await.is_err());
    storage.close(true).await.expect("erases");
}

#[wasm_bindgen_test]
async fn two_tabs_have_a_slot_each_and_a_file_stays_readable_beside_writes_to_others() {
    let torrent = InfoHash([2; 20]);
    let library = Library::open(Vec::new()).await.expect("private file system");
    let mut first = opfs(&library, torrent).await;
    let mut second = opfs(&library, torrent).await;
    assert_eq!((first.slot(), second.slot()), (0, 1));
    conformance::writes(&mut first).await.expect("conforms");
    let saved = first.file(4).await.expect("a file");
    conformance::writes(&mut second).await.expect("conforms");
    first.write(0, &[Bytes::from_static(b"another file is written to")]).await.expect("writes");
    let buffer = files::read(&saved, 0, saved.size() as u64).await.expect("still readable");
    let contents = conformance::contents();
    assert_eq!(files::bytes_of(&buffer)[..], contents[contents.len() - 12_345..]);
    first.close(true).await.expect("erases");
    second.close(true).await.expect("erases");
}

#[wasm_bindgen_test]
async fn looking_at_a_torrent_stores_nothing() {
    let torrent = InfoHash([3; 20]);
    let library = Library::open(Vec::new()).await.expect("private file system");
    let storage = opfs(&library, torrent).await;
    storage.close(false).await.expect("closes");
    let root =
        files::directory(&files::root().await.expect("root"), "piecemeal", false).await.expect("there");
    assert!(!files::names(&root).await.expect("listed").contains(&torrent.to_string()));
}

#[wasm_bindgen_test]
async fn shared_files_conform_and_are_never_written_to() {
    let mut source = Source::new(layout(), shared_files("shared").await).expect("fits");
    conformance::reads(&mut source).await.expect("conforms");
    conformance::files(&mut source).await.expect("conforms");
    let refused = source.write(0, &[Bytes::from_static(b"no")]).await;
    assert!(matches!(refused, Err(StorageError::Unsupported(_))));
}

#[wasm_bindgen_test]
async fn a_shared_file_that_changes_is_told_from_other_failures() {
    let shared = shared_files("changing").await;
    let mut source = Source::new(layout(), Rc::clone(&shared)).expect("fits");
    let mut read = [0; 8];
    source.read(0, &mut read).await.expect("reads");
    let root = files::root().await.expect("private file system");
    let directory = files::directory(&root, "changing", false).await.expect("there");
    let file =
        SyncFile::open(&files::file(&directory, "0", false).await.expect("there")).await.expect("opens");
    file.write(0, b"changed").expect("writes");
    file.truncate(10).expect("cuts");
    drop(file);
    assert_eq!(source.read(0, &mut read).await, Err(StorageError::Changed("0".to_owned())));
    assert!(Source::new(layout(), shared.iter().take(2).cloned().collect()).is_err());
}

#[wasm_bindgen_test]
async fn the_cache_never_shows_what_was_there_before_a_write() {
    let memory = Memory::new(layout(), 10_000_000);
    let opfs = opfs(&Library::open(Vec::new()).await.expect("there"), InfoHash([4; 20])).await;
    for backend in [Backend::Memory(memory), Backend::Opfs(Box::new(opfs))] {
        let mut storage = CachedStorage::new(backend, layout());
        for fill in [1_u8, 2] {
            storage.write(65_536, &[Bytes::from(vec![fill; 32_768])]).await.expect("writes");
            let read = storage.read(70_000, 16_384).await.expect("reads, though the rest is not there yet");
            assert!(read.iter().all(|byte| *byte == fill), "round {fill}");
        }
        assert!(matches!(storage.read(layout().total(), 1).await, Err(StorageError::Range { .. })));
        storage.close(true).await.expect("closes");
    }
}

/// Files, a `.torrent` and a record as a gone tab left them: the record says nothing that can be read.
async fn left(torrent: InfoHash, record: &[u8], data: &[u8]) -> web_sys::FileSystemDirectoryHandle {
    let root = files::directory(&files::root().await.expect("root"), "piecemeal", true).await.expect("made");
    let parent = files::directory(&root, &torrent.to_string(), true).await.expect("made");
    let slot = files::directory(&parent, "0", true).await.expect("made");
    for (name, bytes) in [("resume", record), ("meta", b"damaged"), ("0", data)] {
        let file = SyncFile::open(&files::file(&slot, name, true).await.expect("made")).await.expect("opens");
        file.write(0, bytes).expect("writes");
    }
    parent
}

#[wasm_bindgen_test]
async fn a_damaged_record_erases_nothing_and_only_an_empty_slot_is_cleared_away() {
    let library = Library::open(Vec::new()).await.expect("private file system");
    let (torn, empty) = (InfoHash([5; 20]), InfoHash([6; 20]));
    let kept = left(torn, b"\x10\0\0\0torn", b"bytes that were verified").await;
    left(empty, b"\x10\0\0\0torn", b"").await;
    let stored = library.stored().await.expect("listed");
    let found = stored.iter().find(|one| one.info_hash == torn).expect("listed though damaged");
    assert_eq!((found.verified_bytes, found.total_bytes), (0, 24));
    assert_eq!(files::names(&kept).await.expect("listed"), ["0"]);
    assert!(!stored.iter().any(|one| one.info_hash == empty));
    let root =
        files::directory(&files::root().await.expect("root"), "piecemeal", false).await.expect("there");
    assert!(!files::names(&root).await.expect("listed").contains(&empty.to_string()));
    library.discard(torn, 0).await.expect("discarded");
}

#[wasm_bindgen_test]
async fn listing_takes_no_slot_from_who_opens_a_torrent_at_that_moment() {
    let torrent = InfoHash([7; 20]);
    let library = Library::open(Vec::new()).await.expect("private file system");
    left(torrent, b"\x10\0\0\0torn", b"bytes").await;
    let (listed, claim) = futures_util::future::join(library.stored(), library.claim(torrent)).await;
    listed.expect("listed");
    let claim = claim.expect("a free slot");
    assert_eq!(claim.slot(), 0);
    claim.erase().await.expect("erased");
}
