//! What stands in the dashboard's place while it may not be seen.

use leptos::prelude::*;

use crate::dashboard::Dashboard;
use crate::text::dashboard as text;

/// Asks for the operator's token.
#[component]
pub fn TokenForm(dashboard: Dashboard, wrong: bool) -> impl IntoView {
    let field = NodeRef::<leptos::html::Input>::new();
    let give = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        if let Some(field) = field.get_untracked() {
            dashboard.give_token(&field.value());
        }
    };
    Effect::new(move |_| {
        if let Some(field) = field.get() {
            let _ = field.focus();
        }
    });
    view! {
        <form class="card door" on:submit=give data-testid="dashboard-token">
            <h2 class="card-title">{text::TOKEN_TITLE}</h2>
            <label for="token">{text::TOKEN_LABEL}</label>
            <div class="joined"><input id="token" type="password" autocomplete="current-password" required node_ref=field/><button type="submit" class="primary">{text::TOKEN_OPEN}</button></div>
            {wrong.then(|| view! { <p class="failure" role="alert">{text::TOKEN_WRONG}</p> })}
            <p class="note">{text::TOKEN_WHY}</p>
        </form>
    }
}

/// Says why not.
#[component]
pub fn Refusal(words: String) -> impl IntoView {
    view! {
        <div class="card door" data-testid="dashboard-refused">
            <h2 class="card-title">{text::REFUSED}</h2>
            <p>{words}</p>
        </div>
    }
}
