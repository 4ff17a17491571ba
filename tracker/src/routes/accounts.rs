//! What admins decide: `/api/accounts`, `/api/invitations`, `/api/permissions`.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::routing::{get, patch, post, put};
use axum::{Json, Router};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use shared::id::InfoHash;

use super::account::{ApiError, Caller, Posted};
use crate::account::{AccountError, Change};
use crate::policy::who::{AccountId, Audience, Role};
use crate::state::AppState;

/// Most characters of a torrent's title.
const TITLE_MAX: usize = 200;

pub(super) fn router() -> Router<Arc<AppState>> {
    Router::new()
        .route("/api/accounts", get(list).post(add))
        .route("/api/accounts/{id}", patch(change))
        .route("/api/accounts/{id}/password", post(reset_password))
        .route("/api/invitations", post(invite))
        .route("/api/permissions", get(permissions))
        .route("/api/permissions/{info_hash}", put(permit).delete(unpermit))
}

/// All accounts.
async fn list(State(state): State<Arc<AppState>>, caller: Caller) -> Result<Json<Value>, ApiError> {
    caller.admin(&state.accounts)?;
    Ok(Json(json!({ "accounts": state.accounts.list().await? })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Add {
    name: String,
    password: String,
    #[serde(default)]
    role: Role,
}

async fn add(
    State(state): State<Arc<AppState>>,
    caller: Caller,
    Posted(Add { name, password, role }): Posted<Add>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    caller.admin(&state.accounts)?;
    state.accounts.add(&name, password, role).await?;
    Ok((StatusCode::CREATED, Json(json!({}))))
}

async fn change(
    State(state): State<Arc<AppState>>,
    Path(id): Path<i64>,
    caller: Caller,
    Posted(change): Posted<Change>,
) -> Result<Json<Value>, ApiError> {
    caller.admin(&state.accounts)?;
    state.accounts.change(AccountId(id), change).await?;
    Ok(Json(json!({})))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reset {
    password: String,
}

async fn reset_password(
    State(state): State<Arc<AppState>>,
    Path(id): Path<i64>,
    caller: Caller,
    Posted(Reset { password }): Posted<Reset>,
) -> Result<Json<Value>, ApiError> {
    caller.admin(&state.accounts)?;
    state.accounts.reset_password(AccountId(id), password).await?;
    Ok(Json(json!({})))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Invite {
    #[serde(default)]
    role: Role,
}

async fn invite(
    State(state): State<Arc<AppState>>,
    caller: Caller,
    Posted(Invite { role }): Posted<Invite>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    caller.admin(&state.accounts)?;
    let (token, seconds) = state.accounts.invite(role).await?;
    Ok((StatusCode::CREATED, Json(json!({ "invitation": token.to_text(), "expiresIn": seconds }))))
}

/// All registered torrents. `everyone`, or `accounts` and `groups`.
async fn permissions(State(state): State<Arc<AppState>>, caller: Caller) -> Result<Json<Value>, ApiError> {
    caller.admin(&state.accounts)?;
    let list = state.accounts.permissions()?;
    let shown = list.iter().map(|(info_hash, permission, accounts)| {
        let groups = match &permission.audience {
            Audience::Everyone => None,
            Audience::Only { groups, .. } => Some(groups),
        };
        json!({
            "infoHash": info_hash.to_string(),
            "title": permission.title,
            "everyone": groups.is_none(),
            "accounts": accounts,
            "groups": groups,
        })
    });
    Ok(Json(json!({ "permissions": shown.collect::<Vec<_>>() })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Permit {
    #[serde(default)]
    title: String,
    /// Whoever may announce at all may have it.
    everyone: bool,
    /// Otherwise these, by name.
    #[serde(default)]
    accounts: Vec<String>,
    #[serde(default)]
    groups: Vec<String>,
}

async fn permit(
    State(state): State<Arc<AppState>>,
    Path(info_hash): Path<String>,
    caller: Caller,
    Posted(Permit { title, everyone, accounts, groups }): Posted<Permit>,
) -> Result<Json<Value>, ApiError> {
    caller.admin(&state.accounts)?;
    let info_hash = hash(&info_hash)?;
    let title: String = title.trim().chars().take(TITLE_MAX).collect();
    let only = (!everyone).then_some((accounts, groups));
    state.accounts.permit(info_hash, title, only).await?;
    Ok(Json(json!({})))
}

async fn unpermit(
    State(state): State<Arc<AppState>>,
    Path(info_hash): Path<String>,
    caller: Caller,
) -> Result<Json<Value>, ApiError> {
    caller.admin(&state.accounts)?;
    match state.accounts.unpermit(hash(&info_hash)?).await? {
        true => Ok(Json(json!({}))),
        false => Err(AccountError::Unknown.into()),
    }
}

fn hash(text: &str) -> Result<InfoHash, ApiError> {
    text.parse().map_err(|_| ApiError::Body("expected an info-hash of 40 hexadecimal digits".to_owned()))
}
