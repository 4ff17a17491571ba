//! QR codes in a terminal.

use fast_qr::{ECL, QRBuilder, QRCode};

/// Light modules around the code, without which scanners do not find it (ISO/IEC 18004).
const QUIET: usize = 4;

/// `text` as a QR code of half-block characters; `None` if it is too long for one.
///
/// Light modules are drawn and dark ones are spaces, so it is right on a dark terminal. With `colours` it is right on
/// every terminal that knows them.
pub fn code(text: &str, colours: bool) -> Option<String> {
    let code = QRBuilder::new(text).ecl(ECL::L).build().ok()?;
    let (before, after) = if colours { ("\x1b[97;40m", "\x1b[0m") } else { ("", "") };
    let side = code.size + 2 * QUIET;
    let mut drawn = String::new();
    for y in (0..side).step_by(2) {
        drawn.push_str(before);
        drawn.extend((0..side).map(|x| match (is_light(&code, x, y), is_light(&code, x, y + 1)) {
            (true, true) => '█',
            (true, false) => '▀',
            (false, true) => '▄',
            (false, false) => ' ',
        }));
        drawn.push_str(after);
        drawn.push('\n');
    }
    Some(drawn)
}

fn is_light(code: &QRCode, x: usize, y: usize) -> bool {
    let inside = QUIET..QUIET + code.size;
    !(inside.contains(&x) && inside.contains(&y) && code[y - QUIET][x - QUIET].value())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_fits_a_terminal_and_has_its_marks() {
        let code = code("http://192.168.100.200:8080/", false).unwrap();
        let lines: Vec<Vec<char>> = code.lines().map(|line| line.chars().collect()).collect();
        assert!(
            lines.len() <= 20 && lines.iter().all(|line| line.len() == lines[0].len() && line.len() <= 40),
            "{code}"
        );
        // Two lines are the quiet zone; then the first mark: seven dark modules, and within them five light ones.
        assert!(lines[..2].iter().flatten().all(|char| *char == '█'), "{code}");
        assert_eq!(lines[2][..12].iter().collect::<String>(), "████ ▄▄▄▄▄ █", "{code}");
        assert!(super::code("x", true).unwrap().starts_with("\x1b[97;40m█"));
        assert!(super::code(&"x".repeat(5_000), true).is_none());
    }
}
