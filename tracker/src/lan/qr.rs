//! QR codes in a terminal.

use fast_qr::{ECL, QRBuilder};

/// `text` as a QR code of half-block characters with its quiet zone; `None` if it is too long for one.
///
/// Dark modules are spaces, so it reads on a dark terminal, and scanners of today read it inverted on a light one.
pub fn code(text: &str) -> Option<String> {
    QRBuilder::new(text).ecl(ECL::L).build().ok().map(|code| code.to_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_fits_a_terminal() {
        let code = code("http://192.168.100.200:8080/").unwrap();
        assert!(code.lines().count() <= 20, "{code}");
        assert!(code.lines().all(|line| line.chars().count() <= 40));
        assert!(super::code(&"x".repeat(5_000)).is_none());
    }
}
