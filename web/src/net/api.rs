//! Calls of our own server's API: JSON there and back, with the login's cookie.

use js_sys::Function;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Headers, Request, RequestCache, RequestCredentials, RequestInit, RequestRedirect, Response};

use crate::platform::JsError;
use crate::platform::scope::property;

/// Why a call gave nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The server's word for it; `unreachable` where it could not be asked.
    pub code: String,
    /// In its words.
    pub message: String,
    /// Seconds after which to try again, if it says so.
    pub retry_after: Option<u64>,
}

impl From<JsError> for Refused {
    fn from(error: JsError) -> Self {
        Self { code: "unreachable".to_owned(), message: error.to_string(), retry_after: None }
    }
}

impl From<JsValue> for Refused {
    fn from(value: JsValue) -> Self {
        JsError::from(value).into()
    }
}

/// Calls `path` of this origin, from the page or a worker.
pub async fn call<T: DeserializeOwned>(method: &str, path: &str, body: Option<&Value>) -> Result<T, Refused> {
    let init = RequestInit::new();
    init.set_method(method);
    init.set_credentials(RequestCredentials::SameOrigin);
    init.set_redirect(RequestRedirect::Error);
    init.set_cache(RequestCache::NoStore);
    if let Some(body) = body {
        let headers = Headers::new()?;
        headers.set("content-type", "application/json")?;
        init.set_headers(&headers);
        init.set_body(&JsValue::from_str(&body.to_string()));
    }
    let request = Request::new_with_str_and_init(path, &init)?;
    let global = js_sys::global();
    let fetch: Function =
        property(&global, "fetch").dyn_into().map_err(|_| JsError::unexpected("expected fetch"))?;
    let asked: js_sys::Promise = fetch.call1(&global, &request)?.unchecked_into();
    let response: Response = JsFuture::from(asked).await?.unchecked_into();
    let text = JsFuture::from(response.text()?).await?.as_string().unwrap_or_default();
    if !response.ok() {
        return Err(refused(&text, response.status()));
    }
    let unreadable = |error: serde_json::Error| JsError::unexpected(format!("expected JSON: {error}"));
    Ok(serde_json::from_str(&text).map_err(unreadable)?)
}

fn refused(text: &str, status: u16) -> Refused {
    #[derive(Deserialize)]
    struct Body {
        error: Said,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Said {
        code: String,
        message: String,
        retry_after: Option<u64>,
    }
    match serde_json::from_str(text) {
        Ok(Body { error: Said { code, message, retry_after } }) => Refused { code, message, retry_after },
        Err(_) => Refused {
            code: "unexpected".to_owned(),
            message: ["status ", &status.to_string()].concat(),
            retry_after: None,
        },
    }
}
