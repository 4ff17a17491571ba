//! When to come back to a tracker that ends: what it says in the reason of its close frame (RFC 6455, 7.1.6).
//!
//! Ours says it to everybody, and to each another time, so that they do not come back all at once. Clients that do not
//! read it come back when they like.

use core::time::Duration;

/// Longest wait that is heeded: a tracker cannot keep a peer away for longer than that.
pub const WAIT_MAX: Duration = Duration::from_secs(300);

/// The reason that asks to come back after so many seconds.
pub fn reason(seconds: u32) -> String {
    format!("reconnect in {seconds} s")
}

/// How long a close frame's reason asks to wait, if it does.
pub fn wait(reason: &str) -> Option<Duration> {
    let digits = reason.strip_prefix("reconnect in ")?.strip_suffix(" s")?;
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let seconds = digits.parse().unwrap_or(u64::MAX);
    plain.then(|| Duration::from_secs(seconds).min(WAIT_MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_these_words_ask_for_a_wait() {
        assert_eq!(wait("reconnect in 0 s"), Some(Duration::ZERO));
        assert_eq!(wait("reconnect in 99999999999999999999999 s"), Some(WAIT_MAX));
        for other in [
            "",
            "reads too slowly",
            "reconnect in  s",
            "reconnect in -1 s",
            "reconnect in +1 s",
            "reconnect in 1.5 s",
        ] {
            assert_eq!(wait(other), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn what_is_asked_is_understood(seconds: u32) {
            let expected = Duration::from_secs(u64::from(seconds)).min(WAIT_MAX);
            prop_assert_eq!(wait(&reason(seconds)), Some(expected));
            // A close frame has room for 123 bytes.
            prop_assert!(reason(seconds).len() <= 123);
        }

        #[test]
        fn any_reason_is_read(reason: String) {
            let _ = wait(&reason);
        }
    }
}
