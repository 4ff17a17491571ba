//! Values as they are typed.

pub(crate) use peer::quantity::{duration, rate, size};
use shared::url;

/// An announce URL.
pub(crate) fn tracker(text: &str) -> Result<String, url::UrlError> {
    url::check(text, url::TRACKER_SCHEMES)
}

/// A URL of the web.
pub(crate) fn web(text: &str) -> Result<String, url::UrlError> {
    url::check(text, url::WEB_SCHEMES)
}
