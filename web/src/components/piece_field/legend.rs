use leptos::prelude::*;
use shared::engine::PieceState;

use super::cells::{Cell, Cells, Source};
use crate::{text, units};

/// What the cells that are there right now mean.
#[component]
pub fn Legend(cells: Signal<Cells>) -> impl IntoView {
    let kinds = Memo::new(move |_| cells.with(|cells| KINDS.map(|(_, _, is)| cells.cells.iter().any(is))));
    let run = Memo::new(move |_| cells.with(|cells| cells.run));
    move || {
        let present = kinds.get();
        let entries =
            KINDS.iter().zip(present).filter(|(_, present)| *present).map(|((class, words, _), _)| {
                view! { <li><i class=["swatch ", class].concat() aria-hidden="true"></i>{*words}</li> }
            });
        let run = run.get();
        let runs = (run > 1).then(|| view! { <li>{text::one_cell(&units::count(u64::from(run)))}</li> });
        view! { <ul class="legend">{entries.collect::<Vec<_>>()}{runs}</ul> }
    }
}

type Kind = (&'static str, &'static str, fn(&Cell) -> bool);

const KINDS: [Kind; 8] = [
    ("direct", text::CELL_DIRECT, |cell| cell.filled > 0 && cell.source == Source::Direct),
    ("relayed", text::CELL_RELAYED, |cell| cell.filled > 0 && cell.source == Source::Relayed),
    ("here", text::CELL_HERE, |cell| cell.filled > 0 && cell.source == Source::Here),
    ("verifying", text::CELL_VERIFYING, |cell| cell.state == PieceState::Verifying),
    ("received", text::CELL_RECEIVED, |cell| cell.state == PieceState::Received),
    ("requested", text::CELL_REQUESTED, |cell| cell.state == PieceState::Requested),
    ("missing", text::CELL_MISSING, |cell| cell.state == PieceState::Missing && cell.filled < 255),
    ("bad", text::CELL_BAD, |cell| cell.bad),
];
