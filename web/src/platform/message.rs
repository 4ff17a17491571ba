//! Messages between threads: a value of ours and, beside it, handles that only the browser can carry.
//!
//! The value travels as bytes (postcard): both ends are one build, so nothing has to name its fields, and it takes a
//! fraction of the code and the time that building JavaScript objects takes.

use js_sys::{Array, Uint8Array};
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
        let bytes = postcard::to_allocvec(message)?;
        let envelope = Array::of1(&Uint8Array::from(&bytes[..]));
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
    let bytes = Uint8Array::new(&envelope.get(0)).to_vec();
    let message = postcard::from_bytes(&bytes)?;
    Ok((message, envelope.iter().skip(1).collect()))
}
