//! Draws nothing: notes the rates of a torrent, and tells those who listen rather than look how far it is.

use leptos::prelude::*;
use shared::engine::Phase;
use shared::id::InfoHash;

use crate::client::Transfer;
use crate::state::status::status;
use crate::state::use_ui;
use crate::{document, text, units};

/// One watch for each torrent.
#[component]
pub fn Watches() -> impl IntoView {
    let rows = RwSignal::from(use_ui().client().state().transfers.clone());
    view! { <For each=move || rows.get() key=|row| row.info_hash let:row><Watch row/></For> }
}

#[component]
fn Watch(row: Transfer) -> impl IntoView {
    let history = use_ui().histories.of(row.info_hash);
    let view = RwSignal::from(row.view);
    Effect::new(move |_| {
        let (down, up) = view.with(|view| (view.torrent.down_rate, view.torrent.up_rate));
        let now = document::now_ms();
        history.maybe_update(|history| history.note(now, down, up));
    });
}

/// What is said aloud of the torrent in view: each tenth, each change of what it is doing.
#[component]
pub fn Spoken() -> impl IntoView {
    let ui = use_ui();
    let line = Memo::new(move |_| ui.current.get().and_then(|hash| spoken(ui, hash)).unwrap_or_default());
    view! { <p class="offscreen" role="status" aria-live="polite">{line}</p> }
}

fn spoken(ui: crate::state::Ui, info_hash: InfoHash) -> Option<String> {
    let view = ui.transfer(info_hash)?;
    view.with(|view| {
        let torrent = &view.torrent;
        Some(match torrent.phase {
            Phase::Complete => text::verified(torrent.verified_pieces, torrent.pieces),
            Phase::Downloading if torrent.waiting.is_none() => {
                let tenth = units::percent(torrent.verified_bytes, torrent.total_bytes) / 10 * 10;
                [&tenth.to_string(), " % ", text::COL_VERIFIED].concat()
            }
            // Seconds that count down would be said each second.
            _ => status(view)?.text.chars().filter(|letter| !letter.is_ascii_digit()).collect(),
        })
    })
}
