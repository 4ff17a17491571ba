//! The few pages that the tracker writes itself: no scripts, one style.

use std::sync::LazyLock;

use axum::body::Body;
use http::header::{self, HeaderValue};
use http::{Method, Response, StatusCode};
use http_body::Body as _;
use sha2::{Digest as _, Sha256};

const STYLE: &str = include_str!("html.css");

/// Nothing may be loaded but the style that stands in the page.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = data_encoding::BASE64.encode(&Sha256::digest(STYLE));
    format!(
        "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
});

/// A whole page; `title` is text, `body` is HTML.
pub(crate) fn page(status: StatusCode, title: &str, body: &str) -> Response<Body> {
    described_page(status, title, "", body)
}

/// The same with a description of its contents, which is text, in front of everything else.
pub(crate) fn described_page(
    status: StatusCode,
    title: &str,
    description: &str,
    body: &str,
) -> Response<Body> {
    let (title, mut description) = (escape(title), escape(description));
    if !description.is_empty() {
        description = format!("<meta name=\"description\" content=\"{description}\">");
    }
    let text = format!(
        "<!doctype html><html lang=\"en\"><head>{description}\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{title} · Piecemeal</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n{body}\n</main>\n</body>\n</html>\n"
    );
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(policy) = HeaderValue::from_str(&POLICY) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

/// The response as `method` wants it: HEAD gets the headers that GET would get, and no body.
pub(crate) fn without_body_for(method: &Method, mut response: Response<Body>) -> Response<Body> {
    if method != Method::HEAD {
        return response;
    }
    if let Some(length) =
        response.body().size_hint().exact().filter(|_| response.status() != StatusCode::NOT_MODIFIED)
    {
        response.headers_mut().entry(header::CONTENT_LENGTH).or_insert(HeaderValue::from(length));
    }
    response.map(|_| Body::empty())
}

/// Text as it may stand in an element or in a quoted attribute.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(char),
        }
    }
    escaped
}

pub(crate) fn not_found() -> Response<Body> {
    page(
        StatusCode::NOT_FOUND,
        "Nothing here",
        "<p>There is no page at this address. <a href=\"/\">Go to the start page</a>.</p>",
    )
}

pub(crate) fn page_not_built() -> Response<Body> {
    page(
        StatusCode::SERVICE_UNAVAILABLE,
        "The page has not been built",
        "<p>This tracker works, but it was built without the page. Build both with</p>\
         <pre>cargo xtask build</pre><p>and start the tracker again.</p>",
    )
}

pub(crate) fn method_not_allowed(allowed: &'static str) -> Response<Body> {
    let mut response = page(
        StatusCode::METHOD_NOT_ALLOWED,
        "Method not allowed",
        &format!("<p>This address answers {allowed}.</p>"),
    );
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allowed));
    response
}
