//! The global object, on the page and in a worker.

use js_sys::Reflect;
use wasm_bindgen::{JsCast as _, JsValue};
use web_sys::{DedicatedWorkerGlobalScope, StorageManager};

use super::JsError;

/// The scope of the dedicated worker that this runs in.
pub fn worker() -> Result<DedicatedWorkerGlobalScope, JsError> {
    js_sys::global()
        .dyn_into::<DedicatedWorkerGlobalScope>()
        .map_err(|_| JsError::unexpected("expected to run in a dedicated worker"))
}

/// The page's window.
pub fn window() -> Result<web_sys::Window, JsError> {
    web_sys::window().ok_or_else(|| JsError::unexpected("expected to run on a page"))
}

/// A property of `object`, however its type is called here; `undefined` where it has none.
pub fn property(object: &JsValue, name: &str) -> JsValue {
    Reflect::get(object, &JsValue::from_str(name)).unwrap_or(JsValue::UNDEFINED)
}

/// `navigator` of either kind of scope.
pub fn navigator() -> JsValue {
    property(&js_sys::global(), "navigator")
}

/// `navigator.storage`; absent outside a secure context.
pub fn storage() -> Option<StorageManager> {
    let storage = property(&navigator(), "storage");
    (!storage.is_undefined()).then(|| storage.unchecked_into())
}

/// Threads that the machine runs at once, as the browser tells; at least 1.
pub fn hardware_concurrency() -> u32 {
    property(&navigator(), "hardwareConcurrency").as_f64().map_or(1, |cores| (cores as u32).max(1))
}

/// Random bytes of the browser's generator, for seeds and for URLs that nobody may guess.
pub fn random_bytes<const N: usize>() -> Result<[u8; N], JsError> {
    let crypto = property(&js_sys::global(), "crypto");
    let fill: js_sys::Function = property(&crypto, "getRandomValues")
        .dyn_into()
        .map_err(|_| JsError::unexpected("expected crypto.getRandomValues"))?;
    let view = js_sys::Uint8Array::new_with_length(N as u32);
    fill.call1(&crypto, &view)?;
    let mut bytes = [0; N];
    view.copy_to(&mut bytes);
    Ok(bytes)
}
