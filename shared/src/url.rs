//! URLs that links and torrents name. They are checked here and contacted elsewhere.
//!
//! The check is narrower than the URL standard: absolute, ASCII, with a host, without user name and password (which
//! exist to make a host look like another). That is enough for every tracker and web seed, and needs no tables.

use crate::limits;

/// Schemes of trackers that somebody in the ecosystem speaks.
pub const TRACKER_SCHEMES: &[&str] = &["ws", "wss", "http", "https", "udp"];

/// Schemes of web seeds and of places where a `.torrent` lies.
pub const WEB_SCHEMES: &[&str] = &["http", "https"];

/// What was wrong with a URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Too long.
    #[error("expected a URL of at most {max} bytes, got {0}", max = limits::URL_MAX)]
    TooLong(usize),
    /// A character that stands in no URL.
    #[error("expected printable ASCII in a URL, got {got:?} at position {at}")]
    Character {
        /// Which.
        got: char,
        /// Bytes before it.
        at: usize,
    },
    /// No scheme, or one that is of no use here.
    #[error("expected a URL with one of the schemes {expected:?}, got {got:?}")]
    Scheme {
        /// Of use.
        expected: &'static [&'static str],
        /// What stood before `://`, cut short; empty if there is none.
        got: String,
    },
    /// No host, or one that is none.
    #[error("expected a host in the URL, got {0:?}")]
    Host(String),
    /// A port that is none.
    #[error("expected a port from 1 to 65535 in the URL, got {0:?}")]
    Port(String),
    /// User name or password.
    #[error("expected a URL without user name and password")]
    UserInfo,
}

/// Checks a URL; answers it with scheme and host in small letters, without a fragment, and without a path that is only
/// `/`, so that equal URLs are equal texts.
pub fn check(text: &str, schemes: &'static [&'static str]) -> Result<String, UrlError> {
    let text = text.trim_matches(|c: char| c.is_ascii_whitespace());
    if text.len() > limits::URL_MAX {
        return Err(UrlError::TooLong(text.len()));
    }
    let odd =
        |c: char| !c.is_ascii_graphic() || matches!(c, '"' | '<' | '>' | '\\' | '^' | '`' | '{' | '|' | '}');
    if let Some((at, got)) = text.char_indices().find(|(_, c)| odd(*c)) {
        return Err(UrlError::Character { got, at });
    }
    let wrong_scheme =
        |got: &str| UrlError::Scheme { expected: schemes, got: got.chars().take(16).collect() };
    let (scheme, rest) = text.split_once("://").ok_or_else(|| wrong_scheme(""))?;
    let scheme = scheme.to_ascii_lowercase();
    if !schemes.contains(&scheme.as_str()) {
        return Err(wrong_scheme(&scheme));
    }
    let rest = rest.split('#').next().unwrap_or_default();
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    check_authority(authority)?;
    let path = if path == "/" { "" } else { path };
    Ok(format!("{scheme}://{}{path}", authority.to_ascii_lowercase()))
}

/// An announce URL without what stands in it for somebody's account: a passkey (32 or 40 hexadecimal digits, or an announce
/// token of ours, as a part of the path) or a `passkey=` in the query. What is given to others, or logged, goes through here.
pub fn without_key(url: &str) -> String {
    let (head, query) = url.split_once('?').map_or((url, None), |(head, query)| (head, Some(query)));
    let start = head.find("://").map_or(0, |at| at + 3);
    let (place, path) = head.split_at(head[start..].find('/').map_or(head.len(), |at| start + at));
    let mut bare = place.to_owned();
    for part in path.split('/').skip(1).filter(|part| !is_key(part)) {
        bare.push('/');
        bare.push_str(part);
    }
    let kept = |pair: &&str| !pair.to_ascii_lowercase().starts_with("passkey=");
    let query: Vec<&str> = query.into_iter().flat_map(|query| query.split('&')).filter(kept).collect();
    if !query.is_empty() {
        bare.push('?');
        bare.push_str(&query.join("&"));
    }
    bare
}

fn is_key(part: &str) -> bool {
    let hex = matches!(part.len(), 32 | 40) && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    let token = |rest: &str| {
        rest.len() == 43 && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    hex || part.strip_prefix("t-").is_some_and(token)
}

/// Checks `host:port`; answers it with the host in small letters.
pub fn check_host_port(text: &str) -> Option<String> {
    let ascii = text.len() <= limits::URL_MAX && text.bytes().all(|byte| byte.is_ascii_graphic());
    let port = text.rsplit_once(':').is_some_and(|(_, port)| !port.is_empty() && !port.ends_with(']'));
    (ascii && port && check_authority(text).is_ok()).then(|| text.to_ascii_lowercase())
}

/// Host (a name, an IPv4 address, or an IPv6 address in brackets) and optional port.
fn check_authority(authority: &str) -> Result<(), UrlError> {
    if authority.contains('@') {
        return Err(UrlError::UserInfo);
    }
    let no_host = || UrlError::Host(authority.chars().take(64).collect());
    let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
        let (address, port) = rest.split_once(']').ok_or_else(no_host)?;
        address.parse::<core::net::Ipv6Addr>().map_err(|_| no_host())?;
        (address, port)
    } else {
        let (host, port) = authority.split_at(authority.find(':').unwrap_or(authority.len()));
        let name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
        if !host.bytes().all(name) || host.starts_with('.') || host.contains("..") {
            return Err(no_host());
        }
        (host, port)
    };
    if host.is_empty() || host.len() > 253 {
        return Err(no_host());
    }
    let Some(port) = port.strip_prefix(':') else {
        return if port.is_empty() { Ok(()) } else { Err(no_host()) };
    };
    let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    match port.parse::<u16>() {
        Ok(1..) if digits => Ok(()),
        _ => Err(UrlError::Port(port.chars().take(16).collect())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trackers_of_every_kind_pass_and_equal_ones_become_equal() {
        for (text, expected) in [
            ("wss://tracker.example", "wss://tracker.example"),
            (" WSS://Tracker.Example/ ", "wss://tracker.example"),
            ("ws://127.0.0.1:8080/announce?x=/Y#z", "ws://127.0.0.1:8080/announce?x=/Y"),
            ("udp://[::1]:6969/announce", "udp://[::1]:6969/announce"),
            ("http://h?x", "http://h?x"),
        ] {
            assert_eq!(check(text, TRACKER_SCHEMES).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_given_to_others_holds_nobodys_key() {
        let (key, token) = ("0123456789abcdef0123456789ABCDEF", ["t-", &"aZ9_-".repeat(8), "abc"].concat());
        for (url, bare) in [
            ("http://h:1/K/announce", "http://h:1/announce"),
            ("ws://h/announce/K", "ws://h/announce"),
            ("udp://[::1]:1/T/announce", "udp://[::1]:1/announce"),
            ("http://h/announce.php?passkey=K&x=1", "http://h/announce.php?x=1"),
            ("http://h/announce?passkey=K", "http://h/announce"),
        ] {
            let url = url.replace('K', key).replace('T', &token);
            assert_eq!(without_key(&url), bare, "{url}");
        }
        for url in
            ["wss://h", "wss://h:1/announce", "http://h/a/b?x=/y&z", "udp://h:1", "http://h/", "http://h?x"]
        {
            assert_eq!(without_key(url), url);
        }
    }

    #[test]
    fn what_is_no_url_says_why() {
        let wrong = |text: &str| check(text, TRACKER_SCHEMES).expect_err(text);
        assert_eq!(wrong(&"x".repeat(3_000)), UrlError::TooLong(3_000));
        assert_eq!(wrong("ws://a b"), UrlError::Character { got: ' ', at: 6 });
        assert_eq!(wrong("ws://é"), UrlError::Character { got: 'é', at: 5 });
        for text in ["", "tracker.example", "javascript:alert(1)", "file:///etc/passwd", "wss:/x", "ftp://h/"]
        {
            assert!(matches!(wrong(text), UrlError::Scheme { .. }), "{text}");
        }
        for text in
            ["ws://", "ws:///x", "ws://?x", "ws://:80", "ws://[::1", "ws://[::g]", "ws://[::1]x", "ws://a..b"]
        {
            assert!(matches!(wrong(text), UrlError::Host(_)), "{text}");
        }
        for text in ["ws://h:", "ws://h:0", "ws://h:65536", "ws://h:+80", "ws://h:80:80"] {
            assert!(matches!(wrong(text), UrlError::Port(_)), "{text}");
        }
        assert_eq!(wrong("wss://good.example@evil.example/"), UrlError::UserInfo);
    }
}
