//! Transfer: what a link names, one button, then the pieces as they come, and the proof that all of them match.

use leptos::prelude::*;
use shared::engine::Phase;
use shared::id::InfoHash;

use crate::client::{Backing, TransferView};
use crate::components::file_table::FileTable;
use crate::components::gauge::Gauge;
use crate::components::icon::{Icon, Sign};
use crate::components::object_head::ObjectHead;
use crate::components::peer_table::PeerTable;
use crate::components::rate_chart::RateChart;
use crate::components::share_link::ShareLink;
use crate::components::status_line::StatusLine;
use crate::components::tracker_list::TrackerList;
use crate::components::transfer_field::TransferField;
use crate::components::transfer_frame::TransferFrame;
use crate::components::web_seed_list::WebSeedList;
use crate::routes::Route;
use crate::state::opening::Opening;
use crate::state::use_ui;
use crate::{text, units};

/// The view.
#[component]
pub fn TransferPage(link: String) -> impl IntoView {
    let ui = use_ui();
    match Opening::of(&link, &ui.server.get_value()) {
        Err(reason) => {
            ui.current.set(None);
            view! { <Broken reason=reason.to_string()/> }.into_any()
        }
        Ok(opening) => {
            let info_hash = opening.info_hash;
            ui.current.set(Some(info_hash));
            let opened =
                if cfg!(feature = "demo") { Ok(info_hash) } else { ui.client().open_link(&opening.own) };
            let opening = StoredValue::new(opening);
            match opened {
                Err(reason) => view! { <Broken reason/> }.into_any(),
                Ok(_) => (move || match ui.transfer(info_hash) {
                    Some(view) => view! { <Opened info_hash view opening/> }.into_any(),
                    None => view! { <p class="status">{text::STARTING}</p> }.into_any(),
                })
                .into_any(),
            }
        }
    }
}

/// A link that names nothing.
#[component]
fn Broken(reason: String) -> impl IntoView {
    let ui = use_ui();
    let said = reason.clone();
    view! {
        <article class="desk single" data-testid="transfer" data-state="error" data-error=said>
            <div class="object">
                <header class="object-head"><h1>{text::LINK_BROKEN}</h1></header>
                <div class="status wrong" data-testid="error"><p>{reason}</p><p>{text::LINK_BROKEN_NEXT}</p></div>
                <div class="buttons"><button type="button" on:click=move |_| ui.show(Route::Share(None))>{text::BACK}</button></div>
            </div>
        </article>
    }
}

#[component]
fn Opened(info_hash: InfoHash, view: RwSignal<TransferView>, opening: StoredValue<Opening>) -> impl IntoView {
    let phase = Memo::new(move |_| view.with(|view| view.torrent.phase));
    let known = Memo::new(move |_| view.with(|view| view.torrent.pieces > 0));
    let early = Memo::new(move |_| {
        !matches!(phase.get(), Phase::Complete | Phase::Seeding | Phase::Paused | Phase::Error)
    });
    let moved = Memo::new(move |_| view.with(|view| view.torrent.downloaded + view.torrent.uploaded > 0));
    view! {
        <TransferFrame info_hash view>
            <div class="object">
                <ObjectHead view/>
                {move || match phase.get() {
                    Phase::Downloading => view! { <Gauge view/> }.into_any(),
                    Phase::Ready => view! { <Offer info_hash view opening/> }.into_any(),
                    Phase::Complete => view! { <Done info_hash view/> }.into_any(),
                    Phase::Paused | Phase::Error => view! { <Stopped info_hash view/> }.into_any(),
                    _ => ().into_any(),
                }}
                <TransferField view/>
                <StatusLine info_hash view/>
                <Show when=move || moved.get()><RateChart info_hash/></Show>
                <Show when=move || known.get()><PeerTable view/></Show>
                <FileTable info_hash view/>
            </div>
            <aside>
                <Actions info_hash view/>
                <Show when=move || early.get()><Foreign view opening/></Show>
                <TrackerList info_hash view/>
                <WebSeedList view/>
                <Show when=move || known.get()><ShareLink info_hash view/></Show>
            </aside>
        </TransferFrame>
    }
}

/// Everything is known: one button.
#[component]
fn Offer(info_hash: InfoHash, view: RwSignal<TransferView>, opening: StoredValue<Opening>) -> impl IntoView {
    let ui = use_ui();
    let can = RwSignal::from(ui.client().state().capabilities.clone());
    let total = Memo::new(move |_| view.with(|view| view.torrent.total_bytes));
    let missing = move || {
        view.with(|view| view.torrent.total_bytes - view.torrent.verified_bytes.min(view.torrent.total_bytes))
    };
    let allowed = move || {
        can.with(
            |can| if can.opfs { can.quota.map(|quota| quota.free()) } else { Some(can.memory_cap_bytes) },
        )
    };
    let fits = Memo::new(move |_| allowed().is_none_or(|allowed| missing() <= allowed));
    let download = move |_| {
        ask_all(ui, opening);
        ui.client().start_download(info_hash);
    };
    view! {
        <div class="offer">
            <button type="button" class="primary large" data-testid="download" disabled=move || !fits.get() on:click=download>
                <Icon sign=Sign::Down/> {move || [text::DOWNLOAD, " ", &units::bytes(total.get())].concat()}
            </button>
            {move || match (allowed(), fits.get()) {
                (Some(allowed), false) => view! { <p class="status wrong" data-testid="error">{text::too_large(missing(), allowed)}</p> }.into_any(),
                (Some(allowed), true) => view! { <p class="note">{text::fits(allowed)}</p> }.into_any(),
                (None, _) => ().into_any(),
            }}
        </div>
    }
}

/// All of it is here and right.
#[component]
fn Done(info_hash: InfoHash, view: RwSignal<TransferView>) -> impl IntoView {
    let ui = use_ui();
    let can = RwSignal::from(ui.client().state().capabilities.clone());
    let plain = Memo::new(move |_| can.with(|can| can.complete && !can.secure_context));
    let proof = move || view.with(|view| text::verified(view.torrent.verified_pieces, view.torrent.pieces));
    let files = Memo::new(move |_| view.with(TransferView::listed));
    let save_all = move |_| {
        for file in view.with_untracked(|view| view.listed_files(usize::MAX)) {
            ui.client().save(info_hash, file);
        }
    };
    view! {
        <div class="offer done">
            <p class="proof"><Icon sign=Sign::Check/> {proof}</p>
            <button type="button" class="primary large" on:click=save_all>
                <Icon sign=Sign::Down/> {move || if files.get() == 1 { text::SAVE } else { text::SAVE_ALL }}
            </button>
            <Show when=move || plain.get()><p class="note">{text::INSECURE_SAVE}</p></Show>
        </div>
    }
}

#[component]
fn Stopped(info_hash: InfoHash, view: RwSignal<TransferView>) -> impl IntoView {
    let ui = use_ui();
    let far =
        move || view.with(|view| text::part_verified(view.torrent.verified_bytes, view.torrent.total_bytes));
    view! {
        <div class="offer">
            <button type="button" class="primary large" on:click=move |_| ui.client().resume(info_hash)>{move || text::toggle(view.with(|view| view.torrent.phase))}</button>
            <p class="note">{far}</p>
        </div>
    }
}

/// What can be done besides the one thing.
#[component]
fn Actions(info_hash: InfoHash, view: RwSignal<TransferView>) -> impl IntoView {
    let ui = use_ui();
    let runs = Memo::new(move |_| {
        view.with(|view| matches!(view.torrent.phase, Phase::Downloading | Phase::Complete | Phase::Seeding))
    });
    let kept = Memo::new(move |_| view.with(|view| view.backing == Backing::Opfs));
    let figures =
        move || view.with(|view| (view.torrent.downloaded, view.torrent.uploaded, view.torrent.wasted));
    view! {
        <section class="card">
            <Show when=move || { figures().0 + figures().1 > 0 }><dl class="figures">
                <dt>{text::DOWNLOADED}</dt><dd>{move || units::bytes(figures().0)}</dd>
                <dt>{text::UPLOADED}</dt><dd>{move || units::bytes(figures().1)}</dd>
                <dt>{text::WASTED}</dt><dd>{move || units::bytes(figures().2)}</dd>
            </dl></Show>
            <div class="buttons">
                <Show when=move || runs.get()><button type="button" on:click=move |_| ui.client().pause(info_hash)>{text::PAUSE}</button></Show>
                <button type="button" on:click=move |_| ui.remove(info_hash, false)>{text::REMOVE}</button>
                <Show when=move || kept.get()><button type="button" on:click=move |_| ui.remove(info_hash, true)>{text::ERASE}</button></Show>
            </div>
        </section>
    }
}

/// Meeting servers and web seeds of others that the link names and that are not asked yet: told before any of them is contacted. Those
/// of a transfer that goes on after a reload were asked for before.
#[component]
fn Foreign(view: RwSignal<TransferView>, opening: StoredValue<Opening>) -> impl IntoView {
    let ui = use_ui();
    let named = Memo::new(move |_| {
        let named =
            opening.with_value(|opening| if opening.asked { Vec::new() } else { opening.foreign.clone() });
        view.with(|view| {
            let asked = |url: &String| {
                view.torrent.trackers.iter().any(|tracker| tracker.url == *url)
                    || view.torrent.web_seeds.iter().any(|seed| seed.url == *url)
            };
            named.into_iter().filter(|url| !asked(url)).collect::<Vec<_>>()
        })
    });
    let list = move || {
        named.get().into_iter().map(|url| view! { <li class="mono url">{url}</li> }).collect::<Vec<_>>()
    };
    view! {
        <Show when=move || !named.with(Vec::is_empty)>
            <section class="card" data-testid="foreign">
                <h2 class="card-title">{text::ALSO_NAMED}</h2>
                <ul class="trackers">{list}</ul>
                <p class="note">{text::ASKED_ON_DOWNLOAD}</p>
                <button type="button" on:click=move |_| ask_all(ui, opening)>{text::ASK_THEM_TOO}</button>
            </section>
        </Show>
    }
}

/// Adds the servers of others, now that the person wants the file.
fn ask_all(ui: crate::state::Ui, opening: StoredValue<Opening>) {
    opening.update_value(|opening| {
        if !opening.foreign.is_empty() && !opening.asked {
            opening.asked = true;
            // The same info-hash was taken a moment ago; it gains what it lacks.
            let _ = ui.client().open_link(&opening.whole);
        }
    });
}
