//! One host: the engine, its disk, and what the world must remember to check it.

use std::collections::{BTreeMap, BTreeSet};

use shared::engine::{Engine, Output, Snapshot, Timer};
use shared::id::{ConnId, EffectId, TrackerId};
use shared::time::Instant;

use crate::disk::Disk;
use crate::plan::HostPlan;

/// A simulated host.
#[derive(Debug)]
pub struct Host {
    /// What it is.
    pub plan: HostPlan,
    /// Its disk, which outlives the engine.
    pub disk: Disk,
    /// Counts its starts; what was meant for an earlier life does not reach a later one.
    pub life: u32,
    /// The running process, if it runs.
    pub running: Option<Running>,
    /// Cut off from the network.
    pub isolated: bool,
    /// When its disk has done what it was given so far.
    pub disk_free: Instant,
    /// Payload bytes received in all its lives.
    pub downloaded: u64,
}

/// A running engine.
pub struct Running {
    /// The engine that every host runs.
    pub engine: Engine,
    /// Effects given and not yet answered.
    pub effects: BTreeSet<EffectId>,
    /// Connections that the engine knows to be open, with the most bytes a message may have.
    pub open: BTreeMap<ConnId, usize>,
    /// Sockets to trackers, by the engine's number.
    pub trackers: BTreeMap<TrackerId, u64>,
    /// What has come on connections of which the engine does not know yet.
    pub begun: BTreeMap<ConnId, Vec<u8>>,
    /// Connections that have come in.
    pub incoming: u32,
    /// The deadline it asked for last.
    pub deadline: Option<(Instant, Timer)>,
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}

impl Host {
    /// A host that does not run yet.
    pub fn new(plan: HostPlan) -> Self {
        let disk = Disk::new(plan.disk, plan.corrupts);
        let disk_free = Instant::ORIGIN;
        Self { plan, disk, life: 0, running: None, isolated: false, disk_free, downloaded: 0 }
    }

    /// What the engine shows now, if it runs.
    pub fn snapshot(&self, now: Instant) -> Option<Snapshot> {
        self.running.as_ref().map(|running| running.engine.snapshot(now))
    }
}

impl Running {
    /// Takes everything that the engine has to say until its deadline.
    pub fn drain(&mut self) -> Vec<Output> {
        let mut outputs = Vec::new();
        loop {
            match self.engine.poll_output() {
                Output::Timeout(deadline) => {
                    self.deadline = deadline;
                    outputs.push(Output::Timeout(deadline));
                    return outputs;
                }
                output => outputs.push(output),
            }
            assert!(outputs.len() < 100_000, "the engine never comes to a deadline");
        }
    }
}
