use leptos::html::Button;
use leptos::prelude::*;

use crate::state::use_ui;
use crate::text;

/// The keyboard shortcuts, as a table.
#[component]
pub fn Shortcuts() -> impl IntoView {
    let rows =
        text::KEYS.map(|(key, does)| view! { <tr><th scope="row"><kbd>{key}</kbd></th><td>{does}</td></tr> });
    view! { <table class="keys"><tbody>{rows.into_iter().collect::<Vec<_>>()}</tbody></table> }
}

/// The same, over the page, until Esc.
#[component]
pub fn Help() -> impl IntoView {
    let ui = use_ui();
    let close = NodeRef::<Button>::new();
    Effect::new(move |_| {
        if let Some(close) = close.get() {
            let _ = close.focus();
        }
    });
    view! {
        <Show when=move || ui.help.get()>
            <div class="veil" on:click=move |_| ui.help.set(false)>
                <div class="dialog" role="dialog" aria-modal="true" aria-label=text::SHORTCUTS on:click=|event| event.stop_propagation()>
                    <h2>{text::SHORTCUTS}</h2>
                    <Shortcuts/>
                    <button type="button" node_ref=close on:click=move |_| ui.help.set(false)>{text::CLOSE}</button>
                </div>
            </div>
        </Show>
    }
}
