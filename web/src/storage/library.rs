//! What this origin stores: `piecemeal/<info-hash>/<slot>/`, a slot for each tab that downloaded the torrent.
//!
//! A tab holds a Web Lock for each slot it uses, for as long as it lives. A second tab of the same browser that
//! downloads the same torrent finds the first slot locked and takes another; when a tab is gone its lock is free, and
//! whoever opens the torrent next adopts what it left.

use std::cell::RefCell;
use std::rc::Rc;

use bytes::Bytes;
use gloo_timers::future::TimeoutFuture;
use shared::id::InfoHash;
use shared::metainfo::Metainfo;
use web_sys::FileSystemDirectoryHandle;

use super::StorageError;
use super::opfs;
use crate::client::Stored;
use crate::platform::JsError;
use crate::platform::files::{self, SyncFile};
use crate::platform::locks::{self, Lock};

/// Directory of everything, in the origin's root.
const ROOT: &str = "piecemeal";

/// Slots of one torrent: as many tabs of one browser may download it at once.
const SLOTS_MAX: u32 = 32;

/// The lock of a tab that was just reloaded comes free once the browser has ended its worker.
const RELOAD_WAIT_MS: u32 = 100;
const RELOAD_WAITS: u32 = 30;

/// The stored torrents of this origin.
#[derive(Clone)]
pub struct Library {
    root: FileSystemDirectoryHandle,
    /// Slots to try first: those that this tab held before it was reloaded, and those that somebody chose from the list.
    wanted: Rc<RefCell<Vec<(InfoHash, u32)>>>,
}

impl Library {
    /// Opens the library, and tries whether files can be written in place here.
    pub async fn open(held: Vec<(InfoHash, u32)>) -> Result<Self, JsError> {
        let root = files::directory(&files::root().await?, ROOT, true).await?;
        // Another tab may be trying at this moment: a name of our own.
        let name = format!("try-{:016x}", u64::from_le_bytes(crate::platform::scope::random_bytes()?));
        let tried = async {
            let file = SyncFile::open(&files::file(&root, &name, true).await?).await?;
            file.write(0, b"x")
        };
        let tried = tried.await;
        files::remove(&root, &name).await?;
        tried?;
        Ok(Self { root, wanted: Rc::new(RefCell::new(held)) })
    }

    /// Takes this slot when the torrent is opened next.
    pub fn want(&self, torrent: InfoHash, slot: u32) {
        let mut wanted = self.wanted.borrow_mut();
        wanted.retain(|(other, _)| *other != torrent);
        wanted.push((torrent, slot));
    }

    /// A slot of this torrent, locked: the wanted one, else one that a gone tab left, else a new one.
    pub async fn claim(&self, torrent: InfoHash) -> Result<Claim, StorageError> {
        let wanted = self.take_wanted(torrent);
        if let Some(slot) = wanted {
            for _ in 0..RELOAD_WAITS {
                if let Some(claim) = self.try_claim(torrent, slot).await? {
                    return Ok(claim);
                }
                TimeoutFuture::new(RELOAD_WAIT_MS).await;
            }
        }
        let existing = self.slots(torrent).await?;
        let new = (0..SLOTS_MAX).filter(|slot| !existing.contains(slot));
        for slot in existing.iter().copied().chain(new) {
            if let Some(claim) = self.try_claim(torrent, slot).await? {
                return Ok(claim);
            }
        }
        Err(StorageError::Unsupported("another tab: too many download this torrent already"))
    }

    /// What gone tabs left, and clears away what holds nothing. Slots are looked at, not locked: another tab that opens
    /// a torrent at this moment must find them free.
    pub async fn stored(&self) -> Result<Vec<Stored>, StorageError> {
        let mut stored = Vec::new();
        let held = locks::held().await?;
        for name in files::names(&self.root).await? {
            let Ok(torrent) = name.parse::<InfoHash>() else { continue };
            for slot in self.slots(torrent).await? {
                if held.contains(&lock_name(torrent, slot)) {
                    continue;
                }
                match self.look(torrent, slot).await {
                    Ok(Left::Something(found)) => stored.push(found),
                    Ok(Left::Nothing) => self.clear(torrent, slot).await?,
                    // What cannot be looked at now is no reason to erase it, nor to hide the others.
                    Err(error) => web_sys::console::warn_1(&format!("{torrent}/{slot}: {error}").into()),
                }
            }
        }
        stored.sort_by(|a, b| b.touched.cmp(&a.touched).then(a.info_hash.cmp(&b.info_hash)));
        Ok(stored)
    }

    /// The `.torrent` of what a gone tab left: of this slot, or of any.
    pub async fn torrent(&self, torrent: InfoHash, slot: Option<u32>) -> Option<(u32, Bytes)> {
        let wanted = self.wanted.borrow().iter().find(|(other, _)| *other == torrent).map(|(_, slot)| *slot);
        let slots = match slot.or(wanted) {
            Some(slot) => vec![slot],
            None => self.slots(torrent).await.ok()?,
        };
        let held = locks::held().await.ok()?;
        for slot in slots {
            // A slot that another tab holds is no reason to go on by ourselves, unless it was ours until a moment ago.
            if wanted != Some(slot) && held.contains(&lock_name(torrent, slot)) {
                continue;
            }
            let claim = Claim::unlocked(self.root.clone(), torrent, slot);
            let Ok(Some(directory)) = claim.existing().await else { continue };
            let Ok(Some(meta)) = opfs::meta(&directory).await else { continue };
            if Metainfo::parse(&meta).is_ok_and(|metainfo| metainfo.info_hash() == torrent) {
                return Some((slot, meta));
            }
        }
        None
    }

    /// Whether an open tab holds this slot.
    pub async fn is_held(&self, torrent: InfoHash, slot: u32) -> Result<bool, JsError> {
        Ok(locks::held().await?.contains(&lock_name(torrent, slot)))
    }

    /// Deletes what a gone tab left; one that an open tab holds stays.
    pub async fn discard(&self, torrent: InfoHash, slot: u32) -> Result<(), StorageError> {
        match self.try_claim(torrent, slot).await? {
            Some(claim) => claim.erase().await,
            None => Err(StorageError::Unsupported("an open tab holds it")),
        }
    }

    fn take_wanted(&self, torrent: InfoHash) -> Option<u32> {
        let mut wanted = self.wanted.borrow_mut();
        let at = wanted.iter().position(|(other, _)| *other == torrent)?;
        Some(wanted.remove(at).1)
    }

    /// What is in a slot. Only a record that says "no piece", or the lack of any byte, means that nothing is: where
    /// record or `.torrent` are damaged or missing, the pieces may be there all the same, and are checked when opened.
    async fn look(&self, torrent: InfoHash, slot: u32) -> Result<Left, JsError> {
        let claim = Claim::unlocked(self.root.clone(), torrent, slot);
        let Some(directory) = claim.existing().await? else { return Ok(Left::Nothing) };
        let (record, touched) = opfs::record(&directory).await?;
        let meta = opfs::meta(&directory).await?.and_then(|meta| Metainfo::parse(&meta).ok());
        let meta = meta.filter(|metainfo| metainfo.info_hash() == torrent);
        let verified = match (&record, &meta) {
            (Some(record), Some(meta)) => shared::torrent::verified_bytes(record, meta),
            _ => None,
        };
        let (total_bytes, verified_bytes) = match (verified, &meta) {
            (Some(0), _) => return Ok(Left::Nothing),
            (Some(verified), Some(meta)) => (meta.layout().total(), verified),
            (_, meta) => match opfs::stored_bytes(&directory).await? {
                0 => return Ok(Left::Nothing),
                stored => (meta.as_ref().map_or(stored, |meta| meta.layout().total()), 0),
            },
        };
        let name = meta.as_ref().map(|meta| meta.name().to_owned()).unwrap_or_default();
        Ok(Left::Something(Stored { info_hash: torrent, slot, name, total_bytes, verified_bytes, touched }))
    }

    /// Erases a slot, if it still holds nothing once nobody else can take it.
    async fn clear(&self, torrent: InfoHash, slot: u32) -> Result<(), StorageError> {
        let Some(claim) = self.try_claim(torrent, slot).await? else { return Ok(()) };
        match self.look(torrent, slot).await {
            Ok(Left::Nothing) => claim.erase().await,
            _ => Ok(()),
        }
    }

    async fn slots(&self, torrent: InfoHash) -> Result<Vec<u32>, JsError> {
        let directory = match files::directory(&self.root, &torrent.to_string(), false).await {
            Ok(directory) => directory,
            Err(error) if error.is("NotFoundError") => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let names = files::names(&directory).await?;
        let mut slots: Vec<u32> = names.iter().filter_map(|name| name.parse().ok()).collect();
        slots.sort_unstable();
        Ok(slots)
    }

    async fn try_claim(&self, torrent: InfoHash, slot: u32) -> Result<Option<Claim>, JsError> {
        let lock = Lock::try_take(&lock_name(torrent, slot)).await?;
        Ok(lock.map(|lock| Claim { root: self.root.clone(), torrent, slot, _lock: Some(lock) }))
    }
}

/// What a gone tab left in a slot.
enum Left {
    Nothing,
    Something(Stored),
}

fn lock_name(torrent: InfoHash, slot: u32) -> String {
    format!("{ROOT}/{torrent}/{slot}")
}

/// A slot of a torrent, locked until dropped.
pub struct Claim {
    root: FileSystemDirectoryHandle,
    torrent: InfoHash,
    slot: u32,
    _lock: Option<Lock>,
}

impl Claim {
    fn unlocked(root: FileSystemDirectoryHandle, torrent: InfoHash, slot: u32) -> Self {
        Self { root, torrent, slot, _lock: None }
    }

    /// Its number.
    pub const fn slot(&self) -> u32 {
        self.slot
    }

    /// Its directory, if it is there.
    pub async fn existing(&self) -> Result<Option<FileSystemDirectoryHandle>, JsError> {
        match self.directory(false).await {
            Ok(directory) => Ok(Some(directory)),
            Err(error) if error.is("NotFoundError") => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Its directory, made where it is not there.
    pub async fn create(&self) -> Result<FileSystemDirectoryHandle, JsError> {
        self.directory(true).await
    }

    /// Deletes it, and the torrent's directory when that is empty then.
    pub async fn erase(self) -> Result<(), StorageError> {
        let torrent = self.torrent.to_string();
        let parent = match files::directory(&self.root, &torrent, false).await {
            Ok(parent) => parent,
            Err(error) if error.is("NotFoundError") => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        files::remove(&parent, &self.slot.to_string()).await?;
        if files::names(&parent).await?.is_empty() {
            files::remove(&self.root, &torrent).await?;
        }
        Ok(())
    }

    async fn directory(&self, create: bool) -> Result<FileSystemDirectoryHandle, JsError> {
        let parent = files::directory(&self.root, &self.torrent.to_string(), create).await?;
        files::directory(&parent, &self.slot.to_string(), create).await
    }
}
