//! Messages between threads: a value of ours and, beside it, handles that only the browser can carry.

use js_sys::Array;
use serde::Serialize;
use serde::de::DeserializeOwned;
use wasm_bindgen::JsValue;
use web_sys::{DedicatedWorkerGlobalScope, Worker};

use super::JsError;

/// Something that a message can be posted to.
pub trait Port {
    /// Posts `data`, giving away what `transfer` lists.
    fn post_raw(&self, data: &JsValue, transfer: &Array) -> Result<(), JsError>;

    /// Posts a message with handles beside it. Those in `moved` are transferred, those in `cloned` are not.
    fn post<T: Serialize>(&self, message: &T, moved: &[JsValue], cloned: &[JsValue]) -> Result<(), JsError> {
        let envelope = Array::of1(&serde_wasm_bindgen::to_value(message)?);
        let transfer = Array::new();
        for handle in moved {
            envelope.push(handle);
            transfer.push(handle);
        }
        for handle in cloned {
            envelope.push(handle);
        }
        self.post_raw(&envelope, &transfer)
    }
}

impl Port for Worker {
    fn post_raw(&self, data: &JsValue, transfer: &Array) -> Result<(), JsError> {
        Ok(self.post_message_with_transfer(data, transfer)?)
    }
}

impl Port for DedicatedWorkerGlobalScope {
    fn post_raw(&self, data: &JsValue, transfer: &Array) -> Result<(), JsError> {
        Ok(self.post_message_with_transfer(data, transfer)?)
    }
}

/// Takes apart what [`Port::post`] made.
pub fn open<T: DeserializeOwned>(data: JsValue) -> Result<(T, Vec<JsValue>), JsError> {
    let envelope = Array::from(&data);
    let message = serde_wasm_bindgen::from_value(envelope.get(0))?;
    Ok((message, envelope.iter().skip(1).collect()))
}
