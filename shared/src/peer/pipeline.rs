use core::time::Duration;
use std::collections::VecDeque;

use crate::layout::{BlockRef, PieceIndex};
use crate::limits;
use crate::time::Instant;

/// Requests to begin with: covers the first round trip without burying a slow peer.
const WINDOW_FIRST: usize = 8;

/// Fewest requests in flight to a peer that answers.
const WINDOW_MIN: usize = 4;

/// Waiting at the peer that the pipeline aims for beyond the bare round trip: hides a pause of the event loop or the
/// disk on either side, and is what makes the window rate × (round trip + margin).
const QUEUE_LOW: Duration = Duration::from_millis(300);

/// Waiting at the peer above which the window shrinks.
const QUEUE_HIGH: Duration = Duration::from_millis(900);

/// How long the least round trip is believed; the path or the peer may change.
const LEAST_TTL: Duration = Duration::from_secs(30);

/// How long a peer may owe us blocks without any coming. Stock WebTorrent gives up on the whole connection at 30 s.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);

/// How long it may at most, however slow it was before: a peer that drips would raise what is waited for without end.
const REQUEST_TIMEOUT_MAX: Duration = Duration::from_secs(60);

/// How long others' requests are left to them before a peer without work is asked for the same blocks, in endgame: twice the
/// time in which it answers itself, within these bounds. Asked at once, it would send most of them in vain.
const PATIENCE: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

/// The same of a peer of which that is not known.
const PATIENCE_FIRST: Duration = Duration::from_millis(100);

/// A request that was sent and not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pending {
    block: BlockRef,
    sent_at: Instant,
}

/// What a block that came is to its pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matched {
    /// It answers a request.
    Asked,
    /// It answers a request that was given up: cancelled, timed out, or choked away.
    Late,
    /// It was never asked for.
    Unasked,
}

/// Requests in flight to one peer, and how many there should be.
///
/// The window doubles each round trip until blocks wait at the peer for about `QUEUE_LOW` longer than the bare round
/// trip, and is held between there and `QUEUE_HIGH`. By Little's law that is rate × (round trip + margin), without
/// having to measure the rate.
#[derive(Debug)]
pub struct Pipeline {
    pending: VecDeque<Pending>,
    forgiven: VecDeque<BlockRef>,
    window: usize,
    window_max: usize,
    /// Least time from request to block, and when it was measured.
    least: Option<(Duration, Instant)>,
    smoothed: Option<Duration>,
    last_block: Instant,
    snubbed: bool,
}

impl Pipeline {
    /// An empty pipeline.
    pub const fn new(now: Instant) -> Self {
        Self {
            pending: VecDeque::new(),
            forgiven: VecDeque::new(),
            window: WINDOW_FIRST,
            window_max: limits::REQUESTS_QUEUED_DEFAULT,
            least: None,
            smoothed: None,
            last_block: now,
            snubbed: false,
        }
    }

    /// The peer says how many requests it queues (`reqq`, BEP 10).
    pub fn set_limit(&mut self, reqq: u32) {
        self.window_max = (reqq as usize).clamp(1, limits::REQUESTS_QUEUED_MAX);
    }

    /// Requests that may be sent now. Answers 0 until a batch worth sending fits, so that requests travel together
    /// and are read together by the peer.
    pub fn room(&self) -> usize {
        let window = if self.snubbed { 1 } else { self.window.min(self.window_max) };
        let room = window.saturating_sub(self.pending.len());
        let batch = (window / 4).clamp(1, 32);
        if room >= batch { room } else { 0 }
    }

    /// Requests in flight.
    pub fn len(&self) -> usize {
        self.pending.len()
    }

    /// Whether no request is in flight.
    pub fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// Whether so few requests are in flight that the peer will soon have nothing to do.
    pub fn is_running_dry(&self) -> bool {
        self.pending.len() * 4 <= self.window.min(self.window_max)
    }

    /// Whether the peer owes us blocks and has given none for too long.
    pub const fn is_snubbed(&self) -> bool {
        self.snubbed
    }

    /// Time from request to block, smoothed.
    pub const fn round_trip(&self) -> Option<Duration> {
        self.smoothed
    }

    /// How long others may take for a block until this peer is asked for it as well.
    pub fn patience(&self) -> Duration {
        self.smoothed.map_or(PATIENCE_FIRST, |smoothed| (smoothed * 2).clamp(PATIENCE.0, PATIENCE.1))
    }

    /// Requests that have waited for so long.
    pub fn waiting(&self, patience: Duration, now: Instant) -> impl Iterator<Item = BlockRef> + '_ {
        let waits = move |pending: &&Pending| pending.sent_at + patience <= now;
        self.pending.iter().take_while(waits).map(|pending| pending.block)
    }

    /// When the next request will have waited for so long.
    pub fn next_waiting(&self, patience: Duration, now: Instant) -> Option<Instant> {
        self.pending.iter().map(|pending| pending.sent_at + patience).find(|at| *at > now)
    }

    /// Since when blocks are owed and none has come.
    pub fn owed_since(&self) -> Option<Instant> {
        self.pending.front().map(|oldest| oldest.sent_at.max(self.last_block))
    }

    /// A request was sent.
    pub fn sent(&mut self, block: BlockRef, now: Instant) {
        self.pending.push_back(Pending { block, sent_at: now });
    }

    /// A block came.
    pub fn received(&mut self, block: BlockRef, now: Instant) -> Matched {
        let Some(at) = self.pending.iter().position(|pending| pending.block == block) else {
            let Some(at) = self.forgiven.iter().position(|forgiven| *forgiven == block) else {
                return Matched::Unasked;
            };
            self.forgiven.remove(at);
            self.alive(now);
            return Matched::Late;
        };
        if let Some(pending) = self.pending.remove(at) {
            self.measure(now.saturating_since(pending.sent_at), now);
        }
        self.alive(now);
        Matched::Asked
    }

    /// The peer will not answer a request (BEP 6). Answers whether it was in flight.
    pub fn rejected(&mut self, block: BlockRef) -> bool {
        if let Some(at) = self.pending.iter().position(|pending| pending.block == block) {
            self.pending.remove(at);
            return true;
        }
        if let Some(at) = self.forgiven.iter().position(|forgiven| *forgiven == block) {
            self.forgiven.remove(at);
        }
        false
    }

    /// A request is given up; the block may come all the same. Answers whether it was in flight.
    pub fn cancel(&mut self, block: BlockRef) -> bool {
        let Some(at) = self.pending.iter().position(|pending| pending.block == block) else { return false };
        self.pending.remove(at);
        self.forgive(block);
        true
    }

    /// All requests are given up; the blocks may come all the same.
    pub fn cancel_all(&mut self) -> Vec<BlockRef> {
        let given_up: Vec<BlockRef> = self.pending.drain(..).map(|pending| pending.block).collect();
        given_up.iter().for_each(|block| self.forgive(*block));
        given_up
    }

    /// Requests in flight for blocks of one piece.
    pub fn of_piece(&self, piece: PieceIndex) -> impl Iterator<Item = BlockRef> + '_ {
        self.pending.iter().map(|pending| pending.block).filter(move |block| block.piece == piece)
    }

    /// When the peer is given up on, if nothing comes.
    pub fn deadline(&self) -> Option<Instant> {
        self.owed_since().map(|since| since + self.timeout())
    }

    /// Gives up on all requests if the peer has been given enough time; they are for others then. The peer is asked
    /// for single blocks until it gives one.
    pub fn time_out(&mut self, now: Instant) -> Option<Vec<BlockRef>> {
        self.deadline().filter(|deadline| *deadline <= now)?;
        self.snubbed = true;
        self.window = WINDOW_MIN;
        Some(self.cancel_all())
    }

    /// The host slept: what it could not receive meanwhile is not held against the peer.
    pub fn woke(&mut self, now: Instant) {
        self.last_block = now;
        self.least = None;
    }

    fn timeout(&self) -> Duration {
        (self.smoothed.unwrap_or_default() * 4).clamp(REQUEST_TIMEOUT, REQUEST_TIMEOUT_MAX)
    }

    fn alive(&mut self, now: Instant) {
        self.last_block = now;
        if self.snubbed {
            self.snubbed = false;
            self.window = WINDOW_FIRST;
        }
    }

    fn measure(&mut self, sample: Duration, now: Instant) {
        self.smoothed = Some(self.smoothed.map_or(sample, |smoothed| (smoothed * 7 + sample) / 8));
        let least = match self.least {
            Some((least, at)) if sample > least && now.saturating_since(at) < LEAST_TTL => least,
            // A stale least is renewed by half a step, since the sample has the queue in it that the window makes.
            Some((least, _)) if sample > least => {
                let renewed = least + (sample - least).min(QUEUE_LOW) / 2;
                self.least = Some((renewed, now));
                renewed
            }
            _ => {
                self.least = Some((sample, now));
                sample
            }
        };
        let queued = sample - least.min(sample);
        if queued < QUEUE_LOW {
            self.window = (self.window + 1).min(self.window_max);
        } else if queued > QUEUE_HIGH {
            self.window = (self.window - 1).max(WINDOW_MIN);
        }
    }

    fn forgive(&mut self, block: BlockRef) {
        if self.forgiven.len() >= limits::REQUESTS_FORGIVEN_MAX {
            self.forgiven.pop_front();
        }
        self.forgiven.push_back(block);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::Layout;

    fn blocks() -> impl Iterator<Item = BlockRef> {
        let layout = Layout::new(1 << 26, [1 << 32]).expect("valid");
        (0..64).flat_map(move |piece| {
            let layout = layout.clone();
            (0..4_096).filter_map(move |number| layout.block(layout.piece(piece)?, number))
        })
    }

    /// Runs a peer that gives one block each `every` after `latency`, for `seconds`; answers the window and the blocks
    /// that came.
    fn run(every: Duration, latency: Duration, seconds: u64) -> (usize, u64) {
        let mut pipeline = Pipeline::new(Instant::ORIGIN);
        pipeline.set_limit(512);
        let mut source = blocks();
        let mut now = Instant::ORIGIN;
        let mut free_at = now;
        let mut arriving: VecDeque<(Instant, BlockRef)> = VecDeque::new();
        let mut came = 0;
        while now < Instant::from_millis(seconds * 1_000) {
            for _ in 0..pipeline.room() {
                let block = source.next().expect("enough blocks");
                pipeline.sent(block, now);
                free_at = free_at.max(now) + every;
                arriving.push_back((free_at + latency, block));
            }
            let (at, block) = arriving.pop_front().expect("something is in flight");
            now = now.max(at);
            assert_eq!(pipeline.received(block, now), Matched::Asked);
            came += 1;
        }
        (pipeline.window, came)
    }

    #[test]
    fn a_fast_near_peer_is_kept_busy_within_a_second() {
        // 16 KiB each 160 µs: 100 MB/s.
        let (_, came) = run(Duration::from_micros(160), Duration::from_millis(2), 1);
        assert!(came > 5_900, "{came} of 6250");
    }

    #[test]
    fn a_fast_far_peer_gets_the_whole_window() {
        let (window, _) = run(Duration::from_micros(500), Duration::from_millis(250), 5);
        assert_eq!(window, 512);
    }

    #[test]
    fn a_slow_peer_is_not_buried() {
        // 80 kB/s.
        let (window, came) = run(Duration::from_millis(200), Duration::from_millis(100), 60);
        assert!((WINDOW_MIN..=WINDOW_FIRST + 2).contains(&window), "{window}");
        assert!(came > 290, "{came} of 300");
    }

    #[test]
    fn a_peer_that_drips_is_not_waited_for_without_end() {
        let mut pipeline = Pipeline::new(Instant::ORIGIN);
        let all: Vec<_> = blocks().take(20).collect();
        all.iter().for_each(|block| pipeline.sent(*block, Instant::ORIGIN));
        for (block, number) in all.iter().zip(1..=18) {
            assert_eq!(pipeline.time_out(Instant::from_millis(number * 19_000)), None);
            pipeline.received(*block, Instant::from_millis(number * 19_000));
        }
        assert_eq!(pipeline.time_out(Instant::from_millis(18 * 19_000 + 60_000)), Some(all[18..].to_vec()));
    }

    #[test]
    fn a_silent_peer_is_snubbed_and_forgiven_when_it_gives() {
        let mut pipeline = Pipeline::new(Instant::ORIGIN);
        let all: Vec<_> = blocks().take(8).collect();
        all.iter().for_each(|block| pipeline.sent(*block, Instant::ORIGIN));
        assert_eq!(pipeline.time_out(Instant::from_millis(19_999)), None);
        assert_eq!(pipeline.time_out(Instant::from_millis(20_000)), Some(all.clone()));
        assert_eq!(pipeline.room(), 1);
        assert_eq!(pipeline.received(all[3], Instant::from_millis(25_000)), Matched::Late);
        assert_eq!(pipeline.received(all[3], Instant::from_millis(25_000)), Matched::Unasked);
        assert!(!pipeline.is_snubbed());
        assert_eq!(pipeline.room(), WINDOW_FIRST);
    }
}
