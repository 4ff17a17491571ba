//! What the page is shown, at most four times a second, and at once where a phase changed.

use shared::engine::Phase;
use shared::time::Instant;
use wasm_bindgen_futures::spawn_local;

use super::host::Host;
use super::pump::Handle;
use crate::platform::timer::Alarm;
use crate::protocol::{FromWorker, TransferUpdate};
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
    shown: Vec<TransferUpdate>,
}

impl Publisher {
    /// A publisher that has told nothing.
    pub(super) fn new(pump: Handle) -> Self {
        // Being run is enough: what is due is published after every run.
        let alarm = Alarm::new(move || pump.run(|_| {}));
        let (last, last_quota) = (Instant::ORIGIN, Instant::ORIGIN);
        Self { alarm, last, last_quota, urgent: false, shown: Vec::new() }
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
        let backings = self.backings();
        let direct = self.capabilities.transferable_channels;
        let updates: Vec<TransferUpdate> = self
            .engine
            .snapshot(now)
            .torrents
            .into_iter()
            .map(|torrent| {
                let backing = backings.get(&torrent.info_hash).copied().unwrap_or_default();
                let failed = torrent.phase == Phase::Error;
                let failure = self.failures.get(&torrent.info_hash).filter(|_| failed).cloned();
                TransferUpdate { torrent, failure, backing, direct }
            })
            .collect();
        if updates != self.publisher.shown {
            let message = FromWorker::Transfers(updates);
            self.say(&message);
            if let FromWorker::Transfers(updates) = message {
                self.publisher.shown = updates;
            }
        }
        if self.creations.take_changed() {
            self.say(&FromWorker::Creations(self.creations.list()));
        }
        self.look_at_quota(now);
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
