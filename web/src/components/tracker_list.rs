//! The meeting servers of a torrent: what each said last, and when it is asked again.

use leptos::prelude::*;
use shared::engine::{TrackerSnapshot, TrackerState};
use shared::id::InfoHash;

use crate::client::TransferView;
use crate::state::use_ui;
use crate::{text, units};

/// One line a tracker.
#[component]
pub fn TrackerList(info_hash: InfoHash, view: RwSignal<TransferView>) -> impl IntoView {
    let ui = use_ui();
    let count = Memo::new(move |_| view.with(|view| view.torrent.trackers.len()));
    view! {
        <section class="card" aria-label=text::TRACKERS>
            <h2 class="card-title">{text::TRACKERS}</h2>
            <ul class="trackers">
                <For each=move || 0..count.get() key=|place| *place let:place><TrackerLine view place/></For>
            </ul>
            <button type="button" class="quiet" on:click=move |_| ui.client().reannounce(info_hash)>{text::ASK_NOW}</button>
        </section>
    }
}

#[component]
fn TrackerLine(view: RwSignal<TransferView>, place: usize) -> impl IntoView {
    let ui = use_ui();
    let line = Memo::new(move |_| {
        view.with(|view| {
            let connected = view.torrent.peers.len() as u64;
            view.torrent.trackers.get(place).map(|tracker| words(tracker, connected))
        })
        .unwrap_or_default()
    });
    let url = move || {
        view.with(|view| {
            view.torrent.trackers.get(place).map(|tracker| tracker.url.clone()).unwrap_or_default()
        })
    };
    let ours = move || ui.server.with_value(|server| server.owns(&url()));
    view! {
        <li>
            <span class="mono url">{url}</span>
            <span class="note">
                <i class=move || ["dot ", line.with(|line| line.0)].concat() aria-hidden="true"></i>
                {move || line.with(|line| line.1.clone())}
                {move || ours().then(|| [" \u{b7} ", text::THIS_SERVER].concat())}
            </span>
        </li>
    }
}

/// A dot, and what it stands for.
fn words(tracker: &TrackerSnapshot, connected: u64) -> (&'static str, String) {
    let next = tracker.next_ms.map(units::elapsed);
    let (dot, mut line) = match tracker.state {
        TrackerState::Connecting => ("idle", text::TRACKER_CONNECTING.to_owned()),
        TrackerState::Working => ("on", text::TRACKER_OK.to_owned()),
        TrackerState::Refused => {
            ("off", tracker.message.clone().unwrap_or_else(|| text::TRACKER_REFUSED.to_owned()))
        }
        TrackerState::Unreachable => ("off", text::TRACKER_UNREACHABLE.to_owned()),
        TrackerState::Unsupported => return ("idle", text::TRACKER_UNSUPPORTED.to_owned()),
    };
    if tracker.state == TrackerState::Working {
        let known = u64::from(tracker.seeds.unwrap_or(0)) + u64::from(tracker.leechers.unwrap_or(0));
        // It counts this tab as well, and counted when it was last asked.
        line = [&line, " \u{b7} ", &text::others(known.saturating_sub(1).max(connected))].concat();
    }
    if let Some(message) = tracker.message.as_ref().filter(|_| tracker.state == TrackerState::Working) {
        line = [&line, " \u{b7} ", message].concat();
    }
    if let Some(next) = next {
        line = [&line, " \u{b7} ", text::TRACKER_NEXT, " ", &next].concat();
    }
    (dot, line)
}
