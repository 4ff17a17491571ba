//! Names and passwords as people type them.

use icu_normalizer::ComposingNormalizerBorrowed;

/// Most characters of a name.
pub(crate) const NAME_MAX: usize = 32;

/// Fewest characters of a password: what NIST SP 800-63B asks for where there is no second factor.
pub(crate) const PASSWORD_MIN: usize = 10;

/// Most bytes of a password: a sentence has room, and hashing it costs nothing.
pub(crate) const PASSWORD_MAX: usize = 512;

/// Passwords of sufficient length that are tried first by whoever guesses.
const COMMON: [&str; 12] = [
    "1234567890",
    "0123456789",
    "12345678910",
    "qwertyuiop",
    "password12",
    "password123",
    "password1234",
    "passwordpassword",
    "iloveyou12",
    "1q2w3e4r5t",
    "aaaaaaaaaa",
    "0000000000",
];

/// Why a name or password cannot be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NameError {
    #[error(
        "expected a name of 1 to {NAME_MAX} letters a-z, digits, `.`, `-` or `_` that begins with a letter or digit"
    )]
    Name,
    #[error("expected a group's name of 1 to {NAME_MAX} letters a-z, digits, `.`, `-` or `_`")]
    Group,
    #[error("expected a password of at least {PASSWORD_MIN} characters, got {0}")]
    Short(usize),
    #[error("expected a password of at most {PASSWORD_MAX} bytes, got {0}")]
    Long(usize),
    #[error("this password is one of those that are guessed first: choose another")]
    Common,
}

/// The name of an account or group, in lower case: `Ann` and `ann` are one.
///
/// # Errors
///
/// [`NameError::Name`].
pub(crate) fn account(text: &str) -> Result<String, NameError> {
    let name = text.trim().to_ascii_lowercase();
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-_".contains(&byte);
    let begins = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    if begins && name.len() <= NAME_MAX && name.bytes().all(plain) { Ok(name) } else { Err(NameError::Name) }
}

/// The name of a group.
///
/// # Errors
///
/// [`NameError::Group`].
pub(crate) fn group(text: &str) -> Result<String, NameError> {
    account(text).map_err(|_| NameError::Group)
}

/// A password as it is hashed, however the keyboard composed it (NFKC).
pub(crate) fn normalised(password: &str) -> String {
    ComposingNormalizerBorrowed::new_nfkc().normalize(password).into_owned()
}

/// Whether a password may be chosen, by an account of this name.
///
/// # Errors
///
/// [`NameError`], what is wrong with it.
pub(crate) fn check_password(name: &str, password: &str) -> Result<(), NameError> {
    let length = password.chars().count();
    if length < PASSWORD_MIN {
        return Err(NameError::Short(length));
    }
    if password.len() > PASSWORD_MAX {
        return Err(NameError::Long(password.len()));
    }
    let lower = password.to_lowercase();
    let mut distinct: Vec<char> = lower.chars().collect();
    distinct.sort_unstable();
    distinct.dedup();
    let is_name = lower.replace(name, "").chars().count() < PASSWORD_MIN / 2 && lower.contains(name);
    if COMMON.contains(&lower.as_str()) || distinct.len() < 3 || is_name {
        return Err(NameError::Common);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_plain_and_have_one_spelling() {
        assert_eq!(account(" Ann.B-2_c "), Ok("ann.b-2_c".to_owned()));
        assert_eq!(account(&"a".repeat(32)).unwrap().len(), 32);
        for wrong in ["", " ", ".a", "-a", "a b", "a/b", "ä", "a\0", "аnn", &"a".repeat(33)] {
            assert_eq!(account(wrong), Err(NameError::Name), "{wrong:?}");
        }
    }

    #[test]
    fn passwords_are_long_and_not_the_first_guess() {
        for good in ["correct horse", "ten chars!", "ääääöööüüü", "a sentence with ann in it"] {
            assert_eq!(check_password("ann", good), Ok(()), "{good}");
        }
        assert_eq!(check_password("ann", "ninechars"), Err(NameError::Short(9)));
        assert_eq!(check_password("ann", &"x y".repeat(200)), Err(NameError::Long(600)));
        for guessed in ["1234567890", "Password123", "zzzzzzzzzzzz", "annalisa-2026"] {
            let name = if guessed.starts_with("anna") { "annalisa-202" } else { "ann" };
            assert_eq!(check_password(name, guessed), Err(NameError::Common), "{guessed}");
        }
    }

    #[test]
    fn a_password_is_the_same_however_it_is_composed() {
        assert_eq!(normalised("Ｐa\u{308}ss"), normalised("Päss"));
    }

    proptest! {
        #[test]
        fn any_text_is_a_name_or_refused(text in ".{0,40}|[A-Za-z0-9._-]{0,40}") {
            if let Ok(name) = account(&text) {
                prop_assert_eq!(account(&name), Ok(name.clone()));
                prop_assert!(name.is_ascii() && !name.contains(['/', '"', '<', ' ', '@', ':']));
            }
            let _ = check_password("ann", &text);
        }
    }
}
