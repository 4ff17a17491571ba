//! The page: built into the program, or read from a directory while it is being worked on.

mod csp;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use axum::body::Body;
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Response, StatusCode};
use rust_embed::RustEmbed;
use sha2::{Digest as _, Sha256};

use crate::{html, media_type};

#[derive(RustEmbed)]
// Relative to this crate's manifest. It may be missing: the tracker is useful, and testable, without its page.
#[folder = "../dist"]
#[allow_missing = true]
struct Dist;

/// The page's files.
#[derive(Debug)]
pub(crate) struct Page {
    source: Source,
}

#[derive(Debug)]
enum Source {
    /// Everything in memory, by path without the leading slash.
    Embedded(HashMap<String, Asset>),
    /// Read at each request.
    Directory(PathBuf),
}

/// One file, with what was compressed when the page was built.
#[derive(Clone, Debug)]
struct Asset {
    body: Bytes,
    brotli: Option<Bytes>,
    gzip: Option<Bytes>,
    /// Of the uncompressed contents, without quotes.
    etag: String,
    content_type: &'static str,
    /// The name holds a hash of the contents.
    immutable: bool,
    /// Only scripts and documents need one.
    csp: Option<String>,
}

impl Page {
    /// The page in `directory`, or else the one built in. A debug build has none built in and reads `dist`.
    pub(crate) fn new(directory: Option<PathBuf>) -> Self {
        let built = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("dist");
        let directory = directory.or_else(|| cfg!(debug_assertions).then_some(built));
        let source = match directory {
            Some(directory) => Source::Directory(directory),
            None => Source::Embedded(embedded()),
        };
        Self { source }
    }

    /// Whether there is anything to show.
    pub(crate) fn is_built(&self) -> bool {
        match &self.source {
            Source::Embedded(assets) => assets.contains_key("index.html"),
            Source::Directory(directory) => directory.join("index.html").is_file(),
        }
    }

    /// Answers a request for `path`, which begins with a slash.
    pub(crate) fn respond(&self, method: &Method, path: &str, headers: &HeaderMap) -> Response<Body> {
        if method != Method::GET && method != Method::HEAD {
            return html::method_not_allowed("GET, HEAD");
        }
        let name = match path.trim_start_matches('/') {
            "" => "index.html",
            name => name,
        };
        let response = match self.asset(name) {
            Some(asset) => asset.respond(headers),
            None if name == "index.html" => html::page_not_built(),
            None => html::not_found(),
        };
        html::without_body_for(method, response)
    }

    fn asset(&self, name: &str) -> Option<Asset> {
        let (asset, index) = match &self.source {
            Source::Embedded(assets) => return assets.get(name).cloned(),
            Source::Directory(directory) => {
                let read = |name: &str| std::fs::read(directory.join(name)).ok().map(Bytes::from);
                let plain = !name.split('/').any(|part| part.is_empty() || part.starts_with('.'));
                let plain = plain && !name.contains(['\\', '\0', '%']);
                let body = plain.then(|| read(name)).flatten()?;
                let asset = Asset::new(name, body, read(&format!("{name}.br")), read(&format!("{name}.gz")));
                (asset, read("index.html"))
            }
        };
        Some(asset.with_csp(&csp::policy(&index.unwrap_or_default())))
    }
}

impl Asset {
    fn new(name: &str, body: Bytes, brotli: Option<Bytes>, gzip: Option<Bytes>) -> Self {
        let digest = Sha256::digest(&body);
        Self {
            etag: data_encoding::HEXLOWER.encode(&digest[..16]),
            content_type: media_type::of_page(name),
            immutable: names_its_hash(name),
            csp: None,
            body,
            brotli,
            gzip,
        }
    }

    fn with_csp(mut self, policy: &str) -> Self {
        let active = ["text/html", "text/javascript", "image/svg+xml"];
        // A worker gets its policy from its own script's response.
        self.csp = active.iter().any(|kind| self.content_type.starts_with(kind)).then(|| policy.to_owned());
        self
    }

    fn respond(&self, request: &HeaderMap) -> Response<Body> {
        let accepts = |coding| accepts(request, coding);
        let (body, coding) = match (&self.brotli, &self.gzip) {
            (Some(brotli), _) if accepts("br") => (brotli, Some("br")),
            (_, Some(gzip)) if accepts("gzip") => (gzip, Some("gzip")),
            _ => (&self.body, None),
        };
        // The encoded bodies are other bytes, so they need tags of their own.
        let etag = match coding {
            Some(coding) => format!("\"{}-{coding}\"", self.etag),
            None => format!("\"{}\"", self.etag),
        };
        let unchanged =
            request.get(header::IF_NONE_MATCH).and_then(|tags| tags.to_str().ok()).is_some_and(|tags| {
                tags.split(',').any(|tag| tag.trim().trim_start_matches("W/") == etag || tag.trim() == "*")
            });
        let mut response = Response::new(if unchanged { Body::empty() } else { Body::from(body.clone()) });
        if unchanged {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        }
        let headers = response.headers_mut();
        let mut set = |name: HeaderName, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        };
        set(header::CONTENT_TYPE, self.content_type);
        set(header::ETAG, &etag);
        set(header::VARY, "accept-encoding");
        let caching = if self.immutable { "public, max-age=31536000, immutable" } else { "no-cache" };
        set(header::CACHE_CONTROL, caching);
        if let Some(coding) = coding {
            set(header::CONTENT_ENCODING, coding);
        }
        if let Some(policy) = &self.csp {
            set(header::CONTENT_SECURITY_POLICY, policy);
            set(HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
            set(HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=()");
        }
        set(HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
        response
    }
}

fn embedded() -> HashMap<String, Asset> {
    let read = |name: &str| {
        Dist::get(name).map(|file| match file.data {
            std::borrow::Cow::Borrowed(bytes) => Bytes::from_static(bytes),
            std::borrow::Cow::Owned(bytes) => Bytes::from(bytes),
        })
    };
    let policy = csp::policy(&read("index.html").unwrap_or_default());
    let names = Dist::iter().filter(|name| !name.ends_with(".br") && !name.ends_with(".gz"));
    let load = |name: std::borrow::Cow<'static, str>| {
        let body = read(&name)?;
        let asset = Asset::new(&name, body, read(&format!("{name}.br")), read(&format!("{name}.gz")));
        Some((name.into_owned(), asset.with_csp(&policy)))
    };
    names.filter_map(load).collect()
}

/// Whether trunk put a hash of the contents into the name: `app-0123456789abcdef.js`, `app-0123456789abcdef_bg.wasm`.
fn names_its_hash(name: &str) -> bool {
    name.rsplit('-').next().filter(|rest| rest.len() < name.len()).is_some_and(|rest| {
        let digits = rest.bytes().take_while(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')).count();
        digits >= 12 && matches!(rest.as_bytes().get(digits), Some(b'.' | b'_'))
    })
}

/// Whether the client takes `coding` (RFC 9110, 12.5.3). What it does not name, it does not get.
fn accepts(request: &HeaderMap, coding: &str) -> bool {
    let lists = request.get_all(header::ACCEPT_ENCODING).iter().filter_map(|list| list.to_str().ok());
    lists.flat_map(|list| list.split(',')).any(|item| {
        let mut parts = item.split(';').map(str::trim);
        let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(coding));
        let refused = parts.filter_map(|part| part.strip_prefix("q=")).any(|q| q.parse() == Ok(0.0));
        named && !refused
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hashed_names_are_kept_for_ever() {
        for name in
            ["app-0123456789abcdef.js", "app-0123456789abcdef_bg.wasm", "snippets/x-00112233445566aa.css"]
        {
            assert!(names_its_hash(name), "{name}");
        }
        for name in
            ["engine.js", "engine_bg.wasm", "index.html", "my-file.js", "a-0123.js", "0123456789abcdef.js"]
        {
            assert!(!names_its_hash(name), "{name}");
        }
    }

    #[test]
    fn a_coding_is_used_only_when_it_is_accepted() {
        let accepts = |list: &'static str| {
            let headers = HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_static(list))]);
            accepts(&headers, "br")
        };
        assert!(accepts("gzip, deflate, br, zstd"));
        assert!(accepts("BR;q=0.5"));
        assert!(!accepts("gzip;q=1, br;q=0"));
        assert!(!accepts("gzip, brotli"));
        assert!(!accepts(""));
    }
}
