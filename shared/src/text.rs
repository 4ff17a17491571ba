//! Words of strangers, made safe to show.

/// A stranger's text without what would make it read otherwise than it is: no controls, nothing that turns the
/// direction of writing, at most `most` characters.
pub fn shown(text: &str, most: usize) -> String {
    text.chars().filter(|c| !is_treacherous(*c)).take(most).collect()
}

/// Whether a character must not be shown as part of a stranger's text: controls, line and paragraph separators, and
/// the characters that turn the direction of writing.
pub fn is_treacherous(c: char) -> bool {
    let turns =
        matches!(c, '\u{061C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
    c.is_control() || turns || matches!(c, '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controls_and_turns_are_taken_out_and_the_rest_is_bounded() {
        assert_eq!(
            shown("a\0\u{85}b\u{202e}c\u{2067}\u{200f}\u{61c}\u{2028}d é\u{200d}", 9),
            "abcd é\u{200d}"
        );
        assert_eq!(shown("äöü", 2), "äö");
    }
}
