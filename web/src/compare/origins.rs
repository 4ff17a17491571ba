//! The server's ports as the browser sees them, each an origin of its own, and the files that are there.

use js_sys::Array;
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Headers, Request, RequestCache, RequestCredentials, RequestInit, RequestMode, Response};

use super::model::Lane;
use crate::client::SiteConfig;
use crate::document;
use crate::platform::JsError;
use crate::platform::scope::{self, property};

/// Whether a lane can be run from this page, as far as it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Access {
    /// Being tried.
    #[default]
    Trying,
    /// It works.
    Open,
    /// The server has no such port.
    NoPort,
    /// The port's certificate is not trusted, most likely: a browser does not tell a page why.
    Untrusted,
    /// A page that came over https may not fetch over http.
    Mixed,
    /// It does not answer, and should.
    Silent,
    /// This browser has no WebRTC.
    NoWebRtc,
}

/// A file of the server's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// Its name, decoded.
    pub name: String,
    /// Where it is, from the root.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// Its magnet link, where the server publishes one.
    pub magnet: Option<String>,
    /// The server is one of those who seed it: what it sends of it as a peer is in no count of this page's.
    pub seeded: bool,
}

/// The origin on which a lane runs; `None` if the server has no port for it. P2P meets on the page's own.
pub fn of_lane(lane: Lane, site: &SiteConfig) -> Option<String> {
    let (scheme, port) = match lane {
        Lane::Http1 => ("http", site.clear_port?),
        Lane::Http1Tls => ("https", site.tls_http1_port?),
        Lane::Http2 => ("https", site.tls_port?),
        Lane::P2p | Lane::Hybrid => return Some(document::origin()),
    };
    Some(origin(scheme, &document::hostname(), port))
}

/// As browsers write it: a scheme's usual port is left out.
fn origin(scheme: &str, host: &str, port: u16) -> String {
    let usual = if scheme == "https" { 443 } else { 80 };
    let start = [scheme, "://", host].concat();
    if port == usual { start } else { [&start, ":", &port.to_string()].concat() }
}

/// Tries whether a lane can be used.
pub async fn access(lane: Lane, site: &SiteConfig, webrtc: bool) -> Access {
    if !lane.is_http() {
        return if webrtc { Access::Open } else { Access::NoWebRtc };
    }
    let Some(origin) = of_lane(lane, site) else { return Access::NoPort };
    let here = document::origin();
    if origin == here {
        return Access::Open;
    }
    // There is no such transfer, and the answer says so: that it comes is what counts.
    let answered = get(&[&origin, "/compare/is-it-there-0000.json"].concat(), None).await.is_ok();
    match (answered, here.starts_with("https:"), origin.starts_with("https:")) {
        (true, _, _) => Access::Open,
        (false, true, false) => Access::Mixed,
        (false, _, true) => Access::Untrusted,
        (false, false, false) => Access::Silent,
    }
}

/// A request that no cache answers and that carries nothing of the person's.
pub async fn get(url: &str, accept: Option<&str>) -> Result<Response, JsError> {
    let init = RequestInit::new();
    init.set_cache(RequestCache::NoStore);
    init.set_credentials(RequestCredentials::Omit);
    init.set_mode(RequestMode::Cors);
    if let Some(accept) = accept {
        let headers = Headers::new()?;
        headers.set("accept", accept)?;
        init.set_headers(&headers);
    }
    let request = Request::new_with_str_and_init(url, &init)?;
    Ok(JsFuture::from(scope::window()?.fetch_with_request(&request)).await?.unchecked_into())
}

/// The JSON that an address answers with.
pub async fn json(url: &str) -> Result<JsValue, JsError> {
    let response = get(url, Some("application/json")).await?;
    if !response.ok() {
        return Err(JsError::unexpected(["status ", &response.status().to_string()].concat()));
    }
    Ok(JsFuture::from(response.json()?).await?)
}

/// The files at the root of what the server serves, largest first. Those without bytes are no use.
pub async fn published() -> Result<Vec<Published>, JsError> {
    let list = json("/files/").await?;
    let mut files: Vec<Published> =
        Array::from(&list).iter().filter_map(|entry| published_one(&entry)).collect();
    files.sort_by_key(|file| std::cmp::Reverse(file.size));
    Ok(files)
}

fn published_one(entry: &JsValue) -> Option<Published> {
    let text = |name| property(entry, name).as_string();
    let size = property(entry, "size").as_f64().filter(|size| *size >= 1.0)? as u64;
    let path = ["/files/", text("url")?.strip_prefix("./")?].concat();
    let (name, magnet) = (text("name")?, text("magnet"));
    let seeded = property(entry, "seeded").is_truthy();
    (text("type")? == "file").then_some(Published { name, path, size, magnet, seeded })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_written_as_browsers_write_them() {
        assert_eq!(origin("https", "a.example", 443), "https://a.example");
        assert_eq!(origin("http", "a.example", 8080), "http://a.example:8080");
        assert_eq!(origin("http", "a.example", 443), "http://a.example:443");
    }
}
