//! The event log, with a filter.

use std::collections::VecDeque;

use leptos::prelude::*;

use crate::dashboard::Dashboard;
use crate::dashboard::model::Event;
use crate::text::dashboard as text;

/// The section. New events come on top, until they are held.
#[component]
pub fn Log(dashboard: Dashboard) -> impl IntoView {
    let (filter, kind) = (RwSignal::new(String::new()), RwSignal::new(String::new()));
    let held = RwSignal::new(None::<VecDeque<Event>>);
    let shown = Memo::new(move |_| {
        let (filter, kind) = (filter.get().to_lowercase(), kind.get());
        let pick = |all: &VecDeque<Event>| {
            all.iter().filter(|event| matches(event, &filter, &kind)).cloned().collect::<Vec<_>>()
        };
        held.with(|held| held.as_ref().map(pick)).unwrap_or_else(|| dashboard.events.with(pick))
    });
    let none = move || {
        if dashboard.events.with(VecDeque::is_empty) { text::NO_EVENTS } else { text::NOTHING_LIKE_IT }
    };
    let hold = move |_| {
        held.update(|held| {
            *held = if held.is_some() { None } else { Some(dashboard.events.get_untracked()) }
        });
    };
    let kinds = text::KINDS.map(|(name, words)| view! { <option value=name>{words}</option> });
    view! {
        <section class="panel log" aria-labelledby="log-title" data-testid="log">
            <h2 id="log-title">{text::EVENTS}<span class="count">{move || shown.with(Vec::len)}</span></h2>
            <div class="chooser">
                <div class="by-hash"><label for="log-filter">{text::FILTER}</label>
                <input id="log-filter" type="text" autocomplete="off" prop:value=move || filter.get() on:input=move |event| filter.set(event_target_value(&event))/></div>
                <div><label for="log-kind">{text::KIND}</label>
                <select id="log-kind" on:change=move |event| kind.set(event_target_value(&event))><option value="">{text::ALL_KINDS}</option>{kinds}</select></div>
                <button type="button" aria-pressed=move || held.with(Option::is_some).to_string() on:click=hold>{move || if held.with(Option::is_some) { text::GO_ON } else { text::HOLD }}</button>
            </div>
            <Show when=move || !shown.with(Vec::is_empty) fallback=move || view! { <p class="empty">{none}</p> }>
                <div class="scroll log-lines" tabindex="0" role="region" aria-label=text::EVENTS>
                <table>
                    <thead class="offscreen"><tr><th scope="col">{text::COL_TIME}</th><th scope="col">{text::KIND}</th><th scope="col">{text::COL_WHAT}</th></tr></thead>
                    <tbody><For each=move || shown.get() key=|event| event.number let:event><Line dashboard event/></For></tbody>
                </table>
                </div>
            </Show>
        </section>
    }
}

#[component]
fn Line(dashboard: Dashboard, event: Event) -> impl IntoView {
    let Event { at, kind, text: words, swarm, left_out, .. } = event;
    let name = text::KINDS
        .iter()
        .find(|(name, _)| *name == kind)
        .map_or(kind.clone(), |(_, words)| (*words).to_owned());
    let choose = swarm.map(|hash| {
        let short = [hash.get(..8).unwrap_or(&hash), "\u{2026}"].concat();
        view! { <button type="button" class="inline mono" title=hash.clone() on:click=move |_| dashboard.chosen.set(hash.clone())>{short}</button> }
    });
    view! {
        <tr data-testid="event" data-kind=kind.clone()>
            <td class="mono time">{time(at)}</td>
            <td class=["kind ", &kind].concat()>{name}</td>
            <td>{words} " " {choose} {(left_out > 0).then(|| view! { <span class="note">" " {text::left_out(left_out)}</span> })}</td>
        </tr>
    }
}

fn matches(event: &Event, filter: &str, kind: &str) -> bool {
    let named = |text: &str| text.to_lowercase().contains(filter);
    (kind.is_empty() || event.kind == kind)
        && (named(&event.text) || event.swarm.as_deref().is_some_and(named))
}

/// The time of day here.
fn time(at: u64) -> String {
    let date = js_sys::Date::new(&wasm_bindgen::JsValue::from_f64(at as f64));
    let two =
        |number: u32| if number < 10 { ["0", &number.to_string()].concat() } else { number.to_string() };
    [two(date.get_hours()), two(date.get_minutes()), two(date.get_seconds())].join(":")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_hashes_and_kinds_are_filtered_by() {
        let event = Event {
            kind: "joined".to_owned(),
            text: "Ab12 (Piecemeal) joined".to_owned(),
            swarm: Some("a5a5".to_owned()),
            ..Event::default()
        };
        for (filter, kind, expected) in [
            ("", "", true),
            ("piecemeal", "", true),
            ("a5a", "joined", true),
            ("", "left", false),
            ("webtorrent", "", false),
        ] {
            assert_eq!(matches(&event, filter, kind), expected, "{filter} {kind}");
        }
    }
}
