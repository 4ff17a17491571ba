//! The files under `/files/` as torrents: each has a `.torrent` at `/torrents/…` and a link, with this server as tracker and
//! as web seed (BEP 19).
//!
//! A file is hashed once somebody sees it in a list or asks for its `.torrent`, in the background, and again when it was
//! changed. The info-hash is the one that the page gives the same file.

mod address;
mod hashing;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::response::IntoResponse as _;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Response, StatusCode, Uri};
use parking_lot::Mutex;
use shared::metainfo::Metainfo;
use tokio::sync::Semaphore;

pub(crate) use self::address::Addresses;
use crate::account::{Credential, Wish};
use crate::files::{self, Published};
use crate::routes::account::refused;
use crate::state::AppState;
use crate::{host, html};

/// Files that are hashed at once: a disk gains nothing from more, and the tracker has other things to do.
const HASHED_AT_ONCE: usize = 2;

/// Files that are being hashed or wait for it. Further ones are taken up when they are asked for again.
const WAITING_MAX: usize = 1_000;

/// Torrents that are remembered, 20 bytes for each piece of them; with one more, any other is forgotten.
const REMEMBERED_MAX: usize = 100_000;

/// How long a request for a `.torrent` waits for the hashing of its file.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often it looks.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// What is known of the files as torrents.
#[derive(Debug)]
pub(crate) struct Publication {
    /// By path, decoded.
    known: Mutex<HashMap<Vec<u8>, Known>>,
    /// Files that are being hashed or wait for it.
    waiting: AtomicUsize,
    turns: Arc<Semaphore>,
}

#[derive(Debug)]
struct Known {
    /// Which version of the file.
    version: String,
    status: Status,
}

/// How far a file is on its way to be a torrent.
#[derive(Clone, Debug)]
pub(crate) enum Status {
    /// Its pieces are being hashed, or will be.
    Hashing(Arc<Progress>),
    /// Done.
    Ready(Arc<Metainfo>),
    /// It cannot be one: it is empty, its name is no text, it cannot be read.
    Failed(String),
}

/// Bytes that are hashed.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    done: AtomicU64,
    total: u64,
}

impl Progress {
    /// Whole percents, rounded down.
    pub(crate) fn percent(&self) -> u64 {
        let done = u128::from(self.done.load(Ordering::Relaxed));
        (done * 100).checked_div(u128::from(self.total)).map_or(0, |percent| percent as u64)
    }
}

impl Default for Publication {
    fn default() -> Self {
        Self {
            known: Mutex::default(),
            waiting: AtomicUsize::new(0),
            turns: Arc::new(Semaphore::new(HASHED_AT_ONCE)),
        }
    }
}

impl Publication {
    /// What is known of the file at `path` (encoded) in this version; begins to hash it if that is nothing yet.
    pub(crate) fn status(state: &Arc<AppState>, path: &str, version: &str, size: u64) -> Status {
        let key: Vec<u8> = percent_encoding::percent_decode_str(path).collect();
        let mut known = state.publication.known.lock();
        if let Some(known) = known.get(&key).filter(|known| known.version == version) {
            return known.status.clone();
        }
        let progress = Arc::new(Progress { done: AtomicU64::new(0), total: size });
        let status = Status::Hashing(progress.clone());
        if state.publication.waiting.load(Ordering::Relaxed) >= WAITING_MAX {
            return status;
        }
        if known.len() >= REMEMBERED_MAX {
            let other = known.iter().find(|(_, known)| !matches!(known.status, Status::Hashing(_)));
            if let Some(other) = other.map(|(path, _)| path.clone()) {
                known.remove(&other);
            }
        }
        known.insert(key.clone(), Known { version: version.to_owned(), status: status.clone() });
        drop(known);
        state.publication.waiting.fetch_add(1, Ordering::Relaxed);
        let (path, version) = (path.to_owned(), version.to_owned());
        tokio::spawn(hash_in_turn(state.clone(), key, path, version, progress));
        status
    }

    /// What is said to whom the file at `path` (encoded), of this version and size, is not for; `None` if it is. While some
    /// torrents are for some accounts only, a file is given away once it is known which torrent it is.
    pub(crate) fn refusal(
        state: &Arc<AppState>,
        credential: Credential,
        (path, version, size): (&str, &str, u64),
        headers: &HeaderMap,
    ) -> Option<Response<Body>> {
        if !state.accounts.has_restricted_torrents() {
            return None;
        }
        let denied = match Self::status(state, path, version, size) {
            Status::Ready(metainfo) => {
                let wish = Wish::Download(Some(&metainfo.info_hash()));
                state.accounts.may(credential, wish).err()
            }
            Status::Hashing(progress) => {
                let may_all = state.accounts.may(credential, Wish::Administer).is_ok();
                return (!may_all).then(|| being_hashed(&progress));
            }
            // What cannot be a torrent is not restricted.
            Status::Failed(_) => None,
        };
        denied.map(|denied| refused(denied, headers))
    }

    /// Has the file at `path` (encoded) hashed anew when it is asked for, if this version of it is a torrent.
    pub(crate) fn forget(state: &AppState, path: &str, version: &str) {
        let key: Vec<u8> = percent_encoding::percent_decode_str(path).collect();
        let mut known = state.publication.known.lock();
        let ready = |known: &Known| known.version == version && matches!(known.status, Status::Ready(_));
        if known.get(&key).is_some_and(ready) {
            known.remove(&key);
        }
    }
}

/// Waits for its turn, hashes, and says what came of it. A file that changed meanwhile is forgotten, hence hashed again when
/// somebody asks.
async fn hash_in_turn(
    state: Arc<AppState>,
    key: Vec<u8>,
    path: String,
    version: String,
    progress: Arc<Progress>,
) {
    let Ok(_turn) = state.publication.turns.clone().acquire_owned().await else { return };
    let (hasher, wanted) = (state.clone(), version.clone());
    let hashed = tokio::task::spawn_blocking(move || hashing::hash(&hasher, &path, &wanted, &progress)).await;
    let status = match hashed {
        Ok(Ok(item)) => {
            let metainfo = item.metainfo.clone();
            state.accounts.publish(metainfo.info_hash());
            if let Some(seeder) = &state.seeder {
                seeder.publish(item);
            }
            Some(Status::Ready(metainfo))
        }
        Ok(Err(hashing::HashError::Changed)) => None,
        Ok(Err(error)) => Some(Status::Failed(error.to_string())),
        Err(error) => Some(Status::Failed(error.to_string())),
    };
    state.publication.waiting.fetch_sub(1, Ordering::Relaxed);
    let mut known = state.publication.known.lock();
    if known.get(&key).is_some_and(|known| known.version == version) {
        match status {
            Some(status) => {
                known.insert(key, Known { version, status });
            }
            None => {
                known.remove(&key);
            }
        }
    }
}

/// `/torrents/….torrent`.
pub(crate) async fn torrent(
    State(state): State<Arc<AppState>>,
    Extension(credential): Extension<Credential>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response<Body> {
    if host::is_misled(&state.config, &uri, &headers) {
        return host::misled().into_response();
    }
    let path = uri.path().strip_prefix("/torrents/").and_then(|path| path.strip_suffix(".torrent"));
    let Some(path) = path.filter(|_| state.files.is_some()).map(str::to_owned) else {
        return html::not_found();
    };
    let (opener, wanted) = (state.clone(), path.clone());
    let opened = tokio::task::spawn_blocking(move || opener.files.as_ref()?.published(&wanted)).await;
    let Ok(Some(Published { version, size, name, .. })) = opened else { return html::not_found() };
    let deadline = tokio::time::Instant::now() + PATIENCE;
    let mut status = Publication::status(&state, &path, &version, size);
    while matches!(status, Status::Hashing(_)) && tokio::time::Instant::now() < deadline {
        tokio::time::sleep(LOOK_INTERVAL).await;
        status = Publication::status(&state, &path, &version, size);
    }
    let refusal = Publication::refusal(&state, credential, (&path, &version, size), &headers);
    let addresses = Addresses::new(&state, &uri, &headers);
    let mut response = match (refusal, status) {
        (Some(refusal), _) => refusal,
        (None, status) => answered(status, addresses, &path, &name),
    };
    files::cors::allow(&state, &uri, &headers, response.headers_mut());
    html::without_body_for(&method, response)
}

fn answered(status: Status, addresses: Option<Addresses>, path: &str, name: &str) -> Response<Body> {
    match status {
        Status::Ready(metainfo) => match addresses {
            Some(addresses) => as_file(addresses.torrent(&metainfo, path), name),
            None => (StatusCode::BAD_REQUEST, "expected a Host\n").into_response(),
        },
        Status::Hashing(progress) => being_hashed(&progress),
        Status::Failed(reason) => {
            (StatusCode::UNPROCESSABLE_ENTITY, format!("no torrent of this file: {reason}\n")).into_response()
        }
    }
}

fn being_hashed(progress: &Progress) -> Response<Body> {
    let text = format!("{} % of the file are hashed; ask again in a moment\n", progress.percent());
    (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "5")], text).into_response()
}

fn as_file(torrent: Vec<u8>, name: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(torrent));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-bittorrent"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(disposition) = HeaderValue::from_str(&files::disposition(&format!("{name}.torrent"))) {
        headers.insert(header::CONTENT_DISPOSITION, disposition);
    }
    response
}

/// Port of an authority, if it names one.
fn port_of(address: Option<SocketAddr>) -> Option<u16> {
    address.map(|address| address.port())
}
