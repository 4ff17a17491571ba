//! What a helper would need to know, as text; nothing of it leaves the tab unless the person pastes it somewhere.

use leptos::prelude::*;
use serde::Serialize;
use shared::id::InfoHash;

use super::Ui;
use crate::client::{Capabilities, Notice, TransferView, WorkerState};
use crate::document;

#[derive(Serialize)]
struct Report {
    version: &'static str,
    browser: String,
    capabilities: Capabilities,
    /// Why the engine worker stopped, as it came.
    stopped: Option<String>,
    notices: Vec<Notice>,
    transfer: Option<TransferView>,
}

/// The report, as indented JSON. The piece map is left out, for its size; so is the name, which is nobody's business.
pub fn of(ui: Ui, info_hash: Option<InfoHash>) -> String {
    let client = ui.client();
    let state = client.state();
    let transfer = info_hash.and_then(|hash| state.transfer(hash)).map(|row| {
        let mut view = row.view.get_untracked();
        view.torrent.field.clear();
        view.torrent.files.clear();
        view.padding.clear();
        view.torrent.name = None;
        view.torrent.magnet.clear();
        view
    });
    let report = Report {
        version: env!("CARGO_PKG_VERSION"),
        browser: document::window().navigator().user_agent().unwrap_or_default(),
        capabilities: state.capabilities.get_untracked(),
        stopped: match state.worker.get_untracked() {
            WorkerState::Failed(reason) => Some(reason),
            WorkerState::Starting | WorkerState::Ready => None,
        },
        notices: state.notices.get_untracked(),
        transfer,
    };
    // Values of ours have no keys but strings, the only thing that JSON would refuse.
    serde_json::to_string_pretty(&report).unwrap_or_default()
}
