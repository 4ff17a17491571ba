//! Draws cells on a canvas. States differ by shape as well as by colour: missing is a hollow dot of ground, requested an
//! outline, received hatched, verifying half filled, verified solid; relayed pieces carry a cross, bad ones a stroke.

use shared::engine::PieceState;
use wasm_bindgen::JsCast;
use web_sys::{CanvasRenderingContext2d, HtmlCanvasElement};

use super::cells::{Cell, Source};
use super::layout::Grid;
use crate::document;

/// Colours of the theme, read from the style sheet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Palette {
    missing: String,
    line: String,
    here: String,
    direct: String,
    relayed: String,
    error: String,
    ground: String,
    text: String,
}

impl Palette {
    /// What the document's style sheet says now.
    pub fn read() -> Self {
        let style = document::element("field-colours")
            .and_then(|element| document::window().get_computed_style(&element).ok().flatten());
        let colour = |name: &str| {
            let value =
                style.as_ref().and_then(|style| style.get_property_value(name).ok()).unwrap_or_default();
            value.trim().to_owned()
        };
        Self {
            missing: colour("--cell-missing"),
            line: colour("--cell-line"),
            here: colour("--cell-here"),
            direct: colour("--p2p"),
            relayed: colour("--relay"),
            error: colour("--error"),
            ground: colour("--bg"),
            text: colour("--text"),
        }
    }

    fn of(&self, source: Source) -> &str {
        match source {
            Source::Here => &self.here,
            Source::Direct => &self.direct,
            Source::Relayed => &self.relayed,
        }
    }
}

/// What stands out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Emphasis {
    /// Cells of this peer; the others step back.
    pub slot: Option<u8>,
    /// The cell under the pointer or the cursor.
    pub cursor: Option<usize>,
}

/// A canvas and its size in device pixels.
pub struct Painter {
    canvas: HtmlCanvasElement,
    context: CanvasRenderingContext2d,
    ratio: f64,
}

impl Painter {
    /// Takes the canvas; `None` where the browser draws none.
    pub fn new(canvas: HtmlCanvasElement) -> Option<Self> {
        let context = canvas.get_context("2d").ok().flatten()?.dyn_into().ok()?;
        Some(Self { canvas, context, ratio: 1.0 })
    }

    /// Sizes the canvas for a grid at the given width, and clears it.
    pub fn fit(&mut self, grid: &Grid, width: f64) {
        self.ratio = document::window().device_pixel_ratio().max(1.0);
        let pixels = |length: f64| (length * self.ratio).ceil() as u32;
        self.canvas.set_width(pixels(width));
        self.canvas.set_height(pixels(grid.height()));
        let _ = self.context.set_transform(self.ratio, 0.0, 0.0, self.ratio, 0.0, 0.0);
    }

    /// Draws one cell anew. `fresh` is how far the fade of a newly verified one is, 0 to 1.
    pub fn draw(
        &self,
        cell: &Cell,
        place: usize,
        grid: &Grid,
        palette: &Palette,
        emphasis: Emphasis,
        fresh: f64,
    ) {
        let (x, y) = grid.place(place);
        let square = Square { x, y, side: grid.side() };
        self.context.clear_rect(x, y, square.side, square.side);
        self.cell(cell, square, palette, emphasis, fresh);
        if emphasis.cursor == Some(place) {
            self.context.set_global_alpha(1.0);
            self.context.set_stroke_style_str(&palette.text);
            self.context.set_line_width(2.0);
            self.context.stroke_rect(x + 1.0, y + 1.0, square.side - 2.0, square.side - 2.0);
        }
    }

    fn cell(&self, cell: &Cell, square: Square, palette: &Palette, emphasis: Emphasis, fresh: f64) {
        let context = &self.context;
        let Square { x, y, side } = square;
        let given = cell.filled > 0;
        let faded = emphasis.slot.is_some_and(|slot| !(given && cell.slot == slot));
        let strength = if faded { 0.22 } else { 1.0 };
        context.set_global_alpha(strength);
        if cell.state != PieceState::Verified || fresh < 1.0 {
            self.fill(&palette.missing, x, y, side, side);
        }
        if given {
            context.set_global_alpha(strength * shade(cell) * fresh);
            let height = if cell.filled == 255 { side } else { side * f64::from(cell.filled) / 255.0 };
            self.fill(palette.of(cell.source), x, y + side - height, side, height);
            context.set_global_alpha(strength);
            if cell.source == Source::Relayed && side >= 8.0 {
                self.cross(square, &palette.ground);
            }
        }
        match cell.state {
            PieceState::Requested => self.outline(square, &palette.line),
            PieceState::Received => self.hatch(square, &palette.line),
            PieceState::Verifying => {
                self.outline(square, &palette.line);
                self.fill(&palette.line, x, y + side / 2.0, side, side / 2.0);
            }
            PieceState::Missing | PieceState::Verified => {}
        }
        if cell.bad {
            context.set_global_alpha(1.0);
            self.outline(square, &palette.error);
            self.cross(square, &palette.error);
        }
    }

    fn fill(&self, colour: &str, x: f64, y: f64, width: f64, height: f64) {
        self.context.set_fill_style_str(colour);
        self.context.fill_rect(x, y, width, height);
    }

    fn outline(&self, square: Square, colour: &str) {
        self.context.set_stroke_style_str(colour);
        self.context.set_line_width(1.0);
        self.context.stroke_rect(square.x + 0.5, square.y + 0.5, square.side - 1.0, square.side - 1.0);
    }

    fn hatch(&self, square: Square, colour: &str) {
        let Square { x, y, side } = square;
        self.outline(square, colour);
        self.lines(colour, &[(x, y + side, x + side, y), (x, y + side / 2.0, x + side / 2.0, y)]);
    }

    fn cross(&self, square: Square, colour: &str) {
        let (near, far) = (square.side * 0.3, square.side * 0.7);
        let Square { x, y, .. } = square;
        self.lines(colour, &[(x + near, y + near, x + far, y + far), (x + near, y + far, x + far, y + near)]);
    }

    fn lines(&self, colour: &str, lines: &[(f64, f64, f64, f64)]) {
        let context = &self.context;
        context.set_stroke_style_str(colour);
        context.set_line_width(1.0);
        context.begin_path();
        for (from_x, from_y, to_x, to_y) in lines {
            context.move_to(*from_x, *from_y);
            context.line_to(*to_x, *to_y);
        }
        context.stroke();
    }
}

#[derive(Clone, Copy)]
struct Square {
    x: f64,
    y: f64,
    side: f64,
}

/// Peers on the same kind of path differ by strength, in three steps.
fn shade(cell: &Cell) -> f64 {
    match (cell.source, cell.slot % 3) {
        (Source::Here | Source::Relayed, _) | (_, 1) => 1.0,
        (_, 2) => 0.78,
        _ => 0.6,
    }
}
