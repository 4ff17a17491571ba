use leptos::prelude::*;

use crate::client::TransferView;
use crate::{text, units};

/// How fast, how far, how long.
#[component]
pub fn Gauge(view: RwSignal<TransferView>) -> impl IntoView {
    let rate = move || units::scaled(view.with(|view| view.torrent.down_rate));
    let percent =
        move || view.with(|view| units::percent(view.torrent.verified_bytes, view.torrent.total_bytes));
    let left = move || view.with(|view| view.torrent.eta_ms).and_then(units::time_left);
    let verified =
        move || view.with(|view| text::part_verified(view.torrent.verified_bytes, view.torrent.total_bytes));
    view! {
        <div class="gauge">
            <p class="rate"><span>{move || rate().0}</span><small>{move || [rate().1, "/s"].concat()}</small></p>
            <div>
                <p class="far"><b>{percent} " %"</b> <span>{move || left().map(|left| [&left, " left"].concat())}</span></p>
                <p class="note">{verified}</p>
            </div>
        </div>
    }
}
