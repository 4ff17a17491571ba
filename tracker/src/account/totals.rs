//! How much the peers of each account say that they moved. Claims, nothing more: a peer may say what it likes.

use std::collections::HashMap;

use shared::id::{InfoHash, PeerId};
use shared::tracker::announce::{AnnounceRequest, Event};

use crate::policy::who::AccountId;

/// Peers whose last word is remembered, about 100 bytes each. When there are more, all words are forgotten, and with them
/// what those peers moved since.
const PEERS_MAX: usize = 100_000;

/// What peers said last, and what that makes for each account since it was last taken.
#[derive(Debug, Default)]
pub(super) struct Totals {
    said: HashMap<(AccountId, InfoHash, PeerId), (u64, u64)>,
    sums: HashMap<AccountId, (u64, u64)>,
}

impl Totals {
    /// Counts what a peer moved since its last word. Peers say what they moved since they started.
    pub(super) fn count(&mut self, account: AccountId, request: &AnnounceRequest) {
        let AnnounceRequest { info_hash, peer_id, uploaded, downloaded, event, .. } = request;
        if self.said.len() >= PEERS_MAX {
            self.said.clear();
        }
        let key = (account, *info_hash, *peer_id);
        let before = match event {
            Event::Stopped => self.said.remove(&key),
            _ => self.said.insert(key, (*uploaded, *downloaded)),
        };
        // What was moved before the first word may have been counted by another run, or another tracker.
        let Some((up, down)) = before.filter(|_| *event != Event::Started) else { return };
        let sum = self.sums.entry(account).or_default();
        sum.0 = sum.0.saturating_add(uploaded.saturating_sub(up));
        sum.1 = sum.1.saturating_add(downloaded.saturating_sub(down));
    }

    /// What accounts moved since this was last asked: uploaded and downloaded.
    pub(super) fn take(&mut self) -> HashMap<AccountId, (u64, u64)> {
        std::mem::take(&mut self.sums)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_peers_say_is_counted_from_word_to_word() {
        let mut totals = Totals::default();
        let mut said = |account, peer: u8, event, uploaded, downloaded| {
            let request = AnnounceRequest {
                info_hash: InfoHash([1; 20]),
                peer_id: PeerId([peer; 20]),
                port: 1,
                uploaded,
                downloaded,
                left: None,
                event,
                wanted: None,
                key: 0,
                tracker_id: None,
            };
            totals.count(AccountId(account), &request);
        };
        said(1, 1, Event::Started, 0, 0);
        said(1, 1, Event::Update, 10, 100);
        said(1, 2, Event::Update, 1_000, 1_000);
        said(1, 2, Event::Update, 1_005, 1_000);
        said(2, 1, Event::Started, 7, 7);
        said(2, 1, Event::Stopped, 8, 9);
        // It started again without a word.
        said(1, 1, Event::Update, 5, 5);
        said(1, 1, Event::Stopped, 6, 5);
        said(1, 1, Event::Update, 9, 9);
        let sums = HashMap::from([(AccountId(1), (16, 100)), (AccountId(2), (1, 2))]);
        assert_eq!(totals.take(), sums);
        assert!(totals.take().is_empty());
    }
}
