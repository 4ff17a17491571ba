//! Whether a request that changes something was made by our own page, or by a program, and not by another website.
//!
//! Three lines of defence, each enough: the cookie is `SameSite=Strict`; browsers say where a request comes from
//! (`Sec-Fetch-Site`, `Origin`); and a body must be JSON, which another website cannot send without asking first.

use http::header::{self, HeaderMap};
use http::{Method, Uri};

/// Why a request is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Foreign {
    /// Another website made it.
    Site,
    /// Its body is not said to be JSON.
    NotJson,
}

/// Checks a request that changes something. `is_tls` is whether it came over TLS.
///
/// # Errors
///
/// [`Foreign`].
pub(crate) fn check(method: &Method, uri: &Uri, headers: &HeaderMap, is_tls: bool) -> Result<(), Foreign> {
    let text = |name| headers.get(name).map(|value: &http::HeaderValue| value.to_str().unwrap_or("?"));
    if text(header::HeaderName::from_static("sec-fetch-site")).is_some_and(|site| site != "same-origin") {
        return Err(Foreign::Site);
    }
    if let Some(origin) = text(header::ORIGIN) {
        let authority = uri.authority().map(|authority| authority.as_str()).or(text(header::HOST));
        let own = authority.is_some_and(|authority| is_origin(origin, authority, is_tls));
        if !own {
            return Err(Foreign::Site);
        }
    }
    let has_body = method != Method::DELETE;
    let kind = text(header::CONTENT_TYPE).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if has_body && !kind.eq_ignore_ascii_case("application/json") {
        return Err(Foreign::NotJson);
    }
    Ok(())
}

/// Whether `origin` is the one of this authority. In clear, a proxy may have taken the TLS off.
fn is_origin(origin: &str, authority: &str, is_tls: bool) -> bool {
    let Some((scheme, host)) = origin.split_once("://") else { return false };
    (scheme == "https" || scheme == "http" && !is_tls) && host.eq_ignore_ascii_case(authority)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn checked(headers: &[(&'static str, &'static str)], is_tls: bool) -> Result<(), Foreign> {
        let headers = headers
            .iter()
            .map(|(name, value)| (header::HeaderName::from_static(name), HeaderValue::from_static(value)));
        check(&Method::POST, &Uri::from_static("/api/account/login"), &headers.collect(), is_tls)
    }

    #[test]
    fn another_websites_requests_are_not_taken() {
        let json = ("content-type", "application/json; charset=utf-8");
        let host = ("host", "t.example:8080");
        assert_eq!(checked(&[json, host], false), Ok(()), "a program says neither");
        assert_eq!(checked(&[json, host, ("sec-fetch-site", "same-origin")], false), Ok(()));
        for site in ["cross-site", "same-site", "none", ""] {
            assert_eq!(checked(&[json, host, ("sec-fetch-site", site)], false), Err(Foreign::Site), "{site}");
        }
        for (origin, is_tls, good) in [
            ("http://t.example:8080", false, true),
            ("https://T.example:8080", true, true),
            ("https://t.example:8080", false, true),
            ("http://t.example:8080", true, false),
            ("http://t.example", false, false),
            ("http://t.example:8443", false, false),
            ("http://evil.example", false, false),
            ("http://t.example:8080.evil.example", false, false),
            ("null", false, false),
            ("", false, false),
        ] {
            let taken = checked(&[json, host, ("origin", origin)], is_tls);
            assert_eq!(taken.is_ok(), good, "{origin} {is_tls}");
        }
        assert_eq!(checked(&[json, ("origin", "http://t.example:8080")], false), Err(Foreign::Site));
    }

    #[test]
    fn what_a_form_can_send_is_not_taken() {
        for kind in
            ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/jsonp"]
        {
            let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(kind))]);
            let checked = check(&Method::POST, &Uri::from_static("/"), &headers, false);
            assert_eq!(checked, Err(Foreign::NotJson), "{kind}");
        }
        assert_eq!(checked(&[], false), Err(Foreign::NotJson));
    }
}
