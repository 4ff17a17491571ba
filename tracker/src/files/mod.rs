//! `/files/`: a directory over HTTP, with ranges.

mod body;
pub(crate) mod cors;
mod directory;
mod listing;
mod range;
mod validator;

use std::cmp::Reverse;
use std::collections::VecDeque;
use std::ffi::OsStr;
use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use axum::Extension;
use axum::body::Body;
use axum::extract::{ConnectInfo, State};
use axum::response::IntoResponse as _;
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Response, StatusCode, Uri, Version};
use percent_encoding::{percent_encode, utf8_percent_encode};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::{info, warn};

use self::body::{FileBody, Part, UnderWay};
use self::directory::{Entry, Found, NotServed, OpenFile, Root};
use self::listing::{PATH_PART, Torrents};
use self::range::{ByteRange, Ranges};
use self::validator::Verdict;
use crate::account::Credential;
use crate::error::StartError;
use crate::listener::address::{self, PerAddress};
use crate::listener::connection::Use;
use crate::publication::Publication;
use crate::state::AppState;
use crate::{host, html, media_type};

/// Downloads at once: each holds up to 768 KiB of buffers.
const DOWNLOADS_MAX: usize = 1_024;

/// Downloads of one address at once: a receiver that takes nothing keeps its download, and nobody may keep all of them.
const DOWNLOADS_PER_ADDRESS: usize = DOWNLOADS_MAX / 4;

/// Files and directories that a look for new ones goes through.
const LOOKED_AT_MAX: usize = 50_000;

/// A browser that is pointed at a file must not run it on this origin, whatever it is.
const POLICY: &str = "default-src 'none'; sandbox";

/// The directory that is served.
#[derive(Debug)]
pub(crate) struct Files {
    root: Arc<Root>,
    /// Where it is.
    real: PathBuf,
    downloads: Arc<Semaphore>,
    of_address: PerAddress,
    /// That not all of it is looked at was said: it stays so, and the next look is soon.
    told_large: AtomicBool,
}

impl Files {
    /// Serves `directory`, unless that would show what is `private`: the tracker's own data, or its key.
    ///
    /// # Errors
    ///
    /// [`StartError::Directory`], [`StartError::FilesHoldData`].
    pub(crate) fn new(directory: &Path, private: &[PathBuf]) -> Result<Self, StartError> {
        let failed = |error| StartError::Directory { option: "--files", path: directory.to_owned(), error };
        let real = directory.canonicalize().map_err(failed)?;
        for private in private {
            let private = real_path(private).map_err(failed)?;
            if private.starts_with(&real) {
                return Err(StartError::FilesHoldData { files: real, private });
            }
        }
        let root = Root::open(&real).map_err(failed)?;
        info!(directory = %real.display(), "serving files under /files/ to everybody who can reach this tracker, unless --require-login");
        let downloads = Arc::new(Semaphore::new(DOWNLOADS_MAX));
        let of_address = PerAddress::new(DOWNLOADS_PER_ADDRESS);
        Ok(Self { root: Arc::new(root), real, downloads, of_address, told_large: AtomicBool::new(false) })
    }

    /// The file at `path` (encoded), if there is one that is served. Blocks.
    pub(crate) fn published(&self, path: &str) -> Option<Published> {
        match self.root.find(path) {
            Ok(Found::File(OpenFile { file, size, validator, name })) => {
                Some(Published { file, size, version: validator.etag, name })
            }
            _ => None,
        }
    }

    /// Where the file at `path` (encoded) lies, if that may be served.
    pub(crate) fn place(&self, path: &str) -> Option<PathBuf> {
        let names = directory::parts(path).ok()?;
        Some(names.iter().fold(self.real.clone(), |place, name| place.join(OsStr::from_bytes(name))))
    }

    /// The files that were changed last, at most `most`, the newest first. Looks at a bounded part of a very large
    /// directory. Blocks.
    pub(crate) fn newest(&self, most: usize) -> Vec<Candidate> {
        let mut found = Vec::new();
        let mut looked = 0;
        let mut waiting = VecDeque::from([String::new()]);
        while let Some(path) = waiting.pop_front() {
            let Ok(Found::Directory(entries)) = self.root.find(&path) else { continue };
            for entry in entries {
                looked += 1;
                let name = percent_encode(&entry.name, PATH_PART);
                if entry.is_directory {
                    waiting.push_back(format!("{path}{name}/"));
                } else {
                    let Entry { size, modified, version, .. } = entry;
                    found.push(Candidate { path: format!("{path}{name}"), version, size, modified });
                }
            }
            if looked >= LOOKED_AT_MAX {
                if !self.told_large.swap(true, Ordering::Relaxed) {
                    warn!(
                        LOOKED_AT_MAX,
                        "--seed looks for new files in a part of the directory only: it is very large"
                    );
                }
                break;
            }
        }
        found.sort_unstable_by_key(|candidate| Reverse(candidate.modified));
        found.truncate(most);
        found
    }

    /// Downloads now.
    pub(crate) fn under_way(&self) -> usize {
        DOWNLOADS_MAX - self.downloads.available_permits()
    }

    /// A place for a download to this address.
    fn permit(&self, remote: IpAddr) -> Option<Permit> {
        let of_address = self.of_address.take(remote)?;
        Some(Permit { _all: self.downloads.clone().try_acquire_owned().ok()?, _of_address: of_address })
    }
}

/// A file that is served, open.
#[derive(Debug)]
pub(crate) struct Published {
    pub(crate) file: std::fs::File,
    pub(crate) size: u64,
    /// Tells this version of it from others.
    pub(crate) version: String,
    /// The last part of its path, as text.
    pub(crate) name: String,
}

/// A file that is served, not opened.
#[derive(Debug)]
pub(crate) struct Candidate {
    /// Below `/files/`, encoded.
    pub(crate) path: String,
    /// As in [`Published`].
    pub(crate) version: String,
    pub(crate) size: u64,
    pub(crate) modified: SystemTime,
}

/// Counts as one download until it is dropped.
#[derive(Debug)]
struct Permit {
    _all: OwnedSemaphorePermit,
    _of_address: address::Place,
}

/// Where `path` is or will be: links are followed in the part of it that exists.
fn real_path(path: &Path) -> io::Result<PathBuf> {
    let absolute = std::path::absolute(path)?;
    let existing = absolute.ancestors().find(|ancestor| ancestor.exists()).unwrap_or(&absolute);
    let real = existing.canonicalize()?;
    Ok(absolute.strip_prefix(existing).map_or_else(|_| real.clone(), |rest| real.join(rest)))
}

/// `/files` is a directory and wants its slash.
pub(crate) async fn redirect(State(state): State<Arc<AppState>>) -> Response<Body> {
    if state.files.is_some() { moved("/files/") } else { not_served() }
}

/// `/files/…`.
pub(crate) async fn serve(
    State(state): State<Arc<AppState>>,
    ConnectInfo(remote): ConnectInfo<SocketAddr>,
    (Extension(request), Extension(credential)): (Extension<Use>, Extension<Credential>),
    method: Method,
    version: Version,
    uri: Uri,
    headers: HeaderMap,
) -> Response<Body> {
    let Some(files) = &state.files else { return not_served() };
    if host::is_misled(&state.config, &uri, &headers) {
        return host::misled().into_response();
    }
    if let Some(response) = cors::preflight(&state, &method, &uri, &headers) {
        return response;
    }
    if method != Method::GET && method != Method::HEAD {
        return html::method_not_allowed("GET, HEAD");
    }
    let Some(path) = uri.path().strip_prefix("/files/").map(str::to_owned) else { return html::not_found() };
    let (root, wanted) = (files.root.clone(), path.clone());
    let found = tokio::task::spawn_blocking(move || root.find(&wanted)).await;
    let under_way = |status| UnderWay {
        transfer: state.transfers.begin(&uri, version, status, &request),
        request: request.clone(),
    };
    let mut response = match found.map_err(io::Error::other) {
        Ok(Ok(Found::Directory(_))) if !path.is_empty() && !path.ends_with('/') => {
            moved(&format!("{}/", uri.path()))
        }
        Ok(Ok(Found::Directory(mut entries))) => {
            let place = path.trim_end_matches('/');
            entries.retain(|entry| is_listed(&state, credential, place, entry, &headers));
            let torrents = Torrents::new(&state, path.trim_end_matches('/'), &uri, &headers);
            listing::respond(&torrents, &entries, &uri, &headers)
        }
        Ok(Ok(Found::File(file))) => {
            let (version, size) = (&file.validator.etag, file.size);
            match Publication::refusal(&state, credential, (&path, version, size), &headers) {
                Some(refusal) => refusal,
                None => respond(file, &method, &headers, under_way, || files.permit(remote.ip())),
            }
        }
        Ok(Err(NotServed::Name | NotServed::Kind)) => html::not_found(),
        Ok(Err(NotServed::Io(error))) | Err(error) => failed(&path, &error),
    };
    state.observe.download(&path, version, &response, &state.traffic.rejections);
    cors::allow(&state, &uri, &headers, response.headers_mut());
    html::without_body_for(&method, response)
}

/// Whether an entry of the directory at `place` is shown: not a file whose torrent is for others.
fn is_listed(
    state: &Arc<AppState>,
    credential: Credential,
    place: &str,
    entry: &Entry,
    headers: &HeaderMap,
) -> bool {
    if entry.is_directory || !state.accounts.has_restricted_torrents() {
        return true;
    }
    let name = percent_encode(&entry.name, PATH_PART);
    let path = if place.is_empty() { name.to_string() } else { format!("{place}/{name}") };
    let refusal = Publication::refusal(state, credential, (&path, &entry.version, entry.size), headers);
    refusal.is_none_or(|refusal| refusal.status() == StatusCode::SERVICE_UNAVAILABLE)
}

fn respond(
    file: OpenFile,
    method: &Method,
    request: &HeaderMap,
    under_way: impl FnOnce(StatusCode) -> UnderWay,
    permit: impl FnOnce() -> Option<Permit>,
) -> Response<Body> {
    let OpenFile { file, size, validator, name } = file;
    let content_type = media_type::of_stranger(&name);
    let ranges = request.get(header::RANGE).and_then(|range| range.to_str().ok());
    // Of HEAD there are no ranges (RFC 9110, 14.2).
    let ranges = match ranges.filter(|_| method == Method::GET && validator.allows_range(request)) {
        Some(header) => range::parse(header, size),
        None => Ranges::Whole,
    };
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    set(headers, header::ETAG, &validator.etag);
    set(headers, header::LAST_MODIFIED, &validator.last_modified());
    set(headers, header::ACCEPT_RANGES, "bytes");
    set(headers, header::CACHE_CONTROL, "no-cache");
    set(headers, header::CONTENT_SECURITY_POLICY, POLICY);
    match validator.judge(request) {
        Verdict::Proceed => {}
        Verdict::NotModified => {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return response;
        }
        Verdict::Failed => {
            *response.status_mut() = StatusCode::PRECONDITION_FAILED;
            return response;
        }
    }
    set(headers, header::CONTENT_DISPOSITION, &disposition(&name));
    let (status, content_type, parts) = match ranges {
        Ranges::Whole => {
            let whole = (size > 0).then_some(Part::File(ByteRange { start: 0, end: size }));
            (StatusCode::OK, content_type.to_owned(), whole.into_iter().collect())
        }
        Ranges::Some(ranges) if ranges.len() == 1 => {
            set(headers, header::CONTENT_RANGE, &content_range(ranges[0], size));
            (StatusCode::PARTIAL_CONTENT, content_type.to_owned(), vec![Part::File(ranges[0])])
        }
        Ranges::Some(ranges) => {
            let (boundary, parts) = multipart(&ranges, size, content_type);
            let content_type = format!("multipart/byteranges; boundary={boundary}");
            (StatusCode::PARTIAL_CONTENT, content_type, parts)
        }
        Ranges::Unsatisfiable => {
            set(headers, header::CONTENT_RANGE, &format!("bytes */{size}"));
            headers.remove(header::CONTENT_DISPOSITION);
            set(headers, header::CONTENT_TYPE, "text/plain; charset=utf-8");
            *response.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
            *response.body_mut() = Body::from(format!("the file has {size} bytes\n"));
            return response;
        }
    };
    set(headers, header::CONTENT_TYPE, &content_type);
    *response.status_mut() = status;
    let length = body::length(&parts);
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    if method == Method::GET && length > 0 {
        let Some(permit) = permit() else { return busy() };
        *response.body_mut() = Body::new(FileBody::new(file, parts, under_way(status), permit));
    }
    response
}

/// Several ranges in one response (RFC 9110, 14.6).
fn multipart(ranges: &[ByteRange], size: u64, content_type: &str) -> (String, Vec<Part>) {
    // Nobody can put into a file a boundary that is drawn for the response.
    let boundary = format!("{:016x}{:016x}", RandomState::new().hash_one(0), RandomState::new().hash_one(1));
    let mut parts = Vec::with_capacity(ranges.len() * 2 + 1);
    for (number, range) in ranges.iter().enumerate() {
        let before = if number == 0 { "" } else { "\r\n" };
        let head = format!(
            "{before}--{boundary}\r\nContent-Type: {content_type}\r\nContent-Range: {}\r\n\r\n",
            content_range(*range, size)
        );
        parts.push(Part::Text(Bytes::from(head)));
        parts.push(Part::File(*range));
    }
    parts.push(Part::Text(Bytes::from(format!("\r\n--{boundary}--\r\n"))));
    (boundary, parts)
}

fn content_range(range: ByteRange, size: u64) -> String {
    format!("bytes {}-{}/{size}", range.start, range.end - 1)
}

/// Saved under its own name (RFC 6266): in ASCII for those who know no better, in UTF-8 for all others.
pub(crate) fn disposition(name: &str) -> String {
    let plain = |char: char| matches!(char, ' '..='~') && !matches!(char, '"' | '\\' | '%');
    let ascii: String = name.chars().map(|char| if plain(char) { char } else { '_' }).collect();
    format!("attachment; filename=\"{ascii}\"; filename*=UTF-8''{}", utf8_percent_encode(name, PATH_PART))
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

fn moved(to: &str) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
    set(response.headers_mut(), header::LOCATION, to);
    response
}

fn not_served() -> Response<Body> {
    html::page(
        StatusCode::NOT_FOUND,
        "No files are served",
        "<p>This tracker serves no directory. Start it with <code>--files DIR</code> to serve one.</p>",
    )
}

fn busy() -> Response<Body> {
    let body = format!(
        "<p>{DOWNLOADS_MAX} downloads are under way, or {DOWNLOADS_PER_ADDRESS} to your address. Try again in a moment.</p>"
    );
    let mut response = html::page(StatusCode::SERVICE_UNAVAILABLE, "Too many downloads", &body);
    set(response.headers_mut(), header::RETRY_AFTER, "5");
    response
}

fn failed(path: &str, error: &io::Error) -> Response<Body> {
    warn!(path, %error, "cannot serve a file");
    match error.kind() {
        io::ErrorKind::PermissionDenied => html::not_found(),
        _ => html::page(
            StatusCode::INTERNAL_SERVER_ERROR,
            "The file cannot be read",
            "<p>Try again later.</p>",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_saved_as_itself_and_never_as_something_else() {
        assert_eq!(disposition("a b.iso"), "attachment; filename=\"a b.iso\"; filename*=UTF-8''a%20b.iso");
        assert_eq!(
            disposition("ü\"\\\r\nX: y"),
            "attachment; filename=\"_____X: y\"; filename*=UTF-8''%C3%BC%22%5C%0D%0AX%3A%20y"
        );
    }

    #[test]
    fn data_within_the_files_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let (files, data) = (directory.path().join("files"), directory.path().join("data"));
        std::fs::create_dir_all(files.join("inner")).unwrap();
        std::fs::create_dir_all(&data).unwrap();
        std::os::unix::fs::symlink(&files, directory.path().join("alias")).unwrap();
        assert!(Files::new(&files, std::slice::from_ref(&data)).is_ok());
        assert!(Files::new(&files, &[]).is_ok());
        for inner in [
            files.clone(),
            files.join("inner"),
            files.join("not/there/yet"),
            directory.path().join("alias/inner"),
            directory.path().join("data/../files/x"),
        ] {
            let refused = Files::new(&files, &[data.clone(), inner.clone()]);
            assert!(matches!(refused, Err(StartError::FilesHoldData { .. })), "{inner:?}: {refused:?}");
        }
        let missing = Files::new(&directory.path().join("missing"), &[]).unwrap_err();
        assert!(missing.to_string().contains("--files"), "{missing}");
    }
}
