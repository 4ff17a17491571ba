//! Where requests carry what they show: in the path of an announce URL, in a header, in a cookie.
//!
//! A passkey or token in a path is taken out before the request goes any further, so that nothing behind can log it.

use axum::body::Body;
use data_encoding::BASE64;
use http::header::{self, HeaderMap};
use http::uri::PathAndQuery;
use http::{Request, Uri};

use super::book::Credential;
use super::secret::{Passkey, Token};

/// Name of the login's cookie over TLS. The prefix has browsers take it from this very host over TLS only (RFC 6265bis,
/// 4.1.3.2).
const COOKIE_TLS: &str = "__Host-piecemeal";

/// Its name in clear, where a browser takes no prefix.
const COOKIE_CLEAR: &str = "piecemeal";

/// Takes a passkey or token out of the path of an announce or scrape URL, and puts it beside the request.
pub(crate) fn strip(request: &mut Request<Body>) {
    let Some((bare, credential)) = of_path(request.uri().path()) else { return };
    let with_query = match request.uri().query() {
        Some(query) => PathAndQuery::try_from(format!("{bare}?{query}")),
        None => Ok(PathAndQuery::from_static(bare)),
    };
    let mut parts = request.uri().clone().into_parts();
    // A query that stood in a URI stands in another too.
    parts.path_and_query = with_query.ok().or(Some(PathAndQuery::from_static(bare)));
    *request.uri_mut() = Uri::from_parts(parts).unwrap_or_else(|_| Uri::from_static(bare));
    request.extensions_mut().insert(credential);
}

/// The credential in `/KEY/announce`, `/announce/KEY`, and the same with `scrape` (BEP 48), and the path without it.
pub(crate) fn of_path(path: &str) -> Option<(&'static str, Credential)> {
    let mut parts = path.strip_prefix('/')?.split('/');
    let (first, second) = (parts.next()?, parts.next()?);
    // A slash at the end is usual.
    if parts.next().is_some_and(|rest| !rest.is_empty()) || parts.next().is_some() {
        return None;
    }
    let bare = |word: &str| match word {
        "announce" => Some("/announce"),
        "scrape" => Some("/scrape"),
        _ => None,
    };
    let secret = |text: &str| {
        let token = || Token::parse(text).map(|token| Credential::Token(token.digest()));
        Passkey::parse(text).map(Credential::Passkey).or_else(token)
    };
    let (bare, key) =
        bare(second).map(|bare| (bare, first)).or_else(|| bare(first).map(|bare| (bare, second)))?;
    Some((bare, secret(key)?))
}

/// The credential in the path and query that a UDP announce names (BEP 41).
pub(crate) fn of_url_data(url_data: &[u8]) -> Credential {
    let path = url_data.split(|byte| matches!(byte, b'?' | b'#')).next().unwrap_or_default();
    let path = core::str::from_utf8(path).unwrap_or_default();
    of_path(path).map_or(Credential::None, |(_, credential)| credential)
}

/// What a download shows: a passkey in the `Authorization` (`Bearer PASSKEY`, or as the password of `Basic`), or the login's
/// cookie. A header that is no passkey holds not, whatever the cookie.
pub(crate) fn of_download(headers: &HeaderMap, is_tls: bool) -> Credential {
    match headers.get(header::AUTHORIZATION) {
        Some(value) => {
            let passkey = value.to_str().ok().and_then(authorization);
            // No account has this one: it was never drawn.
            Credential::Passkey(passkey.unwrap_or(Passkey([0; 16])))
        }
        None => {
            of_cookie(headers, is_tls).map_or(Credential::None, |token| Credential::Login(token.digest()))
        }
    }
}

fn authorization(value: &str) -> Option<Passkey> {
    let (scheme, rest) = value.split_once(' ')?;
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Passkey::parse(rest);
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(BASE64.decode(rest.as_bytes()).ok()?).ok()?;
    Passkey::parse(decoded.split_once(':')?.1)
}

/// The token in the login's cookie. Over TLS the one with the prefix alone counts: another may have been set in clear, by
/// anybody on the way. In clear, a browser shows the one with the prefix only where a proxy takes the TLS off.
pub(crate) fn of_cookie(headers: &HeaderMap, is_tls: bool) -> Option<Token> {
    let named = |wanted: &str| {
        let lists = headers.get_all(header::COOKIE).iter().filter_map(|list| list.to_str().ok());
        let mut pairs = lists.flat_map(|list| list.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.find_map(|(name, value)| Token::parse(value).filter(|_| name == wanted))
    };
    named(COOKIE_TLS).or_else(|| if is_tls { None } else { named(COOKIE_CLEAR) })
}

/// The `Set-Cookie` of a login for so many seconds; with 0 the browser forgets it.
pub(crate) fn set_cookie(token: &str, is_tls: bool, seconds: i64) -> String {
    let (name, secure) = if is_tls { (COOKIE_TLS, "; Secure") } else { (COOKIE_CLEAR, "") };
    format!("{name}={token}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}")
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    const KEY: &str = "0123456789abcdef0123456789abcdef";

    fn key() -> Credential {
        Credential::Passkey(Passkey::parse(KEY).unwrap())
    }

    fn stripped(uri: &str) -> (String, Option<Credential>) {
        let mut request = Request::builder().uri(uri).body(Body::empty()).unwrap();
        strip(&mut request);
        (request.uri().to_string(), request.extensions().get().copied())
    }

    #[test]
    fn a_key_in_an_announce_url_is_taken_out() {
        for path in ["/K/announce", "/announce/K", "/K/announce/", "/announce/K/"] {
            assert_eq!(stripped(&path.replace('K', KEY)), ("/announce".to_owned(), Some(key())), "{path}");
        }
        let uri = format!("http://host:1/{KEY}/scrape?info_hash=%00&x=/{KEY}");
        assert_eq!(stripped(&uri), (format!("http://host:1/scrape?info_hash=%00&x=/{KEY}"), Some(key())));
        for path in ["/announce", "/K", "/K/files", "/files/K", "/a/K/announce", "/K/announce/x", "//K", "/"]
        {
            let path = path.replace('K', KEY);
            assert_eq!(stripped(&path), (path.clone(), None));
        }
        assert_eq!(stripped("/0123/announce"), ("/0123/announce".to_owned(), None));
    }

    #[test]
    fn udp_announces_name_a_key_in_their_url() {
        for data in ["/K/announce", "/announce/K?x=1", "/K/announce#x"] {
            assert_eq!(of_url_data(data.replace('K', KEY).as_bytes()), key(), "{data}");
        }
        for data in [b"".as_slice(), b"/announce", b"\xff/announce", KEY.as_bytes()] {
            assert_eq!(of_url_data(data), Credential::None);
        }
    }

    #[test]
    fn a_download_shows_a_passkey_or_a_cookie() {
        let with = |name: header::HeaderName, value: &str| {
            let headers = HeaderMap::from_iter([(name, HeaderValue::from_str(value).unwrap())]);
            of_download(&headers, false)
        };
        let basic = BASE64.encode(format!("ann:{KEY}").as_bytes());
        for value in [format!("Bearer {KEY}"), format!("bearer  {KEY}"), format!("Basic {basic}")] {
            assert_eq!(with(header::AUTHORIZATION, &value), key(), "{value}");
        }
        for value in ["Bearer", "Bearer x", "Basic !", "Digest x"] {
            assert_eq!(with(header::AUTHORIZATION, value), Credential::Passkey(Passkey([0; 16])), "{value}");
        }
        let token = Token::draw().unwrap();
        let cookie = format!("a=b; piecemeal={}; c", token.to_text());
        assert_eq!(with(header::COOKIE, &cookie), Credential::Login(token.digest()));
        assert_eq!(with(header::COOKIE, "piecemeal=x"), Credential::None);
    }

    #[test]
    fn over_tls_only_the_cookie_that_was_set_over_tls_counts() {
        let (clear, tls) = (Token::draw().unwrap(), Token::draw().unwrap());
        let cookie = format!("piecemeal={}; __Host-piecemeal={}", clear.to_text(), tls.to_text());
        let headers = HeaderMap::from_iter([(header::COOKIE, HeaderValue::from_str(&cookie).unwrap())]);
        assert_eq!(of_cookie(&headers, true), Some(tls));
        assert_eq!(of_cookie(&headers, false), Some(tls), "a proxy took the TLS off");
        let alone = HeaderValue::from_str(&format!("piecemeal={}", clear.to_text())).unwrap();
        let headers = HeaderMap::from_iter([(header::COOKIE, alone)]);
        assert_eq!((of_cookie(&headers, true), of_cookie(&headers, false)), (None, Some(clear)));
        assert_eq!(
            set_cookie("x", true, 9),
            "__Host-piecemeal=x; Path=/; HttpOnly; SameSite=Strict; Max-Age=9; Secure"
        );
        assert_eq!(set_cookie("", false, 0), "piecemeal=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0");
    }

    proptest! {
        #[test]
        fn any_path_and_header_is_read_or_left(
            path in "(/[0-9a-f]{32}|/announce|/scrape|/t-[a-zA-Z0-9_-]{43}|/[ -~]{0,8}){0,4}",
            bytes: Vec<u8>, value in "(Basic |Bearer |)[ -~]{0,60}",
        ) {
            if let Some((bare, credential)) = of_path(&path) {
                prop_assert!(bare == "/announce" || bare == "/scrape");
                prop_assert_ne!(credential, Credential::None);
            }
            let _ = of_url_data(&bytes);
            let value = HeaderValue::from_str(&value).unwrap();
            let headers = HeaderMap::from_iter([(header::AUTHORIZATION, value.clone()), (header::COOKIE, value)]);
            prop_assert!(matches!(of_download(&headers, true), Credential::Passkey(_)));
            let _ = of_cookie(&headers, false);
        }

        #[test]
        fn a_stripped_path_shows_no_key(key: [u8; 16], before: bool, query in "[a-z=&%0-9]{0,20}") {
            let text = Passkey(key).to_text();
            let path = if before { format!("/{text}/announce") } else { format!("/announce/{text}") };
            let (uri, credential) = stripped(&format!("{path}?{query}"));
            prop_assert_eq!(credential, Some(Credential::Passkey(Passkey(key))));
            prop_assert_eq!(uri, format!("/announce?{query}"));
        }
    }
}
