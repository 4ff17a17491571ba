//! Transfers: what this tab gives and gets, and what an earlier one left.

use leptos::prelude::*;

use crate::client::{Backing, Stored, Transfer};
use crate::routes::Route;
use crate::state::use_ui;
use crate::{text, units};

/// The view.
#[component]
pub fn TransfersPage() -> impl IntoView {
    let ui = use_ui();
    ui.current.set(None);
    let state = ui.client().state().clone();
    let rows = RwSignal::from(state.transfers);
    let stored = RwSignal::from(state.stored);
    view! {
        <h1 class="view-title">{text::TRANSFERS}</h1>
        <Show when=move || rows.with(Vec::is_empty) && stored.with(Vec::is_empty)>
            <p class="empty">{text::NO_TRANSFERS}</p>
        </Show>
        <ul class="rows"><For each=move || rows.get() key=|row| row.info_hash let:row><Row row/></For></ul>
        <Show when=move || !stored.with(Vec::is_empty)>
            <h2 class="view-sub">{text::INTERRUPTED}</h2>
            <ul class="rows"><For each=move || stored.get() key=|one| (one.info_hash, one.slot) let:one><StoredRow one/></For></ul>
        </Show>
    }
}

#[component]
fn Row(row: Transfer) -> impl IntoView {
    let ui = use_ui();
    let hash = row.info_hash;
    let view = RwSignal::from(row.view);
    let shared = move || view.with(|view| view.backing == Backing::Source);
    let name =
        move || view.with(|view| view.torrent.name.clone()).unwrap_or_else(|| text::UNKNOWN_NAME.to_owned());
    let percent = Memo::new(move |_| {
        view.with(|view| units::percent(view.torrent.verified_bytes, view.torrent.total_bytes))
    });
    let address = move || {
        let route = if shared() {
            Route::Share(Some(hash))
        } else {
            Route::Link(view.with(|view| view.torrent.magnet.clone()))
        };
        ["#", &route.fragment()].concat()
    };
    let phase = Memo::new(move |_| view.with(|view| view.torrent.phase));
    let toggle = move |_| ui.toggle(hash, phase.get_untracked());
    view! {
        <li class="row" data-testid="transfer-row" data-infohash=hash.to_string()>
            <a class="row-name" href=address>{name}</a>
            <span class="row-state">{move || view.with(|view| text::phase(view.torrent.phase))}</span>
            <span class="row-size number">{move || units::bytes(view.with(|view| view.torrent.total_bytes))}</span>
            <span class="row-far"><progress max="100" prop:value=move || percent.get().to_string() aria-label=text::COL_VERIFIED></progress>{move || [&percent.get().to_string(), " %"].concat()}</span>
            <span class="row-rates number">
                {move || view.with(|view| text::rates(view.torrent.down_rate, view.torrent.up_rate))}
            </span>
            <span class="row-people number">{move || text::people(view.with(|view| view.torrent.peers.len()))}</span>
            <span class="buttons">
                <button type="button" on:click=toggle>{move || text::toggle(phase.get())}</button>
                <button type="button" on:click=move |_| ui.remove(hash, false)>{text::REMOVE}</button>
            </span>
        </li>
    }
}

/// What an earlier tab left.
#[component]
fn StoredRow(one: Stored) -> impl IntoView {
    let ui = use_ui();
    let (hash, slot) = (one.info_hash, one.slot);
    let percent = units::percent(one.verified_bytes, one.total_bytes);
    let state = match one.verified_bytes {
        0 => text::STORED_UNCHECKED,
        _ if one.is_complete() => text::STORED_WHOLE,
        _ => text::STORED_PART,
    };
    let name = if one.name.is_empty() { text::UNKNOWN_NAME.to_owned() } else { one.name.clone() };
    let resume = move |_| {
        ui.client().resume_stored(hash, slot);
        ui.show(Route::Link(hash.to_string()));
    };
    view! {
        <li class="row" data-testid="stored-row" data-infohash=hash.to_string()>
            <span class="row-name">{name}</span>
            <span class="row-state">{state}</span>
            <span class="row-size number">{units::bytes(one.total_bytes)}</span>
            <span class="row-far"><progress max="100" value=percent.to_string() aria-label=text::COL_VERIFIED></progress>{percent} " %"</span>
            <span class="row-rates"></span>
            <span class="row-people"></span>
            <span class="buttons">
                <button type="button" data-testid="resume" on:click=resume>{text::RESUME}</button>
                <button type="button" data-testid="discard" on:click=move |_| ui.client().discard_stored(hash, slot)>{text::DISCARD}</button>
            </span>
        </li>
    }
}
