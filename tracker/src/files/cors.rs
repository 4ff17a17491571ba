//! The page may fetch from each of this tracker's ports, whichever of them it was loaded from.
//!
//! To a browser each port is an origin of its own. To these alone, under the name that the request itself calls the
//! tracker by, answers may be shown; to all others they are as closed as ever.

use axum::body::Body;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Response, StatusCode, Uri};

use crate::host;
use crate::state::AppState;

const TIMING_ALLOW_ORIGIN: HeaderName = HeaderName::from_static("timing-allow-origin");

/// Seconds for which a browser need not ask again.
const PREFLIGHT_KEPT: &str = "600";

/// Tells the browser that the page may read this answer and its timing, if it is the page that asks.
pub(crate) fn allow(state: &AppState, uri: &Uri, request: &HeaderMap, response: &mut HeaderMap) {
    response.append(header::VARY, HeaderValue::from_static("origin"));
    let Some(origin) = own_origin(state, uri, request) else { return };
    let exposed = HeaderValue::from_static("Accept-Ranges, Content-Range, ETag");
    response.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    response.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
    response.insert(TIMING_ALLOW_ORIGIN, origin);
}

/// The answer to a browser that asks before it sends a request with ranges; `None` if that is not what is asked.
pub(super) fn preflight(
    state: &AppState,
    method: &Method,
    uri: &Uri,
    request: &HeaderMap,
) -> Option<Response<Body>> {
    if method != Method::OPTIONS || !request.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD) {
        return None;
    }
    own_origin(state, uri, request)?;
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    allow(state, uri, request, headers);
    for (name, value) in [
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD"),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "Range, If-Range, If-Match"),
        (header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_KEPT),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    Some(response)
}

/// The request's origin, if it is one of this tracker's.
fn own_origin(state: &AppState, uri: &Uri, request: &HeaderMap) -> Option<HeaderValue> {
    let origin = request.get(header::ORIGIN)?;
    let host = host::host(uri, request)?;
    let own = state.origins(host);
    own.iter().any(|own| origin.as_bytes().eq_ignore_ascii_case(own.as_bytes())).then(|| origin.clone())
}
