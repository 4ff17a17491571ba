//! Share: drop, fingerprint, hand over the link, see who fetches. One view from the first to the last.

use leptos::prelude::*;
use shared::id::InfoHash;

use crate::client::{Creation, CreationState, TransferView};
use crate::components::drop_zone::DropZone;
use crate::components::file_table::{FileTable, PlainFiles};
use crate::components::limits::LimitChoice;
use crate::components::link_form::LinkForm;
use crate::components::object_head::ObjectHead;
use crate::components::peer_table::PeerTable;
use crate::components::piece_field::{Cells, PieceField, piece_count};
use crate::components::share_link::ShareLink;
use crate::components::status_line::StatusLine;
use crate::components::tracker_list::TrackerList;
use crate::components::transfer_field::TransferField;
use crate::components::transfer_frame::TransferFrame;
use crate::components::web_seed_list::WebSeedList;
use crate::routes::Route;
use crate::state::{Creating, use_ui};
use crate::{text, units};

/// What the view is about.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Subject {
    Nothing { ended: bool },
    Creating(Creating),
    Shared(InfoHash),
}

/// The view.
#[component]
pub fn SharePage(info_hash: Option<InfoHash>) -> impl IntoView {
    let ui = use_ui();
    let rows = RwSignal::from(ui.client().state().transfers.clone());
    let subject = Memo::new(move |_| match (ui.creating.get(), info_hash) {
        (Some(creating), None) => Subject::Creating(creating),
        (_, Some(hash)) if rows.with(|rows| rows.iter().any(|row| row.info_hash == hash)) => {
            Subject::Shared(hash)
        }
        (_, hash) => Subject::Nothing { ended: hash.is_some() },
    });
    Effect::new(move |_| {
        ui.current.set(match subject.get() {
            Subject::Shared(hash) => Some(hash),
            _ => None,
        });
    });
    move || match subject.get() {
        Subject::Nothing { ended } => view! { <Empty ended/> }.into_any(),
        Subject::Creating(creating) => view! { <Hashing creating/> }.into_any(),
        Subject::Shared(hash) => match ui.transfer(hash) {
            Some(view) => view! { <Sharing info_hash=hash view/> }.into_any(),
            None => view! { <Empty ended=true/> }.into_any(),
        },
    }
}

#[component]
fn Empty(ended: bool) -> impl IntoView {
    let ui = use_ui();
    view! {
        <div class="empty-share">
            <h1 class="offscreen">{text::SHARE}</h1>
            {ended.then(|| view! { <p class="banner" data-testid="notice">{text::SHARE_ENDED}</p> })}
            <DropZone/>
            <LinkForm/>
            <p class="promise">{text::PROMISE} " \u{b7} " <button type="button" class="inline" data-testid="sample" on:click=move |_| ui.share_sample()>{text::SAMPLE}</button></p>
        </div>
    }
}

/// Files that are being hashed: already in the places where they will be once shared.
#[component]
fn Hashing(creating: Creating) -> impl IntoView {
    let ui = use_ui();
    let all = RwSignal::from(ui.client().state().creations.clone());
    let id = creating.id;
    let creation = Memo::new(move |_| all.with(|all| all.iter().find(|one| one.id == id).cloned()));
    let total: u64 = creating.files.iter().map(|file| file.1).sum();
    let pieces = piece_count(total);
    let done = move || creation.with(|one| one.as_ref().map_or(0, |one| one.hashed_bytes));
    let field = Signal::derive(move || Cells::fraction(done(), total, pieces));
    let percent = Signal::derive(move || units::percent(done(), total));
    let summary =
        Signal::derive(move || [text::FINGERPRINTING, " ", &percent.get().to_string(), " %"].concat());
    let failed = move || {
        creation.with(|one| match one.as_ref().map(|one| &one.state) {
            Some(CreationState::Failed { reason }) => Some(reason.clone()),
            _ => None,
        })
    };
    let name = {
        let first = creating.files.first().map(|file| file.0.clone()).unwrap_or_default();
        let first = first.split('/').next().unwrap_or_default().to_owned();
        move || creation.with(|one| one.as_ref().map_or_else(|| first.clone(), |one| one.name.clone()))
    };
    let facts = [&units::bytes(total), " \u{b7} ", &text::files(creating.files.len())].concat();
    view! {
        <article class="desk" data-testid="creating">
            <div class="object">
                <header class="object-head"><h1>{name}</h1><p class="meta"><span>{facts}</span></p></header>
                <PieceField cells=field percent summary describe=move |_| text::CELL_BEING_READ.to_owned() plain=true/>
                {move || match failed() {
                    Some(reason) => view! { <p class="status wrong" data-testid="error">{reason}</p> }.into_any(),
                    None => view! { <p class="status">{move || creation.with(|one| one.as_ref().map(hashing_words))}</p> }.into_any(),
                }}
                <PlainFiles files=creating.files/>
            </div>
            <aside>
                <section class="card share">
                    <p class="card-title">{text::SHARE_LINK}</p>
                    <p class="note">{text::LINK_SOON}</p>
                    <button type="button" on:click=move |_| ui.cancel_creation()>{text::CANCEL}</button>
                </section>
            </aside>
        </article>
    }
}

/// `Fingerprinting 3.1 of 12 GB · 940 MB/s · about 10 s`.
fn hashing_words(creation: &Creation) -> String {
    let mut words = [
        text::FINGERPRINTING,
        " ",
        &units::bytes(creation.hashed_bytes),
        " of ",
        &units::bytes(creation.total_bytes),
    ]
    .concat();
    if creation.rate > 0 {
        words.push_str(" \u{b7} ");
        words.push_str(&units::rate(creation.rate));
        let missing = creation.total_bytes.saturating_sub(creation.hashed_bytes);
        if let Some(left) = units::time_left(missing.saturating_mul(1_000) / creation.rate) {
            words.push_str(" \u{b7} ");
            words.push_str(&left);
        }
    }
    words
}

#[component]
fn Sharing(info_hash: InfoHash, view: RwSignal<TransferView>) -> impl IntoView {
    view! {
        <TransferFrame info_hash view>
            <div class="object">
                <ObjectHead view/>
                <TransferField view/>
                <StatusLine info_hash view/>
                <PeerTable view giving=true/>
                <FileTable info_hash view/>
            </div>
            <aside>
                <ShareLink info_hash view main=true/>
                <Totals view/>
                <Controls info_hash view/>
                <TrackerList info_hash view/>
                <WebSeedList view/>
            </aside>
        </TransferFrame>
    }
}

/// What went out, and to how many.
#[component]
pub fn Totals(view: RwSignal<TransferView>) -> impl IntoView {
    let ratio = move || {
        view.with(|view| units::ratio(view.torrent.uploaded, view.torrent.total_bytes))
            .unwrap_or_else(|| "\u{2013}".to_owned())
    };
    view! {
        <section class="card" aria-label=text::TOTALS>
            <dl class="figures">
                <dt>{text::UPLOADED}</dt><dd>{move || units::bytes(view.with(|view| view.torrent.uploaded))}</dd>
                <dt>{text::NOW}</dt><dd>{move || units::rate(view.with(|view| view.torrent.up_rate))}</dd>
                <dt>{text::RATIO}</dt><dd>{ratio}</dd>
                <dt>{text::DELIVERED}</dt><dd data-testid="delivered">{move || text::people(view.with(|view| view.torrent.fulfilled) as usize)}</dd>
            </dl>
        </section>
    }
}

#[component]
fn Controls(info_hash: InfoHash, view: RwSignal<TransferView>) -> impl IntoView {
    let ui = use_ui();
    let phase = Memo::new(move |_| view.with(|view| view.torrent.phase));
    let toggle = move |_| ui.toggle(info_hash, phase.get_untracked());
    view! {
        <section class="card">
            <LimitChoice label=text::UPLOAD_LIMIT id="share-limit" limit=ui.settings.upload_limit/>
            <div class="buttons">
                <button type="button" on:click=toggle>{move || text::toggle(phase.get())}</button>
                <button type="button" on:click=move |_| ui.remove(info_hash, false)>{text::STOP}</button>
                <button type="button" on:click=move |_| ui.show(Route::Share(None))>{text::SHARE_MORE}</button>
            </div>
        </section>
    }
}
