//! Announces over HTTP (BEP 3, 7, 23).

use std::time::Duration;

use http_body_util::{BodyExt as _, Limited};
use shared::engine::{EffectFailure, EffectResult};
use shared::limits;
use shared::tracker::AnnounceRequest;
use shared::tracker::http::{ReplyError, announce_url, parse_announce_reply};
use tokio::time::timeout;

use super::http::Http;

/// How long an announce may take, name, connection and reply together.
const WITHIN: Duration = Duration::from_secs(60);

/// Announces; what came of it is the effect's result.
pub(crate) async fn announce(http: &Http, url: &str, request: &AnnounceRequest) -> EffectResult {
    let asked = timeout(WITHIN, ask(http, &announce_url(url, request))).await;
    let failure = match asked {
        Ok(Ok(body)) => match parse_announce_reply(&body) {
            Ok(response) => return EffectResult::Announced(Box::new(response)),
            Err(ReplyError::Failure { reason, .. }) => EffectFailure::Refused(reason),
            Err(error) => EffectFailure::Failed(error.to_string()),
        },
        Ok(Err(failure)) => failure,
        Err(_) => EffectFailure::Failed("the tracker did not answer in time".to_owned()),
    };
    EffectResult::Failed(failure)
}

async fn ask(http: &Http, url: &str) -> Result<Vec<u8>, EffectFailure> {
    let failed = |error: &dyn std::fmt::Display| EffectFailure::Failed(error.to_string());
    let (response, kept) = http.get(url, None).await.map_err(|error| failed(&error))?;
    let status = response.status();
    let body = Limited::new(response.into_body(), limits::TRACKER_REPLY_MAX).collect().await;
    let body = body.map_err(|error| failed(&error))?.to_bytes();
    kept.give_back();
    // Some say why in a reply of the usual form under another status.
    if status.is_success() || body.starts_with(b"d") {
        Ok(body.to_vec())
    } else {
        Err(EffectFailure::Refused(format!("HTTP {status}")))
    }
}
