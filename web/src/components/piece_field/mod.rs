//! The file itself: one cell a piece, or a run of pieces. Progress bar, picture of the swarm and proof in one.

pub mod cells;
pub mod layout;
pub mod legend;
pub mod paint;

use std::cell::RefCell;
use std::rc::Rc;

use leptos::ev;
use leptos::html::Canvas;
use leptos::prelude::*;

pub use cells::{Cell, Cells, Source, piece_count, slot_of, state_of};
use layout::Grid;
use legend::Legend;
use paint::{Emphasis, Painter, Palette};

use crate::document;
use crate::state::use_ui;

/// Milliseconds in which a newly verified cell appears.
const FADE_MS: f64 = 120.0;

/// The field, with a line under it that tells what a cell is.
#[component]
pub fn PieceField(
    /// What to draw.
    #[prop(into)]
    cells: Signal<Cells>,
    /// Hundredths that are done.
    #[prop(into)]
    percent: Signal<u64>,
    /// The whole in words, for those who do not see it.
    #[prop(into)]
    summary: Signal<String>,
    /// What to say of the cell under the pointer.
    #[prop(into)]
    describe: Callback<usize, String>,
    /// Whether cells stand for nothing in particular yet, and need no legend.
    #[prop(into, optional)]
    plain: Signal<bool>,
) -> impl IntoView {
    let ui = use_ui();
    let canvas = NodeRef::<Canvas>::new();
    let cursor = RwSignal::new(None::<usize>);
    let drawing = Rc::new(RefCell::new(Drawing::default()));
    let resized = RwSignal::new(0_u32);
    let listener = window_event_listener(ev::resize, move |_| resized.update(|count| *count += 1));
    on_cleanup(move || listener.remove());

    let drawn = Rc::clone(&drawing);
    Effect::new(move |_| {
        let Some(canvas) = canvas.get() else { return };
        let look = Look { scheme: ui.scheme.get(), size: resized.get() };
        let emphasis = Emphasis { slot: ui.highlight.get(), cursor: cursor.get() };
        let cells = cells.get();
        if !document::hidden() {
            drawn.borrow_mut().update(canvas, cells, look, emphasis);
            fade(Rc::clone(&drawn));
        }
    });

    let pointed = Rc::clone(&drawing);
    let at = move |event: ev::PointerEvent| {
        cursor.set(pointed.borrow().grid.at(f64::from(event.offset_x()), f64::from(event.offset_y())));
    };
    let columns = move || drawing.borrow().grid.columns;
    let step = move |event: ev::KeyboardEvent| {
        let count = cells.with(|cells| cells.cells.len());
        let Some(moved) = moved(&event.key(), cursor.get_untracked(), columns(), count) else { return };
        event.prevent_default();
        cursor.set(moved);
    };
    view! {
        <div class="field">
            <div class="field-cells" role="progressbar" tabindex="0" aria-label="Pieces" aria-valuemin="0" aria-valuemax="100"
                aria-valuenow=move || percent.get().to_string() aria-valuetext=summary
                on:keydown=step on:blur=move |_| cursor.set(None)>
                <canvas node_ref=canvas on:pointermove=at on:pointerleave=move |_| cursor.set(None)></canvas>
            </div>
            <div class="field-foot">
                {move || match cursor.get() {
                    Some(cell) => view! { <span class="readout">{describe.run(cell)}</span> }.into_any(),
                    None if plain.get() => ().into_any(),
                    None => view! { <Legend cells/> }.into_any(),
                }}
            </div>
        </div>
    }
}

/// Where an arrow key takes the cursor; `None` for other keys.
fn moved(key: &str, cursor: Option<usize>, columns: usize, count: usize) -> Option<Option<usize>> {
    let last = count.checked_sub(1)?;
    let here = cursor.unwrap_or(0);
    Some(match key {
        "ArrowRight" => Some(cursor.map_or(0, |here| here + 1).min(last)),
        "ArrowLeft" => Some(here.saturating_sub(1)),
        "ArrowDown" => Some((here + columns).min(last)),
        "ArrowUp" => Some(here.checked_sub(columns).unwrap_or(here)),
        "Home" => Some(0),
        "End" => Some(last),
        "Escape" if cursor.is_some() => None,
        _ => return None,
    })
}

/// What decides whether everything has to be drawn anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Look {
    scheme: u32,
    size: u32,
}

/// What is on the canvas.
#[derive(Default)]
struct Drawing {
    painter: Option<Painter>,
    palette: Palette,
    grid: Grid,
    width: f64,
    cells: Cells,
    look: Look,
    emphasis: Emphasis,
    /// Cells that are fading in, and since when.
    fading: Vec<(usize, f64)>,
    /// Whether a frame has been asked for.
    scheduled: bool,
}

impl Drawing {
    fn update(
        &mut self,
        canvas: web_sys::HtmlCanvasElement,
        mut cells: Cells,
        look: Look,
        emphasis: Emphasis,
    ) {
        let width = canvas.parent_element().map_or(0.0, |parent| f64::from(parent.client_width()));
        cells.mark_bad(&self.cells);
        let first = self.painter.is_none();
        if first {
            self.painter = Painter::new(canvas);
        }
        let anew = first
            || look != self.look
            || cells.cells.len() != self.cells.cells.len()
            || (width - self.width).abs() > 0.5
            || emphasis.slot != self.emphasis.slot;
        let before = std::mem::replace(&mut self.cells, cells);
        let cursor_before = self.emphasis.cursor;
        (self.look, self.emphasis) = (look, emphasis);
        if anew {
            self.draw_all(width);
            return;
        }
        let now = document::now_ms() as f64;
        let still = document::reduced_motion();
        for (place, (now_cell, then)) in self.cells.cells.iter().zip(&before.cells).enumerate() {
            if now_cell == then {
                continue;
            }
            let fades = !still && now_cell.filled > then.filled;
            if fades {
                self.fading.push((place, now));
            }
            self.draw_one(place, if fades { 0.0 } else { 1.0 });
        }
        for place in [cursor_before, emphasis.cursor].into_iter().flatten() {
            self.draw_one(place, 1.0);
        }
    }

    fn draw_all(&mut self, width: f64) {
        self.palette = Palette::read();
        self.width = width;
        self.grid = Grid::new(self.cells.cells.len(), width);
        self.fading.clear();
        if let Some(painter) = &mut self.painter {
            painter.fit(&self.grid, width);
        }
        for place in 0..self.cells.cells.len() {
            self.draw_one(place, 1.0);
        }
    }

    fn draw_one(&self, place: usize, fresh: f64) {
        if let (Some(painter), Some(cell)) = (&self.painter, self.cells.cells.get(place)) {
            painter.draw(cell, place, &self.grid, &self.palette, self.emphasis, fresh);
        }
    }

    /// Draws what is fading in. Returns whether there is more to come.
    fn frame(&mut self) -> bool {
        let now = document::now_ms() as f64;
        let fading = std::mem::take(&mut self.fading);
        for (place, since) in &fading {
            self.draw_one(*place, ((now - since) / FADE_MS).clamp(0.0, 1.0));
        }
        self.fading = fading.into_iter().filter(|(_, since)| now - since < FADE_MS).collect();
        !self.fading.is_empty()
    }
}

/// Asks for frames for as long as something fades.
fn fade(drawing: Rc<RefCell<Drawing>>) {
    {
        let mut drawing = drawing.borrow_mut();
        if drawing.fading.is_empty() || drawing.scheduled {
            return;
        }
        drawing.scheduled = true;
    }
    request_animation_frame(move || {
        let more = {
            let mut drawing = drawing.borrow_mut();
            drawing.scheduled = false;
            drawing.frame()
        };
        if more {
            fade(drawing);
        }
    });
}
