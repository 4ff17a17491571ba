//! What is to be compared.

use leptos::html::Input;
use leptos::prelude::*;
use wasm_bindgen::JsCast as _;

use super::LaneBadge;
use crate::compare::model::Lane;
use crate::compare::origins::Access;
use crate::compare::race::{RUNS, Race, Source, Stage, TABS, who};
use crate::intake;
use crate::text::compare as text;
use crate::units;

/// File, ways, runs, order, receivers, and the button.
#[component]
pub fn Setup(race: Race) -> impl IntoView {
    let running = move || race.stage.get() != Stage::Idle;
    view! {
        <section class="card setup">
            <fieldset class="setup-fields" disabled=running>
                <FileChoice race/>
                <LaneChoice race/>
                <div class="setup-row">
                    <Choice label=text::RUNS id="compare-runs" values=&RUNS chosen=race.runs/>
                    <OrderChoice race/>
                    <TabChoice race/>
                </div>
            </fieldset>
            <StartButton race/>
        </section>
    }
}

#[component]
fn FileChoice(race: Race) -> impl IntoView {
    let input = NodeRef::<Input>::new();
    let own = move |_| {
        let Some(list) = input.get_untracked().and_then(|input| input.files()) else { return };
        if let Some(chosen) = intake::chosen(&list).into_iter().next() {
            race.own(chosen.file);
        }
    };
    let choose = move |_| {
        if let Some(input) = input.get_untracked() {
            input.click();
        }
    };
    let list = move || match race.files.get() {
        None => view! { <p class="note">{text::LOADING}</p> }.into_any(),
        Some(Err(())) => view! { <p class="note">{text::LIST_FAILED}</p> }.into_any(),
        Some(Ok(files)) if files.is_empty() => view! { <p class="note">{text::NO_FILES}</p> }.into_any(),
        Some(Ok(files)) => view! { <FileList race files/> }.into_any(),
    };
    let is_own = move || race.source.with(|source| matches!(source, Some(Source::Own { .. })));
    let name = move || {
        race.source.with(|source| {
            source.as_ref().map(|it| [it.name(), " \u{b7} ", &units::bytes(it.size())].concat())
        })
    };
    view! {
        <div class="setup-file">
            <label for="compare-file">{text::FILE}</label>
            <div class="joined">
                {list}
                <input class="offscreen" type="file" tabindex="-1" aria-hidden="true" data-testid="compare-own" node_ref=input on:change=own/>
                <button type="button" on:click=choose>{text::OWN_FILE}</button>
            </div>
            <Show when=is_own><p><strong>{name}</strong></p><p class="note">{text::OWN_FILE_NOTE}</p></Show>
        </div>
    }
}

#[component]
fn FileList(race: Race, files: Vec<crate::compare::origins::Published>) -> impl IntoView {
    let listed = StoredValue::new(files.clone());
    let change = move |event: leptos::ev::Event| {
        let path = event_target_value(&event);
        let found = listed.with_value(|files| files.iter().find(|file| file.path == path).cloned());
        if let Some(file) = found {
            race.choose(Source::Server(file));
        }
    };
    let is_own = move || race.source.with(|source| matches!(source, Some(Source::Own { .. })));
    let options = files.into_iter().map(|file| {
        let path = file.path.clone();
        let chosen = move || race.source.with(|it| matches!(it, Some(Source::Server(one)) if one.path == path));
        view! { <option value=file.path prop:selected=chosen>{[file.name.as_str(), " \u{b7} ", &units::bytes(file.size)].concat()}</option> }
    });
    view! {
        <select id="compare-file" data-testid="compare-file" on:change=change>
            <Show when=is_own><option value="" prop:selected=is_own>{text::OWN_FILE}</option></Show>
            {options.collect::<Vec<_>>()}
        </select>
    }
}

#[component]
fn LaneChoice(race: Race) -> impl IntoView {
    let lanes = Lane::ALL.map(|lane| {
        let id = ["compare-", lane.name()].concat();
        let change = move |event: leptos::ev::Event| {
            let on = event.target().is_some_and(|it| it.unchecked_into::<web_sys::HtmlInputElement>().checked());
            race.chosen.update(|chosen| {
                chosen.retain(|other| *other != lane);
                if on {
                    chosen.push(lane);
                    chosen.sort_unstable();
                }
            });
        };
        let access = move || race.access.with(|all| all.get(&lane).copied().unwrap_or_default());
        let closed = move || access() != Access::Open;
        view! {
            <li class:closed=closed data-testid="compare-lane" data-lane=lane.name() data-access=move || key(access())>
                <input type="checkbox" id=id.clone() prop:checked=move || race.chosen.with(|chosen| chosen.contains(&lane)) on:change=change/>
                <label for=id><LaneBadge lane/></label>
                <span class="note">{move || text::access(access())}</span>
            </li>
        }
    });
    view! {
        <fieldset class="lanes"><legend>{text::LANES}</legend><ul>{lanes.into_iter().collect::<Vec<_>>()}</ul></fieldset>
    }
}

/// How a test calls it.
const fn key(access: Access) -> &'static str {
    match access {
        Access::Trying => "trying",
        Access::Open => "open",
        Access::Untrusted => "untrusted",
        Access::Mixed => "mixed",
        Access::NoPort | Access::Silent | Access::NoWebRtc => "impossible",
    }
}

#[component]
fn Choice(
    label: &'static str,
    id: &'static str,
    values: &'static [u32],
    chosen: RwSignal<u32>,
) -> impl IntoView {
    let change = move |event: leptos::ev::Event| {
        if let Ok(value) = event_target_value(&event).parse() {
            chosen.set(value);
        }
    };
    let options = values.iter().map(|value| {
        let value = *value;
        view! { <option value=value.to_string() prop:selected=move || chosen.get() == value>{value.to_string()}</option> }
    });
    view! {
        <div class="setup-choice">
            <label for=id>{label}</label>
            <select id=id data-testid=id on:change=change>{options.collect::<Vec<_>>()}</select>
        </div>
    }
}

#[component]
fn OrderChoice(race: Race) -> impl IntoView {
    let choices = [(false, text::SEQUENTIAL), (true, text::TOGETHER)].map(|(together, words)| {
        view! {
            <label>
                <input type="radio" name="compare-order" prop:checked=move || race.together.get() == together on:change=move |_| race.together.set(together)/>
                <span>{words}</span>
            </label>
        }
    });
    view! { <fieldset class="segments"><legend>{text::ORDER}</legend>{choices.into_iter().collect::<Vec<_>>()}</fieldset> }
}

#[component]
fn TabChoice(race: Race) -> impl IntoView {
    let blocked = RwSignal::new(false);
    let joined = move || race.joined.with(Vec::len);
    let open = move |_| {
        let wanted = race.tabs.get_untracked();
        blocked.set(race.open_tabs(wanted) < wanted);
    };
    view! {
        <div class="setup-choice receivers" data-testid="compare-receivers" data-joined=move || joined().to_string()>
            <label for="compare-tabs">{text::RECEIVERS}</label>
            <div class="joined">
                <span class="who">{move || who(joined())}</span>
                <select id="compare-tabs" aria-label=text::OPEN_TABS on:change=move |event| {
                    if let Ok(value) = event_target_value(&event).parse() { race.tabs.set(value); }
                }>
                    {TABS.map(|count| view! { <option value=count.to_string() prop:selected=move || race.tabs.get() == count>{text::tabs(count)}</option> }).into_iter().collect::<Vec<_>>()}
                </select>
                <button type="button" data-testid="compare-open-tabs" on:click=open>{text::OPEN_TABS}</button>
                <Show when=move || { joined() > 0 }><button type="button" class="quiet" on:click=move |_| race.close_tabs()>{text::CLOSE_TABS}</button></Show>
            </div>
            <Show when=move || blocked.get()><p class="note">{text::TABS_BLOCKED}</p></Show>
        </div>
    }
}

#[component]
fn StartButton(race: Race) -> impl IntoView {
    let running = move || race.stage.get() != Stage::Idle;
    let label = move || if running() { text::STOP } else { text::START };
    let press = move |_| {
        if race.stage.get_untracked() == Stage::Idle {
            race.start();
        } else {
            race.stop();
        }
    };
    let blocked = move || !running() && race.missing().is_some();
    let words = move || match race.stage.get() {
        Stage::Running { round: 0, .. } => text::WARM_UP.to_owned(),
        Stage::Running { round, rounds } => text::run_of(round, rounds),
        Stage::Idle => race.missing().unwrap_or_default().to_owned(),
    };
    let state = move || {
        if running() {
            "running"
        } else if race.report.with(Option::is_some) {
            "done"
        } else {
            "idle"
        }
    };
    view! {
        <div class="offer" data-testid="compare-stage" data-state=state>
            <button type="button" class="primary large" data-testid="compare-start" disabled=blocked on:click=press>{label}</button>
            <span class="note" aria-live="polite">{words}</span>
        </div>
    }
}
