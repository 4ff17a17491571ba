//! A directory, for people and for programs.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::SystemTime;

use axum::Json;
use axum::body::Body;
use axum::response::IntoResponse as _;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Response, StatusCode, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use serde_json::json;
use shared::metainfo::Metainfo;

use super::directory::{ENTRIES_MAX, Entry};
use crate::html;
use crate::publication::{Addresses, Publication, Status};
use crate::state::AppState;

/// What stands as it is in a part of a path.
pub(super) const PATH_PART: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The directory's files as torrents.
pub(super) struct Torrents<'a> {
    state: &'a Arc<AppState>,
    /// The directory's own path, encoded, without slashes at its ends.
    path: &'a str,
    addresses: Option<Addresses>,
}

impl<'a> Torrents<'a> {
    pub(super) fn new(state: &'a Arc<AppState>, path: &'a str, uri: &Uri, request: &HeaderMap) -> Self {
        Self { state, path, addresses: Addresses::new(state, uri, request) }
    }

    /// The file's path below `/files/`, encoded.
    fn path(&self, entry: &Entry) -> String {
        let name = percent_encode(&entry.name, PATH_PART);
        if self.path.is_empty() { name.to_string() } else { format!("{}/{name}", self.path) }
    }

    fn status(&self, entry: &Entry) -> Option<Status> {
        let published = !entry.is_directory && self.addresses.is_some();
        published.then(|| Publication::status(self.state, &self.path(entry), &entry.version, entry.size))
    }

    /// Whether the tracker's own peer has it.
    fn is_seeded(&self, metainfo: &Metainfo) -> bool {
        self.state.seeder.as_ref().is_some_and(|seeder| seeder.is_seeded(&metainfo.info_hash()))
    }

    /// Magnet link and share link.
    fn links(&self, entry: &Entry, metainfo: &Metainfo) -> Option<(String, String)> {
        let addresses = self.addresses.as_ref()?;
        let link = addresses.link(metainfo, &self.path(entry));
        Some((link.to_magnet(), link.to_share_link(addresses.origin())))
    }
}

/// The list as JSON if the client prefers it or the query is `format=json`, else as a page.
pub(super) fn respond(
    torrents: &Torrents<'_>,
    entries: &[Entry],
    uri: &Uri,
    request: &HeaderMap,
) -> Response<Body> {
    let json = uri.query() == Some("format=json") || prefers_json(request);
    let mut response = if json { as_json(torrents, entries) } else { as_page(torrents, entries) };
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept"));
    response
}

/// `[{"name", "type": "file" | "directory", "size" (bytes, files only), "modified" (seconds since 1970), "url"}]`. Of files
/// also `torrent` (path of the `.torrent`); `hashed` (percents) until that is there; then `infoHash`, `magnet`, `share`
/// (links), `seeded` (whether the tracker's own peer has it now); or `failed` (why there will be none).
fn as_json(torrents: &Torrents<'_>, entries: &[Entry]) -> Response<Body> {
    let list = entries.iter().map(|entry| {
        let modified = entry.modified.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let mut object = json!({
            "name": String::from_utf8_lossy(&entry.name),
            "type": if entry.is_directory { "directory" } else { "file" },
            "size": (!entry.is_directory).then_some(entry.size),
            "modified": modified,
            "url": address(entry),
        });
        match torrents.status(entry) {
            None => return object,
            Some(Status::Hashing(progress)) => object["hashed"] = json!(progress.percent()),
            Some(Status::Failed(reason)) => object["failed"] = json!(reason),
            Some(Status::Ready(metainfo)) => {
                let (magnet, share) = torrents.links(entry, &metainfo).unwrap_or_default();
                object["infoHash"] = json!(metainfo.info_hash().to_string());
                object["seeded"] = json!(torrents.is_seeded(&metainfo));
                (object["magnet"], object["share"]) = (json!(magnet), json!(share));
            }
        }
        object["torrent"] = json!(format!("/torrents/{}.torrent", torrents.path(entry)));
        object
    });
    Json(list.collect::<Vec<_>>()).into_response()
}

fn as_page(torrents: &Torrents<'_>, entries: &[Entry]) -> Response<Body> {
    let path = torrents.path;
    let decoded = percent_encoding::percent_decode_str(path).decode_utf8_lossy();
    let title = if path.is_empty() { "Files".to_owned() } else { visible(&decoded) };
    let mut body = String::new();
    if !path.is_empty() {
        body.push_str("<p><a href=\"../\">Up one directory</a></p>\n");
    }
    if entries.is_empty() {
        body.push_str("<p>There is nothing in this directory.</p>");
        return html::page(StatusCode::OK, &title, &body);
    }
    body.push_str(
        "<table>\n<thead><tr><th scope=\"col\">Name</th><th scope=\"col\">Size</th>\
         <th scope=\"col\">Changed (UTC)</th><th scope=\"col\">From peers</th></tr></thead>\n<tbody>\n",
    );
    for entry in entries {
        let mut name = html::escape(&visible(&String::from_utf8_lossy(&entry.name)));
        if entry.is_directory {
            name.push('/');
        }
        let size = if entry.is_directory { "–".to_owned() } else { size(entry.size) };
        let _ = writeln!(
            body,
            "<tr><td><a href=\"{}\"><bdi>{name}</bdi></a></td><td>{size}</td><td>{}</td><td>{}</td></tr>",
            address(entry),
            date(entry.modified),
            peers(torrents, entry),
        );
    }
    body.push_str("</tbody>\n</table>\n");
    if entries.len() >= ENTRIES_MAX {
        let _ = write!(body, "<p>Only the first {ENTRIES_MAX} entries are shown.</p>");
    }
    html::page(StatusCode::OK, &title, &body)
}

/// Ways to have it from peers.
fn peers(torrents: &Torrents<'_>, entry: &Entry) -> String {
    match torrents.status(entry) {
        None => "–".to_owned(),
        Some(Status::Failed(reason)) => format!("– ({})", html::escape(&visible(&reason))),
        Some(Status::Hashing(progress)) => {
            format!("being hashed: {} %, reload to see more", progress.percent())
        }
        Some(Status::Ready(metainfo)) => {
            let (magnet, share) = torrents.links(entry, &metainfo).unwrap_or_default();
            format!(
                "<a href=\"{}\">on the page</a>, <a href=\"{}\">magnet</a>, <a href=\"/torrents/{}.torrent\">.torrent</a>{}",
                html::escape(&share),
                html::escape(&magnet),
                torrents.path(entry),
                if torrents.is_seeded(&metainfo) { ", seeded here" } else { "" },
            )
        }
    }
}

/// Relative to the directory. Encoded as a whole, it cannot be taken for anything but a name.
fn address(entry: &Entry) -> String {
    let slash = if entry.is_directory { "/" } else { "" };
    format!("./{}{slash}", percent_encode(&entry.name, PATH_PART))
}

/// A name without characters that would change how its surroundings are read.
fn visible(name: &str) -> String {
    let is_formatting =
        |char| matches!(char, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    name.chars()
        .map(|char| if char.is_control() || is_formatting(char) { '\u{fffd}' } else { char })
        .collect()
}

fn prefers_json(request: &HeaderMap) -> bool {
    let accept = request.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    accept.contains("application/json") && !accept.contains("text/html")
}

/// Three significant digits and a unit; exact below a kilobyte.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    if bytes < 1_000 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1_000.0;
    let mut unit = 0;
    // 999.5 would be rounded to 1000.
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1_000.0;
        unit += 1;
    }
    let decimals = if value < 9.995 { 2 } else { usize::from(value < 99.95) };
    format!("{value:.decimals$} {}", UNITS[unit])
}

/// `2026-11-20 19:22`.
fn date(at: SystemTime) -> String {
    let seconds = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let (days, minutes) = (seconds / 86_400, seconds % 86_400 / 60);
    // Counted from 0000-03-01, a leap day is the last of its year (Hinnant, "chrono-compatible low-level date algorithms").
    let days = days + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}", minutes / 60, minutes % 60)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn sizes_and_dates_are_for_people() {
        for (bytes, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1_000, "1.00 kB"),
            (9_999, "10.0 kB"),
            (123_456, "123 kB"),
            (999_499, "999 kB"),
            (999_999, "1.00 MB"),
            (1_073_741_824, "1.07 GB"),
            (u64::MAX, "18.4 EB"),
        ] {
            assert_eq!(size(bytes), text, "{bytes}");
        }
        for (seconds, text) in [
            (0, "1970-01-01 00:00"),
            (951_782_399, "2000-02-28 23:59"),
            (951_782_400, "2000-02-29 00:00"),
            (1_709_251_199, "2024-02-29 23:59"),
            (1_735_689_600, "2025-01-01 00:00"),
            (4_102_444_799, "2099-12-31 23:59"),
        ] {
            assert_eq!(date(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)), text, "{seconds}");
        }
    }

    #[test]
    fn names_cannot_break_out_of_the_page() {
        let entry = |name: &[u8], is_directory| Entry {
            name: name.to_vec(),
            is_directory,
            size: 1,
            modified: SystemTime::UNIX_EPOCH,
            version: String::new(),
        };
        assert_eq!(address(&entry(b"javascript:alert(1)", false)), "./javascript%3Aalert%281%29");
        assert_eq!(address(&entry(b"a b\xff\"", true)), "./a%20b%FF%22/");
        assert_eq!(visible("a\u{202e}gpj.exe\u{7}\n"), "a\u{fffd}gpj.exe\u{fffd}\u{fffd}");
    }
}
