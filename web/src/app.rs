//! The page as a whole: bars, the view that the address names, and what listens to the whole document.

use leptos::ev;
use leptos::prelude::*;
use wasm_bindgen::JsCast;

use crate::client::{Client, WorkerState};
use crate::components::banner::Banners;
use crate::components::bars::{BottomBar, TopBar};
use crate::components::drop_zone::{DropOverlay, FileInputs, choose_files};
use crate::components::help::Help;
use crate::components::login::LoginGate;
use crate::components::toast::Toast;
use crate::components::watch::{Spoken, Watches};
use crate::intake::Given;
use crate::pages::account::AccountPage;
use crate::pages::compare::ComparePage;
use crate::pages::compare_tab::{ReceiverPage, SeederPage};
use crate::pages::dashboard::DashboardPage;
use crate::pages::settings::SettingsPage;
use crate::pages::share::SharePage;
use crate::pages::transfer::TransferPage;
use crate::pages::transfers::TransfersPage;
use crate::routes::Route;
use crate::state::{Ui, awake, title};
use crate::{document, text};
use shared::engine::Phase;

/// The whole page.
#[component]
pub fn App() -> impl IntoView {
    let client = start();
    let ui = Ui::new(client.clone());
    provide_context(client.clone());
    provide_context(ui);
    ui.settings.keep(ui.scheme);
    ui.follow_creations();
    title::keep(ui);
    awake::keep(ui);
    let reporting = client.clone();
    ui.account.follow(ui);
    Effect::new(move |_| {
        let (upload, download) = ui.settings.limits();
        client.set_limits(upload, download);
    });
    Effect::new(move |_| {
        // To the server that the page came from, and to nobody else.
        let to = ui.settings.reports.get().then(|| ui.server.with_value(|server| server.announce.clone()));
        reporting.report_to(to.into_iter().collect());
    });
    listen(ui);
    #[cfg(feature = "demo")]
    crate::state::demo::place(ui);
    let worker = RwSignal::from(ui.client().state().worker.clone());
    let ready = move || (!matches!(worker.get(), WorkerState::Failed(_))).then_some("true");
    view! {
        <TopBar/>
        <main id="main" tabindex="-1" data-ready=ready>
            <Banners/>
            <LoginGate/>
            {move || match ui.route.get() {
                Route::Share(info_hash) => view! { <SharePage info_hash/> }.into_any(),
                Route::Transfers => view! { <TransfersPage/> }.into_any(),
                Route::Compare => view! { <ComparePage/> }.into_any(),
                Route::Receive(room) => view! { <ReceiverPage room/> }.into_any(),
                Route::Seed(room) => view! { <SeederPage room/> }.into_any(),
                Route::Dashboard => view! { <DashboardPage/> }.into_any(),
                Route::Settings => view! { <SettingsPage/> }.into_any(),
                Route::Account(invitation) => view! { <AccountPage invitation/> }.into_any(),
                Route::Link(link) => view! { <TransferPage link/> }.into_any(),
            }}
        </main>
        <BottomBar/>
        <FileInputs/>
        <DropOverlay/>
        <Help/>
        <Toast/>
        <Watches/>
        <Spoken/>
        <div id="field-colours" class="offscreen" aria-hidden="true"></div>
    }
}

#[cfg(not(feature = "demo"))]
fn start() -> Client {
    Client::start()
}

#[cfg(feature = "demo")]
fn start() -> Client {
    crate::state::demo::start()
}

/// What the page takes wherever it happens: drops, pastes, keys, another address. None of them ends before the page does.
fn listen(ui: Ui) {
    let _ = window_event_listener(ev::hashchange, move |_| {
        let route = Route::parse(&document::fragment());
        if ui.route.get_untracked() != route {
            ui.route.set(route);
        }
    });
    let _ = window_event_listener(ev::dragenter, move |event| drag(ui, &event));
    let _ = window_event_listener(ev::dragover, move |event| drag(ui, &event));
    let _ = window_event_listener(ev::dragleave, move |event| {
        // Leaving one element for another comes with the other; leaving the window comes with none.
        if event.related_target().is_none() {
            ui.dragging.set(false);
        }
    });
    let _ = window_event_listener(ev::drop, move |event| {
        event.prevent_default();
        ui.dragging.set(false);
        if let Some(transfer) = event.data_transfer() {
            ui.take(Given::take(&transfer));
        }
    });
    let _ = window_event_listener(ev::paste, move |event| {
        let event: web_sys::ClipboardEvent = event.unchecked_into();
        let Some(given) = event.clipboard_data().map(|transfer| Given::take(&transfer)) else { return };
        if given.is_empty() && typing() {
            return;
        }
        event.prevent_default();
        ui.take(given);
    });
    let _ = window_event_listener(ev::keydown, move |event| key(ui, &event));
    let _ = window_event_listener(ev::visibilitychange, move |_| ui.scheme.update(|scheme| *scheme += 1));
    document::on_scheme_change(move || ui.scheme.update(|scheme| *scheme += 1));
}

fn drag(ui: Ui, event: &web_sys::DragEvent) {
    let files = event.data_transfer().is_some_and(|transfer| transfer.types().includes(&"Files".into(), 0));
    if files {
        event.prevent_default();
        ui.dragging.maybe_update(|dragging| !std::mem::replace(dragging, true));
    } else if !typing() {
        event.prevent_default();
    }
}

/// Whether the keyboard belongs to a field just now.
fn typing() -> bool {
    document::focused().is_some_and(|element| {
        element.matches("input:not([type=radio]):not([readonly]), textarea, select").unwrap_or(false)
    })
}

fn key(ui: Ui, event: &web_sys::KeyboardEvent) {
    if event.key() == "Escape" {
        ui.help.set(false);
        ui.dragging.set(false);
        return;
    }
    if event.ctrl_key() || event.meta_key() || event.alt_key() || event.repeat() || typing() {
        return;
    }
    match event.key().as_str() {
        "?" => ui.help.update(|open| *open = !*open),
        "d" | "D" => choose_files(),
        "c" | "C" => copy_link(ui),
        "p" | "P" => pause_or_resume(ui),
        "1" => ui.show(Route::Share(None)),
        "2" => ui.show(Route::Transfers),
        "3" => ui.show(Route::Compare),
        "4" => ui.show(Route::Dashboard),
        _ => return,
    }
    event.prevent_default();
}

fn copy_link(ui: Ui) {
    if let Some(button) = document::element("copy-link") {
        button.click();
    } else {
        ui.say(text::NOTHING_TO_COPY);
    }
}

fn pause_or_resume(ui: Ui) {
    let Some(hash) = ui.current.get_untracked() else { return };
    let Some(row) = ui.client().state().transfer(hash) else { return };
    match row.view.with_untracked(|view| view.torrent.phase) {
        Phase::Paused | Phase::Error => ui.client().resume(hash),
        Phase::Downloading | Phase::Complete | Phase::Seeding => ui.client().pause(hash),
        _ => {}
    }
}
