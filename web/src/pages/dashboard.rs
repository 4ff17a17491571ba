//! The Dashboard: what the tracker is doing, for its operator.

use leptos::prelude::*;
use wasm_bindgen_futures::spawn_local;

use crate::components::dashboard::door::{Refusal, TokenForm};
use crate::components::dashboard::log::Log;
use crate::components::dashboard::swarm::SwarmSection;
use crate::components::dashboard::tiles::Tiles;
use crate::dashboard::{self, Dashboard, Link};
use crate::document;
use crate::state::use_ui;
use crate::text::dashboard as text;

/// The view.
#[component]
pub fn DashboardPage() -> impl IntoView {
    let ui = use_ui();
    ui.current.set(None);
    let dashboard = Dashboard::open();
    let copy = move |_| {
        spawn_local(async move {
            let done = document::copy(&dashboard::scrape_config()).await;
            ui.say(if done { text::SCRAPE_COPIED } else { text::NOT_COPIED });
        });
    };
    let body = Memo::new(move |_| match dashboard.link.get() {
        Link::Lost => Link::Live,
        other => other,
    });
    let state = move || match dashboard.link.get() {
        Link::Live => ("on", text::LIVE),
        Link::Lost => ("off", text::LOST),
        _ => ("idle", text::OPENING),
    };
    view! {
        <section class="dashboard" data-testid="dashboard">
            <header class="object-head">
                <h1>{text::DASHBOARD}</h1>
                <p class="note">{text::INTRO}</p>
            </header>
            {move || match body.get() {
                Link::Token { wrong } => view! { <TokenForm dashboard wrong/> }.into_any(),
                Link::Refused(words) => view! { <Refusal words/> }.into_any(),
                Link::Opening | Link::Live | Link::Lost => view! {
                    <p class="connection feed-state" role="status"><i class=move || ["dot ", state().0].concat() aria-hidden="true"></i>{move || state().1}</p>
                    <Tiles dashboard/>
                    <SwarmSection dashboard/>
                    <Log dashboard/>
                    <p class="meta">
                        <a href="/metrics" target="_blank" rel="noopener">{text::METRICS}</a>
                        <a href="/api" target="_blank" rel="noopener">{text::API}</a>
                        <button type="button" class="inline" on:click=copy data-testid="copy-scrape">{text::COPY_SCRAPE}</button>
                    </p>
                }.into_any(),
            }}
        </section>
    }
}
