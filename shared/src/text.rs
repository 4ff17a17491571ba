//! Strangers' words, before they are shown.

/// Whether a character turns the direction of writing, so that a name reads otherwise than it is.
pub(crate) const fn is_direction_control(c: char) -> bool {
    matches!(c, '\u{061C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}
