//! Where cells lie on the canvas. Lengths in CSS pixels.

/// Rows and columns of equal cells.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Grid {
    /// Cells in a row.
    pub columns: usize,
    /// Rows.
    pub rows: usize,
    /// From one cell to the next, gap included.
    pub pitch: f64,
    /// Between cells.
    pub gap: f64,
    /// Cells in all.
    pub count: usize,
}

/// Height that a field of few cells grows to fill.
const HEIGHT_WANTED: f64 = 232.0;
/// Smallest and largest distance between cells.
const PITCH: (f64, f64) = (8.0, 26.0);

impl Grid {
    /// Lays out `count` cells over `width`.
    pub fn new(count: usize, width: f64) -> Self {
        if count == 0 || width < PITCH.0 {
            return Self::default();
        }
        let wanted = (width * HEIGHT_WANTED / count as f64).sqrt().floor().clamp(PITCH.0, PITCH.1);
        let gap = if wanted >= 12.0 { 2.0 } else { 1.0 };
        // The last cell of a row needs no gap after it.
        let columns = (((width + gap) / wanted).floor() as usize).clamp(1, count);
        Self { columns, rows: count.div_ceil(columns), pitch: wanted, gap, count }
    }

    /// Height of all rows.
    pub fn height(&self) -> f64 {
        (self.rows as f64 * self.pitch - self.gap).max(0.0)
    }

    /// Left and top edge of a cell.
    pub fn place(&self, cell: usize) -> (f64, f64) {
        let columns = self.columns.max(1);
        ((cell % columns) as f64 * self.pitch, (cell / columns) as f64 * self.pitch)
    }

    /// Side of a cell, without its gap.
    pub fn side(&self) -> f64 {
        self.pitch - self.gap
    }

    /// The cell under a point.
    pub fn at(&self, x: f64, y: f64) -> Option<usize> {
        if self.pitch <= 0.0 || x < 0.0 || y < 0.0 {
            return None;
        }
        let column = (x / self.pitch) as usize;
        let cell = (y / self.pitch) as usize * self.columns + column;
        (column < self.columns && cell < self.count).then_some(cell)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cell_lies_within_the_width_and_is_found_again() {
        for count in [1, 7, 64, 400, 4_000] {
            for width in [320.0, 358.0, 760.0] {
                let grid = Grid::new(count, width);
                for cell in 0..count {
                    let (x, y) = grid.place(cell);
                    assert!(x + grid.side() <= width, "{count} cells on {width}");
                    assert!(y + grid.side() <= grid.height());
                    assert_eq!(grid.at(x + 1.0, y + 1.0), Some(cell));
                }
                assert_eq!(grid.at(width, grid.height() + grid.pitch), None);
            }
        }
    }

    #[test]
    fn nothing_takes_no_room() {
        assert_eq!(Grid::new(0, 760.0).height(), 0.0);
        assert_eq!(Grid::new(10, 0.0).at(0.0, 0.0), None);
    }
}
