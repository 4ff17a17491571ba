//! `/api/account`: what an account does for itself. JSON in, JSON out; an error is
//! `{"error": {"code", "message", "retryAfter"}}`.
//!
//! A login is a cookie that no script reads; everything that changes something is taken from our own page alone, or from a
//! program that is no browser ([`crate::account::check_origin`]).

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{ConnectInfo, DefaultBodyLimit, FromRequest, FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use http::StatusCode;
use http::header::{self, HeaderMap, HeaderValue};
use http::request::Parts;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::accounts;
use crate::account::{
    AccountError, Accounts, Credential, Foreign, LOGIN_SECONDS, Me, Wish, check_origin, of_cookie,
    of_download, set_cookie,
};
use crate::listener::connection::Use;
use crate::policy::who::Denied;
use crate::state::AppState;
use crate::{files, host, html};

/// Longest body: a list of a few hundred names.
const BODY_MAX: usize = 16 * 1024;

/// Everything below `/api/account`, and what admins have beside it.
pub(crate) fn router() -> Router<Arc<AppState>> {
    Router::new()
        .route("/api/account", get(account))
        .route("/api/account/register", post(register))
        .route("/api/account/login", post(login))
        .route("/api/account/logout", post(logout))
        .route("/api/account/password", post(password))
        .route("/api/account/passkey", post(passkey))
        .route("/api/account/token", post(token))
        .merge(accounts::router())
        .layer(DefaultBodyLimit::max(BODY_MAX))
}

/// Why nothing was done, as it is sent.
pub(super) enum ApiError {
    Account(AccountError),
    Foreign(Foreign),
    Body(String),
    Misled,
}

impl<E: Into<AccountError>> From<E> for ApiError {
    fn from(error: E) -> Self {
        Self::Account(error.into())
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        match self {
            Self::Account(error) => {
                if error.status() == StatusCode::INTERNAL_SERVER_ERROR {
                    tracing::warn!(%error, "accounts");
                }
                failed(error.status(), error.code(), &error.to_string(), error.retry_after())
            }
            Self::Foreign(Foreign::Site) => {
                failed(StatusCode::FORBIDDEN, "foreign_site", "another website asked for this", None)
            }
            Self::Foreign(Foreign::NotJson) => {
                let text = "expected Content-Type: application/json";
                failed(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not_json", text, None)
            }
            Self::Body(text) => failed(StatusCode::BAD_REQUEST, "body_invalid", &text, None),
            Self::Misled => host::misled().into_response(),
        }
    }
}

fn failed(status: StatusCode, code: &str, message: &str, retry_after: Option<u64>) -> Response {
    let body = json!({ "error": { "code": code, "message": message, "retryAfter": retry_after } });
    let mut response = (status, Json(body)).into_response();
    let headers = response.headers_mut();
    if let Some(seconds) = retry_after {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if status == StatusCode::UNAUTHORIZED {
        // Never `Basic`: a browser would ask for the password in a window of its own, and keep it.
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"piecemeal\""));
    }
    response
}

/// Who asks: the address, and what the cookie says.
pub(super) struct Caller {
    remote: SocketAddr,
    is_tls: bool,
    /// Whether the browser sees TLS, which a proxy may have taken off.
    is_secure: bool,
    headers: HeaderMap,
}

impl FromRequestParts<Arc<AppState>> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<AppState>) -> Result<Self, ApiError> {
        if host::is_misled(&state.config, &parts.uri, &parts.headers) {
            return Err(ApiError::Misled);
        }
        let Some(ConnectInfo(remote)) = parts.extensions.get().copied() else {
            return Err(ApiError::Body("expected an address".to_owned()));
        };
        let is_tls = parts.extensions.get::<Use>().is_some_and(Use::is_tls);
        if !parts.method.is_safe() {
            check_origin(&parts.method, &parts.uri, &parts.headers, is_tls).map_err(ApiError::Foreign)?;
        }
        let origin = parts.headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok());
        let is_secure = is_tls || origin.is_some_and(|origin| origin.starts_with("https://"));
        Ok(Self { remote, is_tls, is_secure, headers: parts.headers.clone() })
    }
}

impl Caller {
    fn me(&self, accounts: &Accounts) -> Result<Me, AccountError> {
        accounts.me(of_cookie(&self.headers, self.is_tls))
    }

    pub(super) fn admin(&self, accounts: &Accounts) -> Result<Me, AccountError> {
        accounts.admin(of_cookie(&self.headers, self.is_tls))
    }

    /// With the cookie of a login that lasts so long.
    fn with_cookie(&self, token: &str, seconds: i64, body: Value) -> Response {
        let mut response = Json(body).into_response();
        if let Ok(cookie) = HeaderValue::from_str(&set_cookie(token, self.is_secure, seconds)) {
            response.headers_mut().insert(header::SET_COOKIE, cookie);
        }
        response
    }
}

/// A JSON body; what is wrong with it is said in our own form.
pub(super) struct Posted<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Arc<AppState>> for Posted<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &Arc<AppState>) -> Result<Self, ApiError> {
        let bytes =
            Bytes::from_request(request, state).await.map_err(|error| ApiError::Body(error.to_string()))?;
        serde_json::from_slice(&bytes)
            .map(Self)
            .map_err(|error| ApiError::Body(format!("expected JSON: {error}")))
    }
}

fn shown(me: &Me) -> Value {
    json!({
        "name": me.member.name,
        "role": me.member.role,
        "groups": me.member.groups,
        "passkey": me.passkey.to_text(),
    })
}

/// Whether there are accounts, and who is logged in. Whether the first is still to be made.
async fn account(State(state): State<Arc<AppState>>, caller: Caller) -> Response {
    let Some((required, registration)) = state.accounts.describe() else { return html::not_found() };
    let me = caller.me(&state.accounts).ok();
    Json(json!({
        "required": required,
        "registration": registration,
        "isFirst": state.accounts.setup_code().is_some(),
        "account": me.as_ref().map(shown),
    }))
    .into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Register {
    name: String,
    password: String,
    invitation: Option<String>,
}

async fn register(
    State(state): State<Arc<AppState>>,
    caller: Caller,
    Posted(Register { name, password, invitation }): Posted<Register>,
) -> Result<Response, ApiError> {
    let (now, ip) = (state.clock.now(), caller.remote.ip());
    let token = state.accounts.register(now, ip, &name, password, invitation.as_deref()).await?;
    let me = state.accounts.me(Some(token))?;
    Ok(caller.with_cookie(&token.to_text(), LOGIN_SECONDS, json!({ "account": shown(&me) })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Login {
    name: String,
    password: String,
}

async fn login(
    State(state): State<Arc<AppState>>,
    caller: Caller,
    Posted(Login { name, password }): Posted<Login>,
) -> Result<Response, ApiError> {
    let (now, ip) = (state.clock.now(), caller.remote.ip());
    let token = state.accounts.log_in(now, ip, &name, password).await?;
    let me = state.accounts.me(Some(token))?;
    Ok(caller.with_cookie(&token.to_text(), LOGIN_SECONDS, json!({ "account": shown(&me) })))
}

/// Ends the login, and has the browser forget it, whether it still held or not.
async fn logout(State(state): State<Arc<AppState>>, caller: Caller) -> Result<Response, ApiError> {
    if let Ok(me) = caller.me(&state.accounts) {
        state.accounts.log_out(&me).await?;
    }
    Ok(caller.with_cookie("", 0, json!({})))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewPassword {
    current: String,
    new: String,
}

async fn password(
    State(state): State<Arc<AppState>>,
    caller: Caller,
    Posted(NewPassword { current, new }): Posted<NewPassword>,
) -> Result<Response, ApiError> {
    let me = caller.me(&state.accounts)?;
    let (now, ip) = (state.clock.now(), caller.remote.ip());
    let token = state.accounts.change_password(now, ip, &me, (current, new)).await?;
    let me = state.accounts.me(Some(token))?;
    Ok(caller.with_cookie(&token.to_text(), LOGIN_SECONDS, json!({ "account": shown(&me) })))
}

/// Renews the passkey.
async fn passkey(State(state): State<Arc<AppState>>, caller: Caller) -> Result<Json<Value>, ApiError> {
    let me = caller.me(&state.accounts)?;
    let passkey = state.accounts.renew_passkey(&me).await?;
    Ok(Json(json!({ "passkey": passkey.to_text() })))
}

/// A token for one WebSocket, and the seconds in which to open it.
async fn token(State(state): State<Arc<AppState>>, caller: Caller) -> Result<Json<Value>, ApiError> {
    let me = caller.me(&state.accounts)?;
    let (token, seconds) = state.accounts.token(&me)?;
    Ok(Json(json!({ "token": token.to_text(), "expiresIn": seconds })))
}

/// Before every download: refused without an account where one is needed. Beside the request is put what it shows, for
/// the question which torrent it may have.
pub(crate) async fn downloads(
    State(state): State<Arc<AppState>>,
    mut request: Request,
    next: Next,
) -> Response {
    let is_tls = request.extensions().get::<Use>().is_some_and(Use::is_tls);
    let credential = of_download(request.headers(), is_tls);
    // A browser asks so before it sends a request to another of our ports, and shows nothing.
    let is_preflight = request.method() == http::Method::OPTIONS;
    if !is_preflight && let Err(denied) = state.accounts.may(credential, Wish::Download(None)) {
        let mut response = refused(denied, request.headers());
        files::cors::allow(&state, request.uri(), request.headers(), response.headers_mut());
        return response;
    }
    request.extensions_mut().insert::<Credential>(credential);
    next.run(request).await
}

/// What is said to a download that is not granted: a page to people, JSON to programs.
pub(crate) fn refused(denied: Denied, headers: &HeaderMap) -> Response {
    let error = AccountError::from(denied);
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    if !accept.contains("text/html") {
        return ApiError::Account(error).into_response();
    }
    let text = html::escape(&error.to_string());
    let body = match denied.wants_login() {
        true => {
            format!("<p>{text}.</p><p><a href=\"/#/account\">Log in</a>, then come back to this address.</p>")
        }
        false => format!("<p>{text}.</p>"),
    };
    let title = if denied.wants_login() { "Log in first" } else { "Not for you" };
    let page: http::Response<Body> = html::page(error.status(), title, &body);
    page.into_response()
}
