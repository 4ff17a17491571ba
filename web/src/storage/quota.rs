//! How much this origin may store.

use wasm_bindgen::JsCast as _;
use wasm_bindgen_futures::JsFuture;
use web_sys::StorageEstimate;

use crate::client::Quota;
use crate::platform::{JsError, scope};

/// What the browser says; `None` where it does not.
pub async fn estimate() -> Option<Quota> {
    let asked = scope::storage()?.estimate().ok()?;
    let estimate: StorageEstimate = JsFuture::from(asked).await.ok()?.unchecked_into();
    let quota = estimate.get_quota()? as u64;
    Some(Quota { quota, usage: estimate.get_usage().unwrap_or_default() as u64 })
}

/// Whether it is the exception of a full quota or disk.
pub fn is_full(error: &JsError) -> bool {
    error.is("QuotaExceededError")
        || error.is("NoModificationAllowedError") && error.message.contains("space")
}
