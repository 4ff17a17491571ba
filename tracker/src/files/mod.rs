//! `/files/`.
use crate::error::StartError;
use crate::html;
use axum::response::Response;
use std::path::Path;
/// Files.
#[derive(Debug)]
pub(crate) struct Files;
impl Files {
    pub(crate) fn new(_directory: &Path, _data: Option<&Path>) -> Result<Self, StartError> {
        Ok(Self)
    }
}
pub(crate) async fn redirect() -> Response {
    html::not_found()
}
pub(crate) async fn serve() -> Response {
    html::not_found()
}
