//! The people one is connected with: who they are, which way the bytes take, how fast, how far.

use leptos::prelude::*;
use shared::engine::{PeerSnapshot, Phase};
use shared::id::ConnId;

use crate::client::{PathInfo, PathKind, TransferView};
use crate::state::use_ui;
use crate::{text, units};

/// A person's short name: their program, and the number of their colour.
pub fn name(peer: &PeerSnapshot) -> String {
    let program = peer.client.split([' ', '/']).find(|word| !word.is_empty()).unwrap_or(text::PEER);
    [program, "-", &peer.slot.to_string()].concat()
}

/// A path in words: `LAN direct · 3 ms`.
pub fn path_words(path: Option<&PathInfo>) -> (&'static str, &'static str, String) {
    let (class, letter, words) = match path.map(|path| path.kind) {
        Some(PathKind::Lan) => ("direct", "P", text::PATH_LAN),
        Some(PathKind::Direct) => ("direct", "P", text::PATH_DIRECT),
        Some(PathKind::Relayed) => ("relayed", "R", text::PATH_RELAYED),
        None => ("unknown", "?", text::PATH_UNKNOWN),
    };
    let words = match path.and_then(|path| path.rtt_us) {
        Some(rtt) => [words, " \u{b7} ", &milliseconds(rtt)].concat(),
        None => words.to_owned(),
    };
    (class, letter, words)
}

fn milliseconds(micros: u32) -> String {
    if micros < 1_000 {
        text::UNDER_A_MS.to_owned()
    } else {
        [&((micros + 500) / 1_000).to_string(), "\u{a0}ms"].concat()
    }
}

/// One row a peer. A row in focus or under the pointer shows its pieces in the field.
#[component]
pub fn PeerTable(
    view: RwSignal<TransferView>,
    /// Whether this tab only gives: then what comes from them is left out.
    #[prop(optional)]
    giving: bool,
) -> impl IntoView {
    let conns = Memo::new(move |_| {
        view.with(|view| view.torrent.peers.iter().map(|peer| peer.conn).collect::<Vec<_>>())
    });
    view! {
        <section class="panel" aria-label=text::PEOPLE>
            <h2>{text::PEOPLE}<span class="count">{move || conns.with(Vec::len)}</span></h2>
            <Show when=move || !conns.with(Vec::is_empty) fallback=|| view! { <p class="empty">{text::NOBODY_YET}</p> }>
                <div class="scroll">
                <table class="peers">
                    <thead><tr>
                        <th scope="col">{text::COL_PEER}</th><th scope="col">{text::COL_PATH}</th>
                        {(!giving).then(|| view! { <th scope="col" class="number">{text::COL_DOWN}</th> })}<th scope="col" class="number">{text::COL_UP}</th>
                        {(!giving).then(|| view! { <th scope="col" class="number">{text::COL_GAVE}</th> })}<th scope="col">{text::COL_HAS}</th>
                        <th scope="col" class="since number">{text::COL_SINCE}</th>
                    </tr></thead>
                    <tbody><For each=move || conns.get() key=|conn| *conn let:conn><PeerRow view conn giving/></For></tbody>
                </table>
                </div>
            </Show>
        </section>
    }
}

#[component]
fn PeerRow(view: RwSignal<TransferView>, conn: ConnId, giving: bool) -> impl IntoView {
    let ui = use_ui();
    let find = move |view: &TransferView| view.torrent.peers.iter().find(|peer| peer.conn == conn).cloned();
    let Some(first) = view.with_untracked(find) else { return ().into_any() };
    let peer = Memo::new(move |before: Option<&PeerSnapshot>| {
        view.with(find).or_else(|| before.cloned()).unwrap_or_else(|| first.clone())
    });
    let pieces = move || view.with(|view| view.torrent.pieces);
    let has = move || units::percent(u64::from(peer.with(|peer| peer.pieces)), u64::from(pieces()));
    let path = Memo::new(move |_| view.with(|view| path_words(view.paths.get(&conn))));
    let slot = peer.with_untracked(|peer| peer.slot);
    view! {
        <tr data-testid="peer" data-peer-id=peer.with_untracked(|peer| peer.peer_id.to_string())
            data-client=move || peer.with(|peer| peer.client.clone())
            data-downloaded=move || peer.with(|peer| peer.downloaded.to_string())
            data-uploaded=move || peer.with(|peer| peer.uploaded.to_string())
            data-given=move || peer.with(|peer| peer.given.to_string())
            on:pointerenter=move |_| ui.highlight.set(Some(slot)) on:pointerleave=move |_| ui.highlight.set(None)>
            <th scope="row" title=move || peer.with(|peer| peer.client.clone())>
                <span class="file"><i class=move || ["swatch shade-", &(slot % 3).to_string(), " ", path.with(|path| path.0)].concat() aria-hidden="true"></i>
                {move || peer.with(name)}</span></th>
            <td class="by"><span class=move || ["badge ", path.with(|path| path.0)].concat()><b>{move || path.with(|path| path.1)}</b>{move || path.with(|path| path.2.clone())}</span></td>
            {(!giving).then(|| view! { <td class="number down">{move || moving(peer.with(|peer| peer.down_rate))}</td> })}
            <td class="number up">{move || moving(peer.with(|peer| peer.up_rate))}</td>
            {(!giving).then(|| view! { <td class="number gave">{move || units::count(u64::from(peer.with(|peer| peer.given)))}</td> })}
            <td class="has">
                <progress max="100" prop:value=move || has().to_string() aria-label=text::COL_HAS></progress>
                <span>{move || has()} " %"</span>
                <span class="note">{move || left(view, &peer.get(), pieces())}</span>
            </td>
            <td class="since number">{move || units::elapsed(peer.with(|peer| peer.connected_ms))}</td>
        </tr>
    }
    .into_any()
}

fn moving(rate: u64) -> String {
    if rate == 0 { "\u{2013}".to_owned() } else { units::rate(rate) }
}

/// What else there is to say of a peer: time left at the rate it fetches from us, or why nothing moves.
fn left(view: RwSignal<TransferView>, peer: &PeerSnapshot, pieces: u32) -> String {
    if peer.pieces >= pieces && pieces > 0 {
        return text::PEER_DONE.to_owned();
    }
    let ours = view.with(|view| matches!(view.torrent.phase, Phase::Seeding | Phase::Complete));
    if ours && peer.up_rate > 0 {
        let missing =
            u64::from(pieces - peer.pieces) * u64::from(view.with(|view| view.torrent.piece_length));
        return units::time_left(missing.saturating_mul(1_000) / peer.up_rate).unwrap_or_default();
    }
    match (peer.choking && peer.interested, peer.choked && peer.wanting) {
        (true, _) => text::PEER_CHOKES.to_owned(),
        (_, true) => text::PEER_CHOKED.to_owned(),
        _ => String::new(),
    }
}
