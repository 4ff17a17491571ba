use leptos::prelude::*;
use shared::engine::TrackerState;
use shared::id::InfoHash;

use crate::client::TransferView;
use crate::state::status::{Remedy, Status, Tone, status};
use crate::state::{diagnostics, use_ui};
use crate::{document, text};

/// What a transfer is doing or waiting for, and what can be done about it.
#[component]
pub fn StatusLine(info_hash: InfoHash, view: RwSignal<TransferView>) -> impl IntoView {
    let ui = use_ui();
    let said = Memo::new(move |_| view.with(status));
    let part = move || said.get();
    let remedy = move |remedy: Remedy| {
        match remedy {
        Remedy::Retry => view! { <button type="button" on:click=move |_| ui.client().reannounce(info_hash)>{text::RETRY_NOW}</button> }.into_any(),
        Remedy::Diagnostics => view! { <button type="button" on:click=move |_| ui.copy(diagnostics::of(ui, Some(info_hash)), text::DIAGNOSTICS_COPIED)>{text::COPY_DIAGNOSTICS}</button> }.into_any(),
    }
    };
    let thrown = Memo::new(move |_| view.with(|view| (view.torrent.failed_pieces, view.torrent.banned)));
    view! {
        {move || part().map(|Status { tone, text: words, remedy: what, checks }| {
            let (class, testid) = match tone {
                Tone::Calm => ("status", None),
                Tone::Waiting => ("status waiting", None),
                Tone::Wrong => ("status wrong", Some("error")),
            };
            view! {
                <div class=class data-testid=testid>
                    <p>{words}</p>
                    {checks.then(|| view! { <Checks view/> })}
                    {what.map(remedy)}
                </div>
            }
        })}
        <Show when=move || { thrown.get().0 > 0 }>
            <p class="status note">{move || text::bad_pieces(thrown.get().0, thrown.get().1)}</p>
        </Show>
    }
}

/// Tracker, network, peers: so that one can see whose side it is.
#[component]
fn Checks(view: RwSignal<TransferView>) -> impl IntoView {
    let tracker = move || {
        view.with(|view| view.torrent.trackers.iter().any(|tracker| tracker.state == TrackerState::Working))
    };
    let peers = move || view.with(|view| view.torrent.peers.len());
    let mark = |good: bool| if good { "\u{2713}" } else { "\u{2717}" };
    view! {
        <ul class="checks">
            <li>{text::CHECK_TRACKER} " " {move || mark(tracker())}</li>
            <li>{text::CHECK_NETWORK} " " {move || mark(document::online())}</li>
            <li>{text::CHECK_PEERS} " " {peers}</li>
        </ul>
    }
}
