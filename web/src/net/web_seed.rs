//! One request to a web seed: a range of a file, as a stream.
//!
//! Sent without cookies, but to our own server, which may want a login, and without a referrer, and not led elsewhere by a redirect: a script cannot look where one leads
//! before it follows it. A server of another origin has to allow the page (CORS), as for any request of a script.

use bytes::Bytes;
use js_sys::Uint8Array;
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    AbortSignal, Headers, ReadableStreamDefaultReader, ReferrerPolicy, Request, RequestCache,
    RequestCredentials, RequestInit, RequestMode, RequestRedirect, Response,
};

use crate::platform::{JsError, scope};

/// Why a request gave less than it should.
#[derive(Debug)]
pub enum FetchError {
    /// The server answered, but not with the range: in its words.
    Refused(String),
    /// It could not be reached, or broke off.
    Failed(JsError),
}

impl From<JsError> for FetchError {
    fn from(error: JsError) -> Self {
        Self::Failed(error)
    }
}

impl From<JsValue> for FetchError {
    fn from(value: JsValue) -> Self {
        Self::Failed(value.into())
    }
}

/// A range that is on its way.
pub struct Range {
    reader: ReadableStreamDefaultReader,
    left: u64,
}

impl Range {
    /// Asks for `length` bytes (at least 1) from `offset` of what lies at `url`; answers once its first bytes may come.
    pub async fn open(url: &str, offset: u64, length: u64, signal: &AbortSignal) -> Result<Self, FetchError> {
        let headers = Headers::new()?;
        headers.set("Range", &format!("bytes={offset}-{}", offset + length - 1))?;
        let init = RequestInit::new();
        init.set_headers(&headers);
        init.set_mode(RequestMode::Cors);
        init.set_credentials(RequestCredentials::SameOrigin);
        init.set_redirect(RequestRedirect::Error);
        init.set_cache(RequestCache::NoStore);
        init.set_referrer_policy(ReferrerPolicy::NoReferrer);
        init.set_signal(Some(signal));
        let request = Request::new_with_str_and_init(url, &init)?;
        let response = JsFuture::from(scope::worker()?.fetch_with_request(&request)).await?;
        let response: Response = response.unchecked_into();
        // The whole file is as good, where it begins with what was asked for.
        if !(response.status() == 206 || (response.status() == 200 && offset == 0)) {
            let words = format!("{} {}", response.status(), response.status_text());
            return Err(FetchError::Refused(words.trim_end().to_owned()));
        }
        let body = response.body().ok_or_else(|| JsError::unexpected("expected a body, got none"))?;
        Ok(Self { reader: body.get_reader().unchecked_into(), left: length })
    }

    /// The next bytes; `None` once all came.
    pub async fn next(&mut self) -> Result<Option<Bytes>, FetchError> {
        if self.left == 0 {
            // Of a whole file, more may follow; nobody waits for what this leads to.
            let _ = self.reader.cancel();
            return Ok(None);
        }
        let read = JsFuture::from(self.reader.read()).await?;
        if scope::property(&read, "done").is_truthy() {
            let why = format!("the answer ended {} bytes too early", self.left);
            return Err(JsError::unexpected(why).into());
        }
        let chunk: Uint8Array = scope::property(&read, "value").unchecked_into();
        let taken = u64::from(chunk.length()).min(self.left);
        self.left -= taken;
        Ok(Some(Bytes::from(chunk.subarray(0, taken as u32).to_vec())))
    }
}
