//! What the page is shown, at most four times a second, and at once where a phase changed.

use std::collections::BTreeMap;

use shared::engine::{FileSnapshot, Phase, TorrentSnapshot};
use shared::id::InfoHash;
use shared::time::Instant;
use wasm_bindgen_futures::spawn_local;

use super::host::Host;
use super::pump::Handle;
use crate::platform::timer::Alarm;
use crate::protocol::{FilesUpdate, FromWorker, TransferUpdate};
use crate::storage::quota;

/// Between two updates while something happens.
const BUSY_MS: u64 = 250;

/// Between two updates while nothing does: what counts seconds goes on.
const IDLE_MS: u64 = 1_000;

/// Between two looks at the quota: the browser takes a while to add up.
const QUOTA_MS: u64 = 5_000;

/// When the page was last told, and what it does not know yet.
pub(super) struct Publisher {
    alarm: Alarm,
    last: Instant,
    last_quota: Instant,
    /// Something that a person waits for: told at once.
    urgent: bool,
    /// What the page was told last, without files.
    shown: Vec<TransferUpdate>,
    /// Files of each torrent as the page was told last.
    files: BTreeMap<InfoHash, Vec<FileSnapshot>>,
}

impl Publisher {
    /// A publisher that has told nothing.
    pub(super) fn new(pump: Handle) -> Self {
        // Being run is enough: what is due is published after every run.
        let alarm = Alarm::new(move || pump.run(|_| {}));
        let (last, last_quota) = (Instant::ORIGIN, Instant::ORIGIN);
        Self { alarm, last, last_quota, urgent: false, shown: Vec::new(), files: BTreeMap::new() }
    }

    /// Publishes at the end of this turn.
    pub(super) fn hurry(&mut self) {
        self.urgent = true;
    }
}

impl Host {
    /// Tells the page what is new, if it is time, and sees to it that it will be.
    pub(super) fn publish_when_due(&mut self, now: Instant) {
        let since = now.saturating_since(self.publisher.last).as_millis() as u64;
        if self.publisher.urgent || since >= BUSY_MS {
            self.publish(now);
        }
        let busy = !self.connections.is_empty() || self.creations.any_hashing();
        let pause = if busy { BUSY_MS } else { IDLE_MS };
        if self.publisher.shown.is_empty() && !busy {
            return self.publisher.alarm.disarm();
        }
        let key = self.publisher.last.as_nanos();
        let next = pause.saturating_sub(now.saturating_since(self.publisher.last).as_millis() as u64);
        self.publisher.alarm.arm(key, next as u32);
    }

    fn publish(&mut self, now: Instant) {
        self.publisher.urgent = false;
        self.publisher.last = now;
        let mut torrents = self.engine.snapshot(now).torrents;
        let files: Vec<FilesUpdate> = torrents.iter_mut().map(|torrent| self.new_of_files(torrent)).collect();
        self.publisher.files.retain(|known, _| torrents.iter().any(|torrent| torrent.info_hash == *known));
        let mut updates: Vec<TransferUpdate> =
            torrents.into_iter().map(|torrent| self.update_of(torrent)).collect();
        if updates != self.publisher.shown || files.iter().any(|files| *files != FilesUpdate::Same) {
            self.publisher.shown.clone_from(&updates);
            for (update, files) in updates.iter_mut().zip(files) {
                update.files = files;
            }
            self.say(&FromWorker::Transfers(updates));
        }
        if self.creations.take_changed() {
            self.say(&FromWorker::Creations(self.creations.list()));
        }
        self.look_at_quota(now);
    }

    /// Takes the files out of a snapshot; answers what of them the page does not know.
    fn new_of_files(&mut self, torrent: &mut TorrentSnapshot) -> FilesUpdate {
        let files = std::mem::take(&mut torrent.files);
        let metainfo = self.engine.metainfo(&torrent.info_hash);
        let padding = || {
            let files = metainfo.iter().flat_map(|metainfo| metainfo.files());
            (0..).zip(files).filter(|(_, file)| file.padding).map(|(number, _)| number).collect()
        };
        FilesUpdate::between(self.publisher.files.entry(torrent.info_hash).or_default(), files, padding)
    }

    fn update_of(&self, torrent: TorrentSnapshot) -> TransferUpdate {
        let store = self.stores.get(&torrent.info_hash);
        let failed = torrent.phase == Phase::Error;
        TransferUpdate {
            failure: self.failures.get(&torrent.info_hash).filter(|_| failed).cloned(),
            files: FilesUpdate::Same,
            backing: store.map(|store| store.backing).unwrap_or_default(),
            direct: self.capabilities.transferable_channels,
            torrent,
        }
    }

    fn look_at_quota(&mut self, now: Instant) {
        let since = now.saturating_since(self.publisher.last_quota).as_millis() as u64;
        if self.library.is_none() || since < QUOTA_MS {
            return;
        }
        self.publisher.last_quota = now;
        let pump = self.pump.clone();
        spawn_local(async move {
            let quota = quota::estimate().await;
            pump.run(move |host| {
                if host.capabilities.quota != quota {
                    host.capabilities.quota = quota;
                    host.say(&FromWorker::Quota(quota));
                }
            });
        });
    }
}
