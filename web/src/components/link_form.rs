use leptos::ev::SubmitEvent;
use leptos::html::Input;
use leptos::prelude::*;

use crate::state::use_ui;
use crate::text;

/// Takes a link by hand.
#[component]
pub fn LinkForm() -> impl IntoView {
    let ui = use_ui();
    let field = NodeRef::<Input>::new();
    let open = move || {
        let Some(input) = field.get_untracked() else { return };
        let value = input.value();
        if !value.trim().is_empty() {
            input.set_value("");
            ui.open_text(&value);
        }
    };
    let submit = move |event: SubmitEvent| {
        event.prevent_default();
        open();
    };
    view! {
        <form class="link-form" on:submit=submit>
            <label for="link">{text::LINK_LABEL}</label>
            <div class="joined">
                <input id="link" node_ref=field data-testid="link-input" type="text" inputmode="url" autocomplete="off" autocapitalize="off"
                    spellcheck="false" placeholder=text::LINK_EXAMPLE/>
                <button type="submit">{text::LINK_OPEN}</button>
            </div>
        </form>
    }
}
