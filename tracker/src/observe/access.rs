//! Who may see metrics and dashboard.
//!
//! Metrics are sums: they name no swarm and nobody. So they are answered to private networks as well, where the one who
//! collects them usually is, unless a token is asked for. The dashboard names swarms, and whoever knows a swarm's info-hash
//! may join it: it is for this machine only, or for who has the token, or is an admin and logged in.
//!
//! A website may lead a browser on this machine here under a name of its own (DNS rebinding), and a proxy on this machine
//! brings strangers: a request that calls the tracker by a foreign name, or says that it was passed on, is nobody's on
//! this machine.

use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::response::{IntoResponse as _, Response};
use http::header::{self, HeaderMap, HeaderValue};
use http::request::Parts;
use http::{StatusCode, Uri};
use sha2::{Digest as _, Sha256};

use crate::account::of_cookie;
use crate::frontend::Rejected;
use crate::listener::connection::Use;
use crate::state::AppState;
use crate::{host, lan};

/// Shortest token: with as many characters there is nothing to be guessed.
const TOKEN_MIN: usize = 16;

/// Headers by which proxies say for whom they ask.
const PASSED_ON: [&str; 4] = ["forwarded", "x-forwarded-for", "x-real-ip", "via"];

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Secret {
    /// Sums.
    Metrics,
    /// Swarms and peers.
    Dashboard,
}

/// Who asks.
#[derive(Clone, Debug)]
pub(crate) struct Asker {
    remote: SocketAddr,
    uri: Uri,
    headers: HeaderMap,
    is_tls: bool,
}

impl<S: Sync> FromRequestParts<S> for Asker {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, StatusCode> {
        let remote = parts.extensions.get().map(|ConnectInfo(remote)| *remote);
        Ok(Self {
            remote: remote.ok_or(StatusCode::INTERNAL_SERVER_ERROR)?,
            uri: parts.uri.clone(),
            headers: parts.headers.clone(),
            is_tls: parts.extensions.get::<Use>().is_some_and(Use::is_tls),
        })
    }
}

/// Reads a token on the command line.
pub(crate) fn token(text: &str) -> Result<String, String> {
    if text.len() >= TOKEN_MIN && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "expected at least {TOKEN_MIN} letters, digits and signs without blanks, such as `openssl rand -hex 16` gives"
        ))
    }
}

/// Whether somebody may see it.
pub(crate) fn is_allowed(state: &AppState, secret: Secret, asker: &Asker) -> bool {
    let by_itself = match token_of(state, secret) {
        Some(token) => has_token(token, &asker.headers),
        None => {
            let local = is_local(asker.remote.ip(), secret);
            local && !is_passed_on(&asker.headers) && is_called_rightly(state, asker)
        }
    };
    by_itself || is_admin(state, asker)
}

/// Whether it is an admin who is logged in. The cookie comes from our own origin alone, and what is answered is for reading by
/// it alone.
fn is_admin(state: &AppState, asker: &Asker) -> bool {
    !host::is_misled(&state.config, &asker.uri, &asker.headers)
        && state.accounts.admin(of_cookie(&asker.headers, asker.is_tls)).is_ok()
}

/// Answers whoever may not see it.
pub(crate) fn check(state: &AppState, secret: Secret, asker: &Asker) -> Result<(), Box<Response>> {
    if is_allowed(state, secret, asker) {
        return Ok(());
    }
    state.traffic.rejections.add(Rejected::NotAllowed);
    Err(Box::new(refusal(secret, token_of(state, secret).is_some())))
}

fn token_of(state: &AppState, secret: Secret) -> Option<&str> {
    let args = &state.config.observe;
    match secret {
        Secret::Metrics => args.metrics_token.as_deref(),
        Secret::Dashboard => args.dashboard_token.as_deref(),
    }
}

fn refusal(secret: Secret, token: bool) -> Response {
    let text = match (secret, token) {
        (_, true) => "this needs the operator's token: Authorization: Bearer TOKEN\n",
        (Secret::Metrics, false) => {
            "metrics are for this machine and private networks; start the tracker with --metrics-token TOKEN, or with --metrics-listen ADDRESS, to read them elsewhere\n"
        }
        (Secret::Dashboard, false) => {
            "the dashboard is for the machine that the tracker runs on; start it with --dashboard-token TOKEN to see it elsewhere\n"
        }
    };
    let status = if token { StatusCode::UNAUTHORIZED } else { StatusCode::FORBIDDEN };
    let mut response = (status, text).into_response();
    if token {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

fn has_token(token: &str, headers: &HeaderMap) -> bool {
    let said = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let said = said.and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
    });
    // Of the digests nothing can be learnt by how long it takes to compare them.
    said.is_some_and(|said| Sha256::digest(said) == Sha256::digest(token))
}

fn is_local(ip: IpAddr, secret: Secret) -> bool {
    let ip = ip.to_canonical();
    match secret {
        Secret::Metrics => !shared::address::is_public(ip),
        // Also by the address under which its neighbours know it, as the QR code has it.
        Secret::Dashboard => ip.is_loopback() || lan::addresses().contains(&ip),
    }
}

fn is_passed_on(headers: &HeaderMap) -> bool {
    PASSED_ON.iter().any(|name| headers.contains_key(*name))
}

/// Whether the tracker is called by an address, or by a name that it knows.
fn is_called_rightly(state: &AppState, asker: &Asker) -> bool {
    let Some(name) = host::host(&asker.uri, &asker.headers) else { return true };
    let name = name.trim_matches(['[', ']']).trim_end_matches('.').to_ascii_lowercase();
    let own = |own: &str| own.eq_ignore_ascii_case(&name);
    name.parse::<IpAddr>().is_ok()
        || name == "localhost"
        || name.ends_with(".localhost")
        || state.config.names.iter().any(|known| own(known))
        || lan::host_name().is_some_and(|host| own(&host) || own(&format!("{host}.local")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_long_and_compared_whole() {
        assert!(token("0123456789abcdef").is_ok());
        for wrong in ["", "short", "0123456789 abcdef", "0123456789abcdé", "0123456789abcde"] {
            assert!(token(wrong).is_err(), "{wrong}");
        }
        let with = |value: &str| HeaderMap::from_iter([(header::AUTHORIZATION, value.parse().unwrap())]);
        let secret = "0123456789abcdef";
        assert!(has_token(secret, &with("Bearer 0123456789abcdef")));
        assert!(has_token(secret, &with("bearer  0123456789abcdef")));
        for wrong in [
            "Bearer 0123456789abcde",
            "Bearer 0123456789abcdef0",
            "0123456789abcdef",
            "Basic 0123456789abcdef",
            "Bearer",
        ] {
            assert!(!has_token(secret, &with(wrong)), "{wrong}");
        }
        assert!(!has_token(secret, &HeaderMap::new()));
    }

    #[test]
    fn private_networks_see_sums_and_this_machine_sees_swarms() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        for (address, metrics, dashboard) in [
            ("127.0.0.1", true, true),
            ("::1", true, true),
            ("::ffff:127.0.0.1", true, true),
            ("10.99.98.97", true, false),
            ("192.168.250.249", true, false),
            ("fd00::97", true, false),
            ("93.184.216.34", false, false),
            ("2606:4700::1111", false, false),
        ] {
            assert_eq!(is_local(ip(address), Secret::Metrics), metrics, "{address}");
            assert_eq!(is_local(ip(address), Secret::Dashboard), dashboard, "{address}");
        }
    }
}
