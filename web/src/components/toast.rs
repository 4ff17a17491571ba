use leptos::prelude::*;
use wasm_bindgen_futures::spawn_local;

use crate::document;
use crate::state::use_ui;

/// Milliseconds that a line stays: long enough to be read twice.
const STAYS_MS: u32 = 5_000;

/// One line about the last action.
#[component]
pub fn Toast() -> impl IntoView {
    let ui = use_ui();
    let turn = StoredValue::new(0_u32);
    Effect::new(move |_| {
        if ui.toast.with(Option::is_none) {
            return;
        }
        turn.update_value(|turn| *turn += 1);
        let mine = turn.get_value();
        spawn_local(async move {
            document::sleep(STAYS_MS).await;
            if turn.try_get_value() == Some(mine) {
                ui.toast.set(None);
            }
        });
    });
    view! { <div class="toast-place" role="status" aria-live="polite">{move || ui.toast.get().map(|line| view! { <p class="toast">{line}</p> })}</div> }
}
