//! The only place with quirks of the browser's own interfaces.

pub mod clock;
pub mod error;
pub mod files;
pub mod listener;
pub mod locks;
pub mod message;
pub mod scope;
pub mod timer;
pub mod wake_lock;

pub use error::JsError;
