//! Keeps the screen on while something moves and somebody looks.

use leptos::prelude::*;
use shared::engine::Phase;

use super::Ui;
use crate::client::{CreationState, TransferView};
use crate::document;
use crate::platform::wake_lock::WakeLock;

/// Follows all transfers and creations for as long as the page lives.
pub fn keep(ui: Ui) {
    let wanted = Memo::new(move |_| {
        // Changes with the page's visibility, too.
        ui.scheme.track();
        !document::hidden() && ui.moves()
    });
    let lock = WakeLock::default();
    Effect::new(move |_| lock.set(wanted.get()));
}

impl Ui {
    fn moves(self) -> bool {
        let client = self.client();
        let state = client.state();
        state.creations.with(|all| all.iter().any(|one| one.state == CreationState::Hashing))
            || state.transfers.get().iter().any(|row| row.view.with(moves))
    }
}

fn moves(view: &TransferView) -> bool {
    let torrent = &view.torrent;
    torrent.phase == Phase::Checking || torrent.down_rate > 0 || torrent.up_rate > 0
}
