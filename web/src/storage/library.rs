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
use crate::platform::locks::Lock;

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

    /// What gone tabs left, and clears away what is not worth keeping.
    pub async fn stored(&self) -> Result<Vec<Stored>, StorageError> {
        let mut stored = Vec::new();
        for name in files::names(&self.root).await? {
            let Ok(torrent) = name.parse::<InfoHash>() else { continue };
            for slot in self.slots(torrent).await? {
                let Some(claim) = self.try_claim(torrent, slot).await? else { continue };
                match self.describe(&claim).await {
                    Some(found) => stored.push(found),
                    None => claim.erase().await?,
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
        for slot in slots {
            let claim = Claim::unlocked(self.root.clone(), torrent, slot);
            let Ok(Some(directory)) = claim.existing().await else { continue };
            let Ok((meta, Some(_), _)) = opfs::peek(&directory).await else { continue };
            // A slot that another tab holds is no reason to go on by ourselves, unless it was ours until a moment ago.
            let ours = wanted == Some(slot) || matches!(self.try_claim(torrent, slot).await, Ok(Some(_)));
            if ours && Metainfo::parse(&meta).is_ok_and(|metainfo| metainfo.info_hash() == torrent) {
                return Some((slot, meta));
            }
        }
        None
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

    async fn describe(&self, claim: &Claim) -> Option<Stored> {
        let directory = claim.existing().await.ok()??;
        let (meta, record, touched) = opfs::peek(&directory).await.ok()?;
        let metainfo =
            Metainfo::parse(&meta).ok().filter(|metainfo| metainfo.info_hash() == claim.torrent)?;
        let verified_bytes = shared::torrent::verified_bytes(&record?, &metainfo)?;
        (verified_bytes > 0).then(|| Stored {
            info_hash: claim.torrent,
            slot: claim.slot,
            name: metainfo.name().to_owned(),
            total_bytes: metainfo.layout().total(),
            verified_bytes,
            touched,
        })
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
        let lock = Lock::try_take(&format!("{ROOT}/{torrent}/{slot}")).await?;
        Ok(lock.map(|lock| Claim { root: self.root.clone(), torrent, slot, _lock: Some(lock) }))
    }
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
