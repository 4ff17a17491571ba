//! What is awaited of receiver tabs.

use std::collections::BTreeMap;

use futures_channel::oneshot;

use super::model::{Lane, Outcome};

/// Of one task.
pub(super) struct Gather {
    pub(super) lane: Lane,
    pub(super) begun: f64,
    /// Bytes of each.
    pub(super) far: BTreeMap<String, u64>,
    pub(super) outcomes: BTreeMap<String, Option<Outcome>>,
    pub(super) tell: Option<oneshot::Sender<Vec<Outcome>>>,
}

impl Gather {
    /// Gives up all tabs that have not told yet.
    pub(super) fn abandon(&mut self, outcome: &Outcome) {
        let tabs: Vec<String> = self.outcomes.keys().cloned().collect();
        tabs.iter().for_each(|tab| self.settle(tab, outcome.clone()));
    }

    /// Takes what came of it in one tab; with the last, whoever waits is told.
    pub(super) fn settle(&mut self, tab: &str, outcome: Outcome) {
        if let Some(slot) = self.outcomes.get_mut(tab) {
            slot.get_or_insert(outcome);
        }
        if self.outcomes.values().all(Option::is_some)
            && let Some(tell) = self.tell.take()
        {
            let _ = tell.send(self.outcomes.values().flatten().cloned().collect());
        }
    }
}
