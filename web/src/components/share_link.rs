use leptos::html::Input;
use leptos::prelude::*;
use shared::id::InfoHash;
use wasm_bindgen_futures::spawn_local;

use super::qr::Qr;
use crate::client::TransferView;
use crate::state::use_ui;
use crate::{document, text};

/// Longest link that becomes a QR code as it is; a longer one would be too fine for a camera, so the short form stands in.
const QR_MAX: usize = 420;

/// The link, and every way to hand it over.
#[component]
pub fn ShareLink(
    info_hash: InfoHash,
    view: RwSignal<TransferView>,
    /// Whether handing it over is what the view is for.
    #[prop(optional)]
    main: bool,
) -> impl IntoView {
    let ui = use_ui();
    let origin = ui.server.with_value(|server| server.origin.clone());
    let magnet = Memo::new(move |_| view.with(|view| view.torrent.magnet.clone()));
    let short = [&origin, "/#", &info_hash.to_string()].concat();
    let link = Memo::new(move |_| [&origin, "/#", &magnet.get()].concat());
    let hand_on = move |_| {
        let name = view.with_untracked(|view| view.torrent.name.clone()).unwrap_or_default();
        spawn_local(async move {
            if !document::share(&name, &link.get_untracked()).await {
                ui.say(text::NOT_HANDED_ON);
            }
        });
    };
    let coded = move || link.with(|link| if link.len() <= QR_MAX { link.clone() } else { short.clone() });
    view! {
        <section class="card share" aria-label=text::SHARE_LINK>
            <LinkField link main/>
            <div class="buttons">
                {document::can_share().then(|| view! { <button type="button" data-testid="hand-on" on:click=hand_on>{text::SHARE_VIA}</button> })}
                <button type="button" on:click=move |_| ui.copy(magnet.get_untracked(), text::MAGNET_COPIED)>{text::MAGNET}</button>
                <button type="button" on:click=move |_| ui.client().save_torrent_file(info_hash)>{text::TORRENT}</button>
                <a class="button" href=link target="_blank" rel="noopener">{text::OPEN_SECOND_TAB}</a>
            </div>
            {move || view! { <Qr content=coded() label=text::QR_LABEL/> }}
        </section>
    }
}

/// The link as text, and the button that copies it.
#[component]
fn LinkField(link: Memo<String>, main: bool) -> impl IntoView {
    let field = NodeRef::<Input>::new();
    let word = RwSignal::new(text::COPY);
    let copy = move |_| {
        spawn_local(async move {
            let done = document::copy(&link.get_untracked()).await;
            if !done && let Some(field) = field.get_untracked() {
                field.select();
            }
            word.set(if done { text::COPIED } else { text::COPY_BY_HAND });
            document::sleep(2_000).await;
            word.try_set(text::COPY);
        });
    };
    let select = move |_| {
        if let Some(field) = field.get_untracked() {
            field.select();
        }
    };
    view! {
        <label class="card-title" for="share-link">{text::SHARE_LINK}</label>
        <input id="share-link" class="mono" node_ref=field data-testid="share-link" type="text" readonly prop:value=link on:focus=select/>
        <button type="button" class=if main { "primary wide" } else { "wide" } id="copy-link" data-testid="copy-link" aria-live="polite" on:click=copy>{word}</button>
    }
}
