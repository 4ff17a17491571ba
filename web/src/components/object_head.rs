use leptos::prelude::*;

use crate::client::TransferView;
use crate::{text, units};

/// What it is: name, size, files, pieces, and the hash that everything is checked against.
#[component]
pub fn ObjectHead(view: RwSignal<TransferView>) -> impl IntoView {
    let name =
        move || view.with(|view| view.torrent.name.clone()).unwrap_or_else(|| text::UNKNOWN_NAME.to_owned());
    let hash = view.with_untracked(|view| view.torrent.info_hash.to_string());
    view! {
        <header class="object-head">
            <h1 title=name>{name}</h1>
            <p class="meta">
                <span>{move || view.with(facts)}</span>
                <span class="mono hash" title=text::HASH_TITLE>{hash}</span>
            </p>
        </header>
    }
}

fn facts(view: &TransferView) -> String {
    let torrent = &view.torrent;
    let mut facts = Vec::with_capacity(3);
    if torrent.total_bytes > 0 {
        facts.push(units::bytes(torrent.total_bytes));
    }
    if view.listed() > 1 {
        facts.push(text::files(view.listed()));
    }
    if torrent.pieces > 0 {
        facts.push(
            [&text::pieces(torrent.pieces), " of ", &units::piece_length(torrent.piece_length)].concat(),
        );
    }
    facts.join(" \u{b7} ")
}
