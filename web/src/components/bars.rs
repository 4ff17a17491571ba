//! The bar at the top and, on a phone, the one at the bottom.

use leptos::prelude::*;

use super::icon::{Icon, Sign};
use crate::client::WorkerState;
use crate::dashboard;
use crate::routes::Route;
use crate::state::settings::Theme;
use crate::state::use_ui;
use crate::text;
use shared::engine::TrackerState;

/// Leads to logging in, or to the account; only where there are any.
#[component]
fn AccountLink() -> impl IntoView {
    let account = use_ui().account;
    let here = move || matches!(use_ui().route.get(), Route::Account(_)).then_some("page");
    let word = move || {
        account
            .me
            .with(|me| me.as_ref().map_or_else(|| text::account::LOG_IN.to_owned(), |me| me.name.clone()))
    };
    view! {
        <Show when=move || account.exists()>
            <a class="account-link" data-testid="account-link" href="#/account" aria-current=here aria-label=move || [text::account::ACCOUNT, ": ", &word()].concat()>{word}</a>
        </Show>
    }
}

/// Wordmark, views, connection, theme, settings.
#[component]
pub fn TopBar() -> impl IntoView {
    view! {
        <header class="bar">
            <a class="skip" href="#main" on:click=skip>{text::SKIP}</a>
            <div class="bar-inner">
                <a class="wordmark" href="#/share" aria-label=text::HOME><Mark/><span>{text::NAME}</span></a>
                <nav class="views" aria-label=text::VIEWS><Views/></nav>
                <div class="bar-right">
                    <Connection/>
                    <AccountLink/>
                    <ThemeButton/>
                    <a class="square" href="#/settings" aria-label=text::SETTINGS title=text::SETTINGS><Icon sign=Sign::Gear/></a>
                </div>
            </div>
        </header>
    }
}

/// The views again, within reach of a thumb.
#[component]
pub fn BottomBar() -> impl IntoView {
    view! { <nav class="bottom" aria-label=text::VIEWS><Views/></nav> }
}

fn skip(event: leptos::ev::MouseEvent) {
    event.prevent_default();
    if let Some(main) = crate::document::element("main") {
        let _ = main.focus();
    }
}

#[component]
fn Views() -> impl IntoView {
    let ui = use_ui();
    let rows = RwSignal::from(ui.client().state().transfers.clone());
    let count = move || rows.with(Vec::len);
    let site = RwSignal::from(ui.client().state().site.clone());
    // Whoever may not see it is not shown the way; an operator elsewhere knows the address.
    let operator = move || {
        site.with(|site| site.dashboard) || ui.route.get() == Route::Dashboard || dashboard::token().is_some()
    };
    let here = move |wanted: View| move || (View::of(&ui.route.get()) == wanted).then_some("page");
    view! {
        <a href="#/share" aria-current=here(View::Share)>{text::SHARE}</a>
        <a href="#/transfers" aria-current=here(View::Transfers)>
            {text::TRANSFERS}
            <Show when=move || { count() > 0 }><span class="count">{count}</span></Show>
        </a>
        <a href="#/compare" aria-current=here(View::Compare)>{text::COMPARE}</a>
        <Show when=operator><a href="#/dashboard" aria-current=here(View::Dashboard)>{text::dashboard::DASHBOARD}</a></Show>
    }
}

/// What the bars name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum View {
    Share,
    Transfers,
    Compare,
    Dashboard,
    None,
}

impl View {
    const fn of(route: &Route) -> Self {
        match route {
            Route::Share(_) => Self::Share,
            // A link in view is one of the transfers.
            Route::Transfers | Route::Link(_) => Self::Transfers,
            Route::Compare | Route::Receive(_) | Route::Seed(_) => Self::Compare,
            Route::Dashboard => Self::Dashboard,
            Route::Settings | Route::Account(_) => Self::None,
        }
    }
}

/// A small piece field that shows how far everything in this tab is.
#[component]
pub fn Mark() -> impl IntoView {
    let ui = use_ui();
    let filled = Memo::new(move |_| ui.overall().map_or(7, |percent| percent * 9 / 100));
    let cells = (0..9_u64).map(|place| {
        let (x, y) = ((place % 3 * 6).to_string(), (place / 3 * 6).to_string());
        view! { <rect x=x y=y width="4" height="4" class:on=move || place < filled.get()></rect> }
    });
    view! { <svg class="mark" viewBox="0 0 16 16" width="20" height="20" aria-hidden="true">{cells.collect::<Vec<_>>()}</svg> }
}

/// Whether the meeting server can be reached, as a dot and in words.
#[component]
fn Connection() -> impl IntoView {
    let ui = use_ui();
    let state = ui.client().state().clone();
    let worker = RwSignal::from(state.worker);
    let rows = RwSignal::from(state.transfers);
    let word = Memo::new(move |_| match worker.get() {
        WorkerState::Failed(_) => ("off", text::DOT_FAILED),
        WorkerState::Starting => ("idle", text::DOT_STARTING),
        WorkerState::Ready => {
            let states: Vec<TrackerState> = rows.with(|rows| {
                rows.iter()
                    .flat_map(|row| {
                        row.view.with(|view| {
                            view.torrent.trackers.iter().map(|tracker| tracker.state).collect::<Vec<_>>()
                        })
                    })
                    .collect()
            });
            if states.is_empty() {
                ("idle", text::DOT_IDLE)
            } else if states.contains(&TrackerState::Working) {
                ("on", text::DOT_ON)
            } else if states.contains(&TrackerState::Connecting) {
                ("idle", text::DOT_CONNECTING)
            } else {
                ("off", text::DOT_OFF)
            }
        }
    });
    view! {
        <span class="connection" title=move || word.get().1>
            <i class=move || ["dot ", word.get().0].concat() aria-hidden="true"></i>
            <span class="connection-word">{move || word.get().1}</span>
        </span>
    }
}

#[component]
fn ThemeButton() -> impl IntoView {
    let theme = use_ui().settings.theme;
    let next = move |_| {
        theme.update(|theme| {
            *theme = match theme {
                Theme::System => Theme::Light,
                Theme::Light => Theme::Dark,
                Theme::Dark => Theme::System,
            };
        });
    };
    let name = move || match theme.get() {
        Theme::System => text::THEME_SYSTEM,
        Theme::Light => text::THEME_LIGHT,
        Theme::Dark => text::THEME_DARK,
    };
    let label = move || [text::THEME, ": ", name()].concat();
    view! {
        <button class="square" type="button" aria-label=label title=label on:click=next>
            {move || match theme.get() {
                Theme::System => view! { <Icon sign=Sign::System/> },
                Theme::Light => view! { <Icon sign=Sign::Sun/> },
                Theme::Dark => view! { <Icon sign=Sign::Moon/> },
            }}
        </button>
    }
}
