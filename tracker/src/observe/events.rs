//! What happened lately, for people: bounded in number, and in how much a second may bring of each kind.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use serde::Serialize;

/// Events that are kept: minutes of a classroom, some 200 bytes each.
const KEPT: usize = 1_000;

/// Events of one kind that one second may bring; the rest of it is counted only. More than a person can read already.
const PER_SECOND: u64 = 20;

/// What an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// A peer joined a swarm.
    Joined,
    /// A peer left a swarm, or its connection ended.
    Left,
    /// A peer has everything.
    Completed,
    /// Somebody was refused.
    Refused,
    /// The tracker closed a peer's socket.
    Closed,
    /// A file was fetched over HTTP.
    Download,
    /// The certificate was read anew, or could not be.
    Certificate,
    /// A node of the cluster came or went.
    Node,
    /// The tracker itself.
    Tracker,
}

impl Kind {
    const COUNT: usize = Self::Tracker as usize + 1;
}

/// One event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Event {
    /// Counts up by one.
    pub(crate) number: u64,
    /// Milliseconds since 1970.
    pub(crate) at: u64,
    pub(crate) kind: Kind,
    /// For people.
    pub(crate) text: String,
    /// The swarm, if it is about one, in hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) swarm: Option<String>,
    /// Events of this kind that were left out since the last one that was not.
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) left_out: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// The events of late.
#[derive(Debug)]
pub(crate) struct Events {
    start: Instant,
    /// For each kind: the second of the last event in the upper half, how many it brought in the lower.
    gates: [AtomicU64; Kind::COUNT],
    left_out: [AtomicU64; Kind::COUNT],
    ring: Mutex<Ring>,
}

#[derive(Debug, Default)]
struct Ring {
    next: u64,
    events: VecDeque<Event>,
}

impl Default for Events {
    fn default() -> Self {
        Self {
            start: Instant::now(),
            gates: Default::default(),
            left_out: Default::default(),
            ring: Mutex::default(),
        }
    }
}

impl Events {
    /// Notes an event, whose text is made only if there is room for it in this second.
    pub(crate) fn note(
        &self,
        kind: Kind,
        swarm: Option<&shared::id::InfoHash>,
        text: impl FnOnce() -> String,
    ) {
        if !self.admits(kind, self.start.elapsed().as_secs()) {
            self.left_out[kind as usize].fetch_add(1, Ordering::Relaxed);
            return;
        }
        let left_out = self.left_out[kind as usize].swap(0, Ordering::Relaxed);
        let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let at = u64::try_from(at.as_millis()).unwrap_or(u64::MAX);
        let (text, swarm) = (text(), swarm.map(ToString::to_string));
        let mut ring = self.ring.lock();
        let number = ring.next;
        ring.next += 1;
        if ring.events.len() >= KEPT {
            ring.events.pop_front();
        }
        ring.events.push_back(Event { number, at, kind, text, swarm, left_out });
    }

    /// Those whose number is at least `from`, the newest `most` of them, and the number that the next one will have.
    pub(crate) fn since(&self, from: u64, most: usize) -> (Vec<Event>, u64) {
        let ring = self.ring.lock();
        let oldest = ring.next.saturating_sub(ring.events.len() as u64);
        let skip = usize::try_from(from.saturating_sub(oldest)).unwrap_or(usize::MAX);
        let skip = skip.max(ring.events.len().saturating_sub(most));
        (ring.events.iter().skip(skip).cloned().collect(), ring.next)
    }

    fn admits(&self, kind: Kind, second: u64) -> bool {
        let count = |gate: u64| {
            let (last, brought) = (gate >> 32, gate & u64::from(u32::MAX));
            match last == second {
                true if brought >= PER_SECOND => None,
                true => Some(gate + 1),
                false => Some(second << 32 | 1),
            }
        };
        self.gates[kind as usize].fetch_update(Ordering::Relaxed, Ordering::Relaxed, count).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ring_keeps_the_newest_and_numbers_all() {
        let events = Events::default();
        for number in 0..KEPT as u64 + 10 {
            // Each in a second of its own, as it were.
            events.gates[Kind::Tracker as usize].store(0, Ordering::Relaxed);
            events.note(Kind::Tracker, None, || number.to_string());
        }
        let (all, next) = events.since(0, usize::MAX);
        assert_eq!((all.len(), next), (KEPT, KEPT as u64 + 10));
        assert_eq!((all[0].number, all[0].text.as_str()), (10, "10"));
        let (newest, _) = events.since(next - 2, usize::MAX);
        assert_eq!(newest.iter().map(|event| event.number).collect::<Vec<_>>(), [next - 2, next - 1]);
        assert_eq!(events.since(0, 3).0.len(), 3);
        assert!(events.since(next + 5, 3).0.is_empty());
    }

    #[test]
    fn a_flood_is_cut_and_counted_and_other_kinds_are_heard() {
        let events = Events::default();
        for _ in 0..10_000 {
            events.note(Kind::Joined, None, String::new);
        }
        events.note(Kind::Refused, None, String::new);
        let seconds = events.start.elapsed().as_secs() + 1;
        let (all, _) = events.since(0, usize::MAX);
        let joined = all.iter().filter(|event| event.kind == Kind::Joined).count() as u64;
        assert!((PER_SECOND..=PER_SECOND * seconds).contains(&joined), "{joined} in {seconds} s");
        assert_eq!(all.last().map(|event| event.kind), Some(Kind::Refused));
        events.gates[Kind::Joined as usize].store(0, Ordering::Relaxed);
        events.note(Kind::Joined, None, String::new);
        let (all, _) = events.since(0, usize::MAX);
        let told: u64 =
            all.iter().filter(|event| event.kind == Kind::Joined).map(|event| event.left_out + 1).sum();
        assert_eq!(told, 10_001, "what was left out is told with the next");
    }
}
