//! A picture made up on the spot, for a first try without a file at hand.

use js_sys::{Array, Uint8Array};
use web_sys::{File, FilePropertyBag};

const NAME: &str = "piecemeal-sample.bmp";
const SIDE: u32 = 1_280;
const CELL: u32 = 20;

/// A picture of a piece field, 4.9 MB; always the same bytes, so always the same link.
pub fn file() -> Option<File> {
    let bytes = bitmap();
    let parts = Array::of1(&Uint8Array::from(bytes.as_slice()));
    let options = FilePropertyBag::new();
    options.set_type("image/bmp");
    File::new_with_u8_array_sequence_and_options(&parts, NAME, &options).ok()
}

/// An uncompressed Windows bitmap of 24 bits a pixel, bottom row first.
fn bitmap() -> Vec<u8> {
    const HEADER: u32 = 54;
    let pixels = SIDE * SIDE * 3;
    let mut bytes = Vec::with_capacity((HEADER + pixels) as usize);
    bytes.extend_from_slice(b"BM");
    for number in [HEADER + pixels, 0, HEADER, 40, SIDE, SIDE, 1 | 24 << 16, 0, pixels, 2_835, 2_835, 0, 0] {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    for y in 0..SIDE {
        for x in 0..SIDE {
            bytes.extend_from_slice(&pixel(x, y));
        }
    }
    bytes
}

/// Cells of a few greens on dark ground, as if most pieces had arrived.
fn pixel(x: u32, y: u32) -> [u8; 3] {
    const GROUND: [u8; 3] = [0x16, 0x11, 0x0e];
    const SHADES: [[u8; 3]; 4] =
        [[0x96, 0xc7, 0x2f], [0x78, 0xa0, 0x26], [0x5a, 0x78, 0x1c], [0x22, 0x1b, 0x16]];
    if x % CELL < 3 || y % CELL < 3 {
        return GROUND;
    }
    let (column, row) = (x / CELL, y / CELL);
    let mut mixed = column.wrapping_mul(0x9e37_79b1) ^ row.wrapping_mul(0x85eb_ca6b);
    mixed ^= mixed >> 15;
    mixed = mixed.wrapping_mul(0x2c1b_3c6d);
    mixed ^= mixed >> 12;
    match mixed % 16 {
        0..=8 => SHADES[0],
        9..=11 => SHADES[1],
        12..=13 => SHADES[2],
        _ => SHADES[3],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_is_a_whole_bitmap() {
        let bytes = bitmap();
        assert_eq!(bytes.len(), 54 + (SIDE * SIDE * 3) as usize);
        assert_eq!(bytes[2..6], (bytes.len() as u32).to_le_bytes());
        assert_eq!(bytes[26..30], [1, 0, 24, 0]);
    }
}
