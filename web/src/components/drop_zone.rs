//! Where files come in: a button as large as the view, two file inputs behind it, and the overlay while files are
//! dragged over the page.

use leptos::html::Input;
use leptos::prelude::*;

use crate::state::use_ui;
use crate::{document, intake, text};

/// Id of the input for files: part of the page's contract.
pub const FILES_INPUT: &str = "files";
const FOLDER_INPUT: &str = "folder";

/// Opens the browser's own dialog for files.
pub fn choose_files() {
    click(FILES_INPUT);
}

fn click(id: &str) {
    if let Some(input) = document::element(id) {
        input.click();
    }
}

/// The empty field that takes files.
#[component]
pub fn DropZone() -> impl IntoView {
    view! {
        <div class="drop">
            <button type="button" class="drop-button" id="drop" on:click=move |_| choose_files()>
                <span class="drop-title"><span class="for-mouse">{text::DROP_TITLE}</span><span class="for-touch">{text::DROP_TOUCH}</span></span>
                <span class="drop-note">{text::DROP_PASTE}</span>
            </button>
            <button type="button" class="drop-folder quiet" on:click=move |_| click(FOLDER_INPUT)>{text::CHOOSE_FOLDER}</button>
        </div>
    }
}

/// The inputs behind every "choose"; always in the page, so that they work from any view.
#[component]
pub fn FileInputs() -> impl IntoView {
    let ui = use_ui();
    let files = NodeRef::<Input>::new();
    let folder = NodeRef::<Input>::new();
    let take = move |input: NodeRef<Input>| {
        let Some(input) = input.get_untracked() else { return };
        let chosen = input.files().map(|list| intake::chosen(&list)).unwrap_or_default();
        // The same file can be chosen again.
        input.set_value("");
        if !chosen.is_empty() {
            ui.take_files(chosen);
        }
    };
    Effect::new(move |_| {
        if let Some(input) = folder.get() {
            let _ = input.set_attribute("webkitdirectory", "");
        }
    });
    view! {
        <div class="offscreen">
            <input id=FILES_INPUT node_ref=files type="file" multiple tabindex="-1" aria-label=text::CHOOSE_FILES on:change=move |_| take(files)/>
            <input id=FOLDER_INPUT node_ref=folder type="file" tabindex="-1" aria-label=text::CHOOSE_FOLDER on:change=move |_| take(folder)/>
        </div>
    }
}

/// What shows that the whole page takes the drop.
#[component]
pub fn DropOverlay() -> impl IntoView {
    let ui = use_ui();
    view! {
        <Show when=move || ui.dragging.get()>
            <div class="overlay" aria-hidden="true"><span>{text::DROP_RELEASE}</span></div>
        </Show>
    }
}
