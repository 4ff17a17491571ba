use leptos::prelude::*;

use crate::state::settings::LIMITS;
use crate::{text, units};

/// A choice of limits, kept for later tabs.
#[component]
pub fn LimitChoice(label: &'static str, id: &'static str, limit: RwSignal<u64>) -> impl IntoView {
    let options = LIMITS.map(|value| {
        let words = if value == 0 { text::NO_LIMIT.to_owned() } else { units::rate(value) };
        view! { <option value=value.to_string() selected=move || limit.get() == value>{words}</option> }
    });
    let choose = move |event| limit.set(event_target_value(&event).parse().unwrap_or(0));
    view! {
        <div class="choice">
            <label for=id>{label}</label>
            <select id=id on:change=choose>{options.into_iter().collect::<Vec<_>>()}</select>
        </div>
    }
}
