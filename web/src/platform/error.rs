//! What JavaScript throws, as a value of ours.

use wasm_bindgen::{JsCast as _, JsValue};

/// Something that the browser threw or rejected with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {message}")]
pub struct JsError {
    /// Name of the exception (`QuotaExceededError`, `NotReadableError`, `TypeError` …).
    pub name: String,
    /// In the browser's words.
    pub message: String,
}

impl JsError {
    /// An error of our own making, for what the browser answers in a way that it should not.
    pub fn unexpected(message: impl Into<String>) -> Self {
        Self { name: "Unexpected".to_owned(), message: message.into() }
    }

    /// Whether it is the exception of this name.
    pub fn is(&self, name: &str) -> bool {
        self.name == name
    }
}

impl From<JsValue> for JsError {
    fn from(value: JsValue) -> Self {
        if let Some(exception) = value.dyn_ref::<web_sys::DomException>() {
            return Self { name: exception.name(), message: exception.message() };
        }
        if let Some(error) = value.dyn_ref::<js_sys::Error>() {
            return Self { name: error.name().into(), message: error.message().into() };
        }
        Self { name: "Thrown".to_owned(), message: value.as_string().unwrap_or_else(|| format!("{value:?}")) }
    }
}

impl From<postcard::Error> for JsError {
    fn from(error: postcard::Error) -> Self {
        Self { name: "Message".to_owned(), message: error.to_string() }
    }
}
