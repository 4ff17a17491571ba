//! By which name a tracker is called that only this machine should reach.
//!
//! A website may give its own name this machine's address (DNS rebinding); what a browser then fetches under that name is
//! of the website's own origin, and its scripts may read it. So a tracker that listens on loopback alone shows files only
//! to those who call it by an address or by a name that it knows.

use http::header::{self, HeaderMap};
use http::{StatusCode, Uri};

use crate::config::Config;

/// The name or address by which a request calls the tracker, without the port; IPv6 in its brackets. HTTP/2 has it in the
/// URI.
pub(crate) fn host<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Option<&'a str> {
    let said = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let authority = uri.authority().map(|authority| authority.as_str()).or(said)?;
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let end = match authority.find(']') {
        Some(bracket) if authority.starts_with('[') => bracket + 1,
        _ => authority.find(':').unwrap_or(authority.len()),
    };
    authority.get(..end)
}

/// Whether a request may have been led here by somebody else's name.
pub(crate) fn is_misled(config: &Config, uri: &Uri, headers: &HeaderMap) -> bool {
    if config.lan || !config.listen.ip().is_loopback() {
        return false;
    }
    let Some(host) = host(uri, headers) else { return false };
    let host = host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.').to_ascii_lowercase();
    let known = host.parse::<std::net::IpAddr>().is_ok()
        || host == "localhost"
        || host.ends_with(".localhost")
        || config.names.iter().any(|name| name.eq_ignore_ascii_case(&host));
    !known
}

/// What is answered then.
pub(crate) fn misled() -> (StatusCode, &'static str) {
    let text = "this tracker listens on this machine only and does not know itself by this name: \
                start it with --name NAME, behind a proxy too\n";
    (StatusCode::MISDIRECTED_REQUEST, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn misled_by(config: &Config, host: &str) -> bool {
        let headers = HeaderMap::from_iter([(header::HOST, host.parse().unwrap())]);
        is_misled(config, &Uri::from_static("/files/"), &headers)
    }

    #[test]
    fn on_loopback_only_known_names_and_addresses_are_answered() {
        let config = Config { names: vec!["files.example".to_owned()], ..Config::default() };
        for known in
            ["localhost:8080", "127.0.0.1", "[::1]:8080", "a.localhost", "Files.Example:443", "localhost."]
        {
            assert!(!misled_by(&config, known), "{known}");
        }
        for strange in
            ["evil.example", "evil.example:8080", "localhost.evil.example", "127.0.0.1.evil.example"]
        {
            assert!(misled_by(&config, strange), "{strange}");
            let uri = format!("http://{strange}/files/").parse().unwrap();
            assert!(is_misled(&config, &uri, &HeaderMap::new()), "{strange} over HTTP/2");
        }
        assert!(
            !misled_by(&Config { lan: true, ..Config::default() }, "evil.example"),
            "it is for everybody then"
        );
    }
}
