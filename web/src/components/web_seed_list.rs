//! The web seeds of a torrent: what each gives, and when it is tried again.

use leptos::prelude::*;
use shared::engine::{WebSeedSnapshot, WebSeedState};

use crate::client::TransferView;
use crate::{text, units};

/// One line a web seed; nothing where there are none.
#[component]
pub fn WebSeedList(view: RwSignal<TransferView>) -> impl IntoView {
    let count = Memo::new(move |_| view.with(|view| view.torrent.web_seeds.len()));
    view! {
        <Show when=move || { count.get() > 0 }>
            <section class="card" aria-label=text::WEB_SEEDS data-testid="web-seeds">
                <h2 class="card-title">{text::WEB_SEEDS}</h2>
                <ul class="trackers">
                    <For each=move || 0..count.get() key=|place| *place let:place><WebSeedLine view place/></For>
                </ul>
            </section>
        </Show>
    }
}

#[component]
fn WebSeedLine(view: RwSignal<TransferView>, place: usize) -> impl IntoView {
    let line = Memo::new(move |_| {
        view.with(|view| view.torrent.web_seeds.get(place).map(words)).unwrap_or_default()
    });
    let url = move || {
        view.with(|view| view.torrent.web_seeds.get(place).map(|seed| seed.url.clone()).unwrap_or_default())
    };
    view! {
        <li>
            <span class="mono url">{url}</span>
            <span class="note">
                <i class=move || ["dot ", line.with(|line| line.0)].concat() aria-hidden="true"></i>
                {move || line.with(|line| line.1.clone())}
            </span>
        </li>
    }
}

/// A dot, and what it stands for.
fn words(seed: &WebSeedSnapshot) -> (&'static str, String) {
    let (dot, mut line) = match seed.state {
        WebSeedState::Idle => ("idle", text::WEB_SEED_IDLE.to_owned()),
        WebSeedState::Fetching => ("on", units::rate(seed.down_rate)),
        WebSeedState::Waiting => ("off", text::WEB_SEED_FAILED.to_owned()),
        WebSeedState::Private => ("idle", text::WEB_SEED_PRIVATE.to_owned()),
        WebSeedState::Convicted => ("off", text::WEB_SEED_CONVICTED.to_owned()),
    };
    if let Some(next) = seed.next_ms.map(units::elapsed).filter(|_| seed.state == WebSeedState::Waiting) {
        line = [&line, " \u{b7} ", text::TRACKER_NEXT, " ", &next].concat();
    }
    if seed.downloaded > 0 {
        line = [&line, " \u{b7} ", &units::bytes(seed.downloaded)].concat();
    }
    (dot, line)
}
