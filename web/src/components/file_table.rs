//! The files of a torrent, with how much of each is verified, and Save for those that are whole.

use leptos::prelude::*;
use shared::engine::FileSnapshot;
use shared::id::InfoHash;

use super::icon::{Icon, Sign};
use crate::client::{Backing, TransferView};
use crate::state::use_ui;
use crate::{text, units};

/// Rows shown before "all": a torrent may have a hundred thousand.
const SHOWN_FIRST: usize = 100;

/// One row a file.
#[component]
pub fn FileTable(info_hash: InfoHash, view: RwSignal<TransferView>) -> impl IntoView {
    let count = Memo::new(move |_| view.with(TransferView::listed));
    let all = RwSignal::new(false);
    let shown = move || if all.get() { count.get() } else { count.get().min(SHOWN_FIRST) };
    // Anew only when their number is another.
    let places = Memo::new(move |_| {
        let shown = shown();
        view.with_untracked(|view| view.listed_files(shown))
    });
    view! {
        <Show when=move || { count.get() > 0 }>
            <section class="panel" aria-label=text::FILES>
                <h2>{text::FILES}<span class="count">{count}</span></h2>
                <table class="files">
                    <thead class="offscreen"><tr><th scope="col">{text::COL_NAME}</th><th scope="col">{text::COL_VERIFIED}</th><th scope="col">{text::COL_SIZE}</th><th scope="col">{text::SAVE}</th></tr></thead>
                    <tbody><For each=move || places.get() key=|place| *place let:place><FileRow info_hash view place/></For></tbody>
                </table>
                <Show when=move || { shown() < count.get() }>
                    <button type="button" class="quiet" on:click=move |_| all.set(true)>{move || text::show_all(count.get())}</button>
                </Show>
            </section>
        </Show>
    }
}

#[component]
fn FileRow(info_hash: InfoHash, view: RwSignal<TransferView>, place: usize) -> impl IntoView {
    let ui = use_ui();
    let file = Memo::new(move |_| view.with(|view| view.torrent.files.get(place).cloned()));
    let read = move |part: fn(&FileSnapshot) -> u64| file.with(|file| file.as_ref().map_or(0, part));
    let percent = move || {
        let length = read(|file| file.length);
        if length == 0 { 100 } else { units::percent(read(|file| file.verified), length) }
    };
    // What lies in the person's own files needs no saving.
    let offered = move || {
        percent() == 100 && view.with(|view| !matches!(view.backing, Backing::Source | Backing::None))
    };
    let path = move || file.with(|file| file.as_ref().map(|file| file.path.clone()).unwrap_or_default());
    view! {
        <tr>
            <th scope="row"><span class="file"><Icon sign=Sign::File/><span>{move || breakable(&path())}</span></span></th>
            <td class="has">
                <Show when=move || { percent() < 100 }>
                    <progress max="100" prop:value=move || percent().to_string() aria-label=text::COL_VERIFIED></progress>
                    <span>{percent} " %"</span>
                </Show>
            </td>
            <td class="number">{move || units::bytes(read(|file| file.length))}</td>
            <td class="act">
                <Show when=offered>
                    <button type="button" data-testid="save" data-path=path aria-label=move || [text::SAVE, " ", &path()].concat()
                        on:click=move |_| ui.client().save(info_hash, place)>{text::SAVE}</button>
                </Show>
            </td>
        </tr>
    }
}

/// Lets a long path break after its slashes.
fn breakable(path: &str) -> String {
    path.replace('/', "/\u{200b}")
}

/// Files as they were given, while they are hashed.
#[component]
pub fn PlainFiles(files: Vec<(String, u64)>) -> impl IntoView {
    let count = files.len();
    let rows = files.into_iter().take(SHOWN_FIRST).map(|(path, length)| {
        view! {
            <tr>
                <th scope="row"><span class="file"><Icon sign=Sign::File/><span>{breakable(&path)}</span></span></th>
                <td class="number">{units::bytes(length)}</td>
            </tr>
        }
    });
    view! {
        <section class="panel" aria-label=text::FILES>
            <h2>{text::FILES}<span class="count">{count}</span></h2>
            <table class="files"><tbody>{rows.collect::<Vec<_>>()}</tbody></table>
        </section>
    }
}
