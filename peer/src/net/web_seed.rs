//! Ranges of files from web servers (BEP 19).

use std::time::Duration;

use http::StatusCode;
use http::header::{CONTENT_RANGE, LOCATION};
use http_body_util::BodyExt as _;
use shared::engine::{EffectFailure, EffectResult};
use shared::id::ConnId;
use tokio::time::timeout;

use super::http::{Http, HttpError};
use super::transport::Reports;

/// How long a server may be silent within an answer.
const SILENT_MAX: Duration = Duration::from_secs(30);

/// What is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Fetch {
    pub(crate) conn: ConnId,
    pub(crate) url: String,
    pub(crate) offset: u64,
    pub(crate) length: u64,
}

/// Fetches; the bytes are reported while they come, and what came of it is the effect's result.
pub(crate) async fn fetch(http: &Http, fetch: &Fetch, reports: &Reports) -> EffectResult {
    match run(http, fetch, reports).await {
        Ok(()) => EffectResult::Done,
        Err(error) => EffectResult::Failed(failure(&error)),
    }
}

/// Only what the server blames on the request is a refusal; other troubles of a server pass.
fn failure(error: &HttpError) -> EffectFailure {
    const PASSING: [StatusCode; 2] = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS];
    match error {
        HttpError::Status(status) if status.is_client_error() && !PASSING.contains(status) => {
            EffectFailure::Refused(error.to_string())
        }
        error => EffectFailure::Failed(error.to_string()),
    }
}

async fn run(http: &Http, fetch: &Fetch, reports: &Reports) -> Result<(), HttpError> {
    let last = fetch.offset.saturating_add(fetch.length - 1);
    let range = format!("bytes={}-{last}", fetch.offset);
    let (response, kept) = http.get(&fetch.url, Some(&range)).await?;
    let status = response.status();
    let header =
        |name| response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if status.is_redirection() {
        let got = format!("HTTP {status} to {:.80}", header(LOCATION));
        return Err(HttpError::Answer { expected: "no redirect".to_owned(), got });
    }
    match status {
        StatusCode::PARTIAL_CONTENT => {
            let expected = format!("bytes {}-{last}/", fetch.offset);
            let got = header(CONTENT_RANGE);
            if !got.starts_with(&expected) {
                return Err(HttpError::Answer { expected, got: got.chars().take(80).collect() });
            }
        }
        // A server without ranges gives the whole: of use only to who wants it from the first byte.
        StatusCode::OK if fetch.offset == 0 => {}
        StatusCode::OK => {
            let expected = format!("HTTP 206 with {range}");
            return Err(HttpError::Answer { expected, got: "HTTP 200 with the whole file".to_owned() });
        }
        other => return Err(HttpError::Status(other)),
    }
    let whole = status == StatusCode::OK;
    let mut body = response.into_body();
    let mut left = fetch.length;
    while left > 0 {
        let frame = timeout(SILENT_MAX, body.frame()).await.map_err(|_| HttpError::Late)?;
        let Some(frame) = frame else {
            let (expected, got) = (format!("{} bytes", fetch.length), format!("{}", fetch.length - left));
            return Err(HttpError::Answer { expected, got });
        };
        let Ok(mut data) = frame?.into_data() else { continue };
        let wanted = usize::try_from(left).unwrap_or(usize::MAX);
        if data.len() > wanted {
            if !whole {
                let expected = format!("{} bytes", fetch.length);
                return Err(HttpError::Answer { expected, got: "more".to_owned() });
            }
            data.truncate(wanted);
        }
        left -= data.len() as u64;
        reports.counters().web_seed_body.fetch_add(data.len() as u64, std::sync::atomic::Ordering::Relaxed);
        if reports.data(fetch.conn, data).await.is_err() {
            return Ok(());
        }
    }
    // Its end, without which the next request would wait; a server that sends more than it said is not kept.
    if !whole && matches!(timeout(SILENT_MAX, body.frame()).await, Ok(None)) {
        kept.give_back();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_is_no_refusal() {
        for (status, refused) in
            [(404, true), (403, true), (408, false), (429, false), (500, false), (503, false)]
        {
            let error = HttpError::Status(StatusCode::from_u16(status).unwrap());
            let told = failure(&error);
            assert_eq!(matches!(told, EffectFailure::Refused(_)), refused, "{told:?}");
            assert!(told.to_string().contains(&status.to_string()), "{told:?}");
        }
    }
}
