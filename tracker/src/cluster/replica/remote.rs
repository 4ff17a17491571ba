//! How far another node is known.

use core::time::Duration;
use std::collections::BTreeSet;

use shared::time::Instant;

use crate::cluster::digest::{ALL, Digest, Parts, hash, within};
use crate::swarm::change::{Key, Node};

/// A snapshot that does not go on for so long is asked for anew.
const STALLED_AFTER: Duration = Duration::from_secs(3);

/// The wait between two requests for a snapshot, doubled with each that came to nothing, up to the longest.
const ASK_AGAIN: Duration = Duration::from_millis(500);
const ASK_AGAIN_MAX: Duration = Duration::from_secs(30);

/// While there is no room for a node's members it differs, and asking again is of no use.
const FULL_FOR: Duration = Duration::from_secs(60);

/// What follows from a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// Nothing.
    Nothing,
    /// What it brings is to be entered.
    Apply,
    /// Something is missing.
    Missed(&'static str),
}

#[derive(Debug)]
pub(super) struct Remote {
    pub(super) number: Node,
    pub(super) name: String,
    pub(super) heard: Instant,
    /// Of its members as they are known here.
    pub(super) digest: Digest,
    /// When there was no room for one of its members.
    pub(super) full_at: Option<Instant>,
    /// The last batch that is contained in what is known; `None` before the first chunk, and after a gap.
    applied: Option<u64>,
    sync: Option<Sync>,
    /// Parts to ask for.
    wanted: Parts,
    ask_at: Instant,
    tries: u32,
    /// Parts that differed at the last comparison. A member that is announced elsewhere may differ for a moment.
    suspect: Parts,
}

/// A snapshot on its way here.
#[derive(Debug)]
struct Sync {
    session: u64,
    parts: Parts,
    next: u32,
    /// Who was named since it was asked for; only where somebody may have to go for not being named.
    seen: Option<BTreeSet<u64>>,
    progress: Instant,
}

impl Remote {
    pub(super) fn new(now: Instant, number: Node, name: String) -> Self {
        Self {
            number,
            name,
            heard: now,
            digest: Digest::default(),
            full_at: None,
            applied: None,
            sync: None,
            wanted: ALL,
            ask_at: now,
            tries: 0,
            suspect: 0,
        }
    }

    pub(super) const fn is_synced(&self) -> bool {
        self.applied.is_some() && self.sync.is_none() && self.wanted == 0
    }

    pub(super) fn hello(&mut self, seq: u64) -> Heard {
        match self.applied {
            Some(applied) if seq > applied => self.missed("its last batch is not known"),
            _ => Heard::Nothing,
        }
    }

    pub(super) fn batch(&mut self, seq: u64) -> Heard {
        match self.applied {
            Some(applied) if applied.checked_add(1) == Some(seq) => {
                self.applied = Some(seq);
                Heard::Apply
            }
            Some(applied) if seq > applied => self.missed("a batch is missing"),
            _ => Heard::Nothing,
        }
    }

    pub(super) fn chunk(&mut self, now: Instant, session: u64, number: u32, seq: u64) -> Heard {
        let Some(sync) = self.sync.as_mut().filter(|sync| sync.session == session) else {
            return Heard::Nothing;
        };
        if sync.next != number {
            let parts = sync.parts;
            self.sync = None;
            self.wanted |= parts;
            return Heard::Missed("a part of a snapshot is missing");
        }
        match self.applied {
            Some(applied) if applied != seq => return self.missed("a batch is missing"),
            Some(_) => {}
            None => self.applied = Some(seq),
        }
        sync.next += 1;
        sync.progress = now;
        Heard::Apply
    }

    /// The member is there: it is not to go when the snapshot ends.
    pub(super) fn saw(&mut self, key: &Key) {
        if let Some(Sync { seen: Some(seen), parts, .. }) = &mut self.sync
            && within(*parts, key.info_hash())
        {
            seen.insert(hash(key, None));
        }
    }

    /// The snapshot is complete. Returns what it was about, and who was named if that matters.
    pub(super) fn finish(&mut self) -> Option<(Parts, Option<BTreeSet<u64>>)> {
        let Sync { parts, seen, .. } = self.sync.take()?;
        self.tries = 0;
        Some((parts, seen))
    }

    /// Compares what is known with what there is, if both are of the same moment.
    pub(super) fn compare(&mut self, now: Instant, seq: u64, digest: &Digest) -> Heard {
        let full = self.full_at.is_some_and(|at| now.saturating_since(at) < FULL_FOR);
        if self.applied != Some(seq) || !self.is_synced() || full {
            return Heard::Nothing;
        }
        let differing = self.digest.differing(digest);
        let again = differing & core::mem::replace(&mut self.suspect, differing);
        if again == 0 {
            return Heard::Nothing;
        }
        self.suspect = 0;
        self.wanted |= again;
        Heard::Missed("its members are others than are known")
    }

    /// Gives a snapshot up that does not come.
    pub(super) fn due(&mut self, now: Instant) -> Heard {
        let stalled = |sync: &&mut Sync| now.saturating_since(sync.progress) >= STALLED_AFTER;
        let Some(sync) = self.sync.as_mut().filter(stalled) else { return Heard::Nothing };
        self.wanted |= sync.parts;
        self.sync = None;
        Heard::Missed("a snapshot does not come")
    }

    /// The parts to ask for now, as this session.
    pub(super) fn ask(&mut self, now: Instant, session: u64, jitter_permille: u64) -> Option<Parts> {
        if self.wanted == 0 || self.sync.is_some() || self.ask_at > now {
            return None;
        }
        let parts = core::mem::take(&mut self.wanted);
        let wait = ASK_AGAIN.saturating_mul(1 << self.tries.min(10)).min(ASK_AGAIN_MAX);
        // Not all nodes at once ask one that comes back.
        self.ask_at = now + wait + wait.mul_f64(jitter_permille as f64 / 2_000.0);
        self.tries += 1;
        let seen = (self.digest.members() > 0).then(BTreeSet::new);
        self.sync = Some(Sync { session, parts, next: 0, seen, progress: now });
        Some(parts)
    }

    fn missed(&mut self, why: &'static str) -> Heard {
        self.applied = None;
        self.sync = None;
        self.wanted = ALL;
        Heard::Missed(why)
    }
}
