use leptos::prelude::*;
use shared::engine::{Phase, PieceState};

use super::peer_table;
use super::piece_field::{Cells, PieceField, slot_of, state_of};
use crate::client::TransferView;
use crate::{text, units};

/// The piece field of a torrent, with how many copies of it are about.
#[component]
pub fn TransferField(view: RwSignal<TransferView>) -> impl IntoView {
    let cells = Memo::new(move |_| view.with(Cells::of));
    let percent = Memo::new(move |_| {
        view.with(|view| units::percent(view.torrent.verified_bytes, view.torrent.total_bytes))
    });
    let summary = Memo::new(move |_| {
        view.with(|view| text::pieces_verified(view.torrent.verified_pieces, view.torrent.pieces))
    });
    let known = Memo::new(move |_| view.with(|view| view.torrent.pieces > 0));
    let plain = Signal::derive(move || !known.get());
    let describe = move |cell: usize| view.with(|view| described(view, cell, cells.with(|cells| cells.run)));
    let copies = Memo::new(move |_| view.with(copies));
    view! {
        <Show when=move || cells.with(|cells| cells.pieces > 0)>
            <PieceField cells percent summary describe plain/>
            <p class="availability note">{copies}</p>
        </Show>
    }
}

/// Copies of the rarest piece and of the average one among the peers; nothing when nobody is there.
fn copies(view: &TransferView) -> String {
    let torrent = &view.torrent;
    if torrent.peers.is_empty() || matches!(torrent.phase, Phase::Seeding | Phase::Complete) {
        return String::new();
    }
    let (rarest, average) = torrent.availability;
    text::availability(torrent.peers.len(), rarest, (average * 10.0) as u64)
}

/// `Piece 214 · 256 KiB · verified · from Firefox-2 (LAN direct · 18 ms)`.
fn described(view: &TransferView, cell: usize, run: u32) -> String {
    let torrent = &view.torrent;
    let first = cell * run as usize;
    let Some(pieces) = torrent.field.get(first..torrent.field.len().min(first + run as usize)) else {
        return String::new();
    };
    let Some(byte) = pieces.first().copied() else { return String::new() };
    if pieces.len() > 1 {
        let verified = pieces.iter().filter(|byte| state_of(**byte) == PieceState::Verified).count();
        return text::run_of_pieces(first, first + pieces.len() - 1, verified, pieces.len());
    }
    let last = first + 1 == torrent.field.len();
    let rest = torrent.total_bytes.saturating_sub(first as u64 * u64::from(torrent.piece_length));
    let length = if last { units::bytes(rest) } else { units::piece_length(torrent.piece_length) };
    let state = match state_of(byte) {
        PieceState::Missing => text::CELL_MISSING,
        PieceState::Requested => text::CELL_REQUESTED,
        PieceState::Received => text::CELL_RECEIVED,
        PieceState::Verifying => text::CELL_VERIFYING,
        PieceState::Verified => text::VERIFIED,
    };
    let mut line =
        [text::PIECE, " ", &units::count(first as u64), " \u{b7} ", &length, " \u{b7} ", state].concat();
    if state_of(byte) == PieceState::Verified {
        line.push_str(" \u{b7} ");
        line.push_str(&giver(view, slot_of(byte)));
    }
    line
}

fn giver(view: &TransferView, slot: u8) -> String {
    if slot == 0 {
        return text::FROM_HERE.to_owned();
    }
    match view.torrent.peers.iter().find(|peer| peer.slot == slot) {
        None => [text::FROM, " ", text::LEFT].concat(),
        Some(peer) => {
            let (_, _, path) = peer_table::path_words(view.paths.get(&peer.conn));
            [text::FROM, " ", &peer_table::name(peer), " (", &path, ")"].concat()
        }
    }
}
