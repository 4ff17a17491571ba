//! One swarm: which, its picture, and the same as a table.

use leptos::prelude::*;

use super::picture::Picture;
use crate::dashboard::Dashboard;
use crate::dashboard::model::{Peer, Report, Swarm, SwarmCounts};
use crate::text::dashboard as text;
use crate::units;

/// Receivers of one peer that the table names.
const GIVES_NAMED: usize = 3;

/// The section.
#[component]
pub fn SwarmSection(dashboard: Dashboard) -> impl IntoView {
    let highlight = RwSignal::new(None::<String>);
    let swarm = dashboard.swarm;
    let known = move || swarm.with(|swarm| swarm.as_ref().is_some_and(|swarm| !swarm.peers.is_empty()));
    let empty = move || match (dashboard.shown().is_some(), swarm.with(Option::is_some)) {
        (false, _) => dashboard.swarm_error.get().unwrap_or_else(|| text::NO_SWARM.to_owned()),
        (true, true) => text::EMPTY_SWARM.to_owned(),
        (true, false) => dashboard.swarm_error.get().unwrap_or_else(|| text::OPENING.to_owned()),
    };
    let picture = move || swarm.get().map(|swarm| view! { <Picture swarm highlight/> });
    let words = move || {
        let words = |one: &Swarm| text::members(one.seeds, one.leeches, one.partial_seeds, one.peers.len());
        swarm.with(|swarm| swarm.as_ref().map(words))
    };
    view! {
        <section class="panel swarm" aria-labelledby="swarm-title" data-testid="swarm">
            <h2 id="swarm-title">{text::SWARM}<span class="count">{words}</span></h2>
            <Chooser dashboard/>
            <Show when=known fallback=move || view! { <p class="empty">{empty}</p> }>
                <div class="picture">{picture}</div>
                <div class="scroll member-rows" tabindex="0" role="region" aria-labelledby="swarm-title"><Table dashboard highlight/></div>
            </Show>
        </section>
    }
}

#[component]
fn Chooser(dashboard: Dashboard) -> impl IntoView {
    let choices = Memo::new(move |_| {
        dashboard.past.with(|past| past.last().map(|now| now.swarms.clone()).unwrap_or_default())
    });
    let options = move || {
        let chosen = dashboard.chosen.get();
        let choice = |swarm: SwarmCounts| {
            let selected = swarm.info_hash == chosen;
            let words = text::choice(&swarm.info_hash, swarm.seeds + swarm.leeches);
            view! { <option value=swarm.info_hash selected=selected>{words}</option> }
        };
        choices.get().into_iter().map(choice).collect::<Vec<_>>()
    };
    let chosen = dashboard.chosen;
    let shown = move || dashboard.shown().map(|hash| hash.to_string());
    view! {
        <div class="chooser">
            <div><label for="swarm-choice">{text::SWARM_CHOOSE}</label>
            <select id="swarm-choice" prop:value=move || chosen.get() on:change=move |event| chosen.set(event_target_value(&event))>
                <option value="" selected=move || chosen.with(String::is_empty)>{text::SWARM_LARGEST}</option>
                {options}
            </select></div>
            <div class="by-hash"><label for="swarm-hash">{text::SWARM_HASH}</label>
            <input id="swarm-hash" type="text" class="mono" autocomplete="off" spellcheck="false" maxlength="64" placeholder=move || shown().unwrap_or_default()
                prop:value=move || chosen.get() on:change=move |event| chosen.set(event_target_value(&event).trim().to_ascii_lowercase())/></div>
        </div>
    }
}

#[component]
fn Table(dashboard: Dashboard, highlight: RwSignal<Option<String>>) -> impl IntoView {
    let rows = move || {
        let swarm = dashboard.swarm.get().unwrap_or_default();
        swarm.peers.iter().map(|peer| row(peer, &swarm, highlight)).collect::<Vec<_>>()
    };
    view! {
        <table class="members" data-testid="swarm-table">
            <thead><tr>
                <th scope="col">{text::COL_PEER}</th><th scope="col">{text::COL_CLIENT}</th><th scope="col">{text::COL_BY}</th>
                <th scope="col">{text::COL_HAS}</th>
                <th scope="col" class="number">{text::COL_DOWN}</th><th scope="col" class="number">{text::COL_UP}</th>
                <th scope="col" class="number">{text::COL_GAVE}</th><th scope="col" class="number">{text::COL_RATIO}</th>
                <th scope="col">{text::COL_GIVES}</th><th scope="col">{text::COL_DHT}</th><th scope="col">{text::COL_TRACKER}</th>
            </tr></thead>
            <tbody>{rows}</tbody>
        </table>
    }
}

fn row(peer: &Peer, swarm: &Swarm, highlight: RwSignal<Option<String>>) -> impl IntoView + use<> {
    let said = |show: fn(&Report) -> String| peer.report.as_ref().map_or(text::NONE.to_owned(), show);
    let percent = peer.progress.map(|part| ((part * 100.0).floor() as u64).min(100));
    let has = match percent {
        Some(percent) => {
            let pieces = peer.report.as_ref().filter(|report| report.pieces > 0);
            let pieces = pieces
                .map(|report| [&report.pieces_done.to_string(), "/", &report.pieces.to_string()].concat());
            view! {
                <progress max="100" value=percent.to_string() aria-label=text::COL_HAS></progress>
                <span>{percent.to_string()} " %"</span><span class="note">{pieces}</span>
            }
            .into_any()
        }
        None => view! { <span class="note">{text::KEY_UNKNOWN}</span> }.into_any(),
    };
    let gives = gives(peer, swarm);
    let (entered, id, of) = (peer.id.clone(), peer.id.clone(), peer.id.clone());
    let bright = move || highlight.with(|which| which.as_deref() == Some(of.as_str()));
    view! {
        <tr class:bright=bright data-testid="member" data-progress=percent.map(|percent| percent.to_string())
            on:pointerenter=move |_| highlight.set(Some(entered.clone())) on:pointerleave=move |_| highlight.set(None)>
            <th scope="row" class="mono">{id}</th>
            <td>{peer.client.clone()}</td>
            <td>{peer.kind.clone()}</td>
            <td class="has">{has}</td>
            <td class="number">{said(|report| moving(report.down_rate))}</td>
            <td class="number">{said(|report| moving(report.up_rate))}</td>
            <td class="number">{said(|report| units::bytes(report.uploaded))}</td>
            <td class="number">{said(|report| ratio(report.ratio))}</td>
            <td>{gives}</td>
            <td>{said(dht)}</td>
            <td>{said(|report| report.tracker.clone())}</td>
        </tr>
    }
}

/// Whom it gives most, and how many others.
fn gives(peer: &Peer, swarm: &Swarm) -> String {
    let mut flows: Vec<_> = swarm.flows.iter().filter(|flow| flow.from == peer.id).collect();
    if flows.is_empty() {
        return text::NONE.to_owned();
    }
    flows.sort_by_key(|flow| std::cmp::Reverse(flow.rate));
    let named = flows.iter().take(GIVES_NAMED);
    let named = named.map(|flow| [short(&flow.to), " ", &units::rate(flow.rate)].concat());
    let mut words = named.collect::<Vec<_>>().join(", ");
    if let Some(others) = flows.len().checked_sub(GIVES_NAMED).filter(|others| *others > 0) {
        words.push_str(&text::others(others));
    }
    words
}

fn short(id: &str) -> &str {
    if id == crate::dashboard::layout::SERVER { id } else { id.get(..4).unwrap_or(id) }
}

fn moving(rate: u64) -> String {
    if rate == 0 { text::NONE.to_owned() } else { units::rate(rate) }
}

fn ratio(ratio: Option<f64>) -> String {
    ratio.map_or(text::NONE.to_owned(), |ratio| {
        let hundredths = (ratio * 100.0).round() as u64;
        let rest = hundredths % 100;
        [(hundredths / 100).to_string().as_str(), ".", if rest < 10 { "0" } else { "" }, &rest.to_string()]
            .concat()
    })
}

fn dht(report: &Report) -> String {
    if report.dht == "off" {
        report.dht.clone()
    } else {
        [&report.dht, " \u{b7} ", &report.dht_peers.to_string()].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_have_two_digits() {
        for (value, expected) in
            [(None, "\u{2013}"), (Some(0.0), "0.00"), (Some(1.05), "1.05"), (Some(12.3), "12.30")]
        {
            assert_eq!(ratio(value), expected);
        }
    }
}
