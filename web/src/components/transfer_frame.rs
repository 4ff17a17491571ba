use leptos::prelude::*;
use shared::id::InfoHash;

use crate::client::TransferView;
use crate::state::status::{state_word, waiting_word};

/// The element that carries a torrent's figures as attributes: part of the page's contract with tests and assistive
/// tools. Written by effects of the view's own signal, never by a timer or a frame, so they hold in a hidden tab.
#[component]
pub fn TransferFrame(info_hash: InfoHash, view: RwSignal<TransferView>, children: Children) -> impl IntoView {
    let number = move |part: fn(&TransferView) -> u64| move || view.with(part).to_string();
    view! {
        <article class="desk" data-testid="transfer" data-infohash=info_hash.to_string()
            data-state=move || view.with(|view| state_word(view.torrent.phase, view.torrent.pieces > 0))
            data-verified-bytes=number(|view| view.torrent.verified_bytes)
            data-total-bytes=number(|view| view.torrent.total_bytes)
            data-peers=number(|view| view.torrent.peers.len() as u64)
            data-downloaded=number(|view| view.torrent.downloaded)
            data-uploaded=number(|view| view.torrent.uploaded)
            data-wasted=number(|view| view.torrent.wasted)
            data-banned=number(|view| u64::from(view.torrent.banned))
            data-failed-pieces=number(|view| u64::from(view.torrent.failed_pieces))
            data-waiting=move || view.with(|view| waiting_word(view.torrent.waiting.as_ref()))
            data-error=move || view.with(|view| view.torrent.error.clone())
            data-channel=move || if view.with(|view| view.direct) { "worker" } else { "relay" }>
            {children()}
        </article>
    }
}
