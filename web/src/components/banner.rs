//! What is off in this browser, tab or address, and how to turn it on; then what the engine has to tell.

use leptos::prelude::*;

use super::icon::{Icon, Sign};
use crate::client::{Level, Notice, WorkerState};
use crate::state::server::Server;
use crate::state::{diagnostics, use_ui};
use crate::{document, text};

/// Everything that a person must know before they rely on the page.
#[component]
pub fn Banners() -> impl IntoView {
    let ui = use_ui();
    let state = ui.client().state().clone();
    let can = RwSignal::from(state.capabilities);
    let worker = RwSignal::from(state.worker);
    let notices = RwSignal::from(state.notices);
    let plain = Memo::new(move |_| can.with(|can| can.complete && !can.secure_context));
    let no_webrtc = Memo::new(move |_| can.with(|can| can.complete && !can.webrtc));
    let in_memory = Memo::new(move |_| can.with(|can| can.complete && can.secure_context && !can.opfs));
    let failed = Memo::new(move |_| worker.with(|worker| matches!(worker, WorkerState::Failed(_))));
    view! {
        <div class="banners">
            <Show when=move || failed.get()><Failed/></Show>
            <Show when=move || no_webrtc.get()><p class="banner wrong" data-testid="error"><Icon sign=Sign::Warning/><span>{text::NO_WEBRTC}</span></p></Show>
            <Show when=move || plain.get()><PlainHttp cap=can.with_untracked(|can| can.memory_cap_bytes)/></Show>
            <Show when=move || in_memory.get()><p class="banner" data-testid="notice"><Icon sign=Sign::Warning/><span>{text::NO_OPFS}" "{move || text::in_memory(can.with(|can| can.memory_cap_bytes))}</span></p></Show>
            <For each=move || notices.get() key=|notice| notice.id let:notice><NoticeLine notice/></For>
        </div>
    }
}

/// Opened over plain http: still works, in memory.
#[component]
fn PlainHttp(cap: u64) -> impl IntoView {
    let ui = use_ui();
    let site = RwSignal::from(ui.client().state().site.clone());
    let address = move || {
        let fragment = {
            ui.route.track();
            document::fragment()
        };
        site.with(|site| site.tls_port).map(|port| [&Server::secure_origin(port), "/", &fragment].concat())
    };
    view! {
        <p class="banner" data-testid="notice">
            <Icon sign=Sign::Warning/>
            <span>
                {text::insecure(cap)} " "
                {move || match address() {
                    Some(address) => {
                        let target = address.clone();
                        view! { {text::SECURE_KNOWN_BEFORE} " " <a href=target>{address}</a> " " {text::SECURE_KNOWN_AFTER} }.into_any()
                    }
                    None => text::SECURE_UNKNOWN.into_any(),
                }}
            </span>
        </p>
    }
}

/// Nothing works; why is in the diagnostics.
#[component]
fn Failed() -> impl IntoView {
    let ui = use_ui();
    view! {
        <div class="banner wrong" data-testid="error">
            <Icon sign=Sign::Warning/>
            <span>{text::WORKER_FAILED}</span>
            <button type="button" on:click=move |_| ui.copy(diagnostics::of(ui, None), text::DIAGNOSTICS_COPIED)>{text::COPY_DIAGNOSTICS}</button>
        </div>
    }
}

#[component]
fn NoticeLine(notice: Notice) -> impl IntoView {
    let ui = use_ui();
    let (class, testid) = match notice.level {
        Level::Info => ("banner", "notice"),
        Level::Warning => ("banner", "notice"),
        Level::Error => ("banner wrong", "error"),
    };
    view! {
        <div class=class data-testid=testid role="alert">
            {(notice.level != Level::Info).then(|| view! { <Icon sign=Sign::Warning/> })}
            <span>{notice.text}</span>
            <button type="button" class="square" aria-label=text::CLOSE on:click=move |_| ui.client().dismiss(notice.id)><Icon sign=Sign::Cross/></button>
        </div>
    }
}
