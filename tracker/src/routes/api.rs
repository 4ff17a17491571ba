//! `/api`: all that this server answers, as a list and as an OpenAPI document.

use axum::Json;
use axum::response::IntoResponse;
use http::header;
use serde_json::{Value, json};

/// The document. It is written by hand: what the handlers answer is mostly not JSON. Tests hold it against the routes.
const OPENAPI: &str = include_str!("openapi.json");

/// The OpenAPI document.
pub(crate) async fn openapi() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], OPENAPI)
}

/// Path, method and purpose of everything, from the same document.
pub(crate) async fn index() -> Json<Value> {
    let document: Value = serde_json::from_str(OPENAPI).unwrap_or_default();
    let mut endpoints = Vec::new();
    for (path, methods) in document["paths"].as_object().into_iter().flatten() {
        for (method, operation) in methods.as_object().into_iter().flatten() {
            endpoints.push(json!({
                "path": path,
                "method": method.to_uppercase(),
                "summary": operation["summary"],
            }));
        }
    }
    Json(
        json!({ "openapi": "/api/openapi.json", "version": env!("CARGO_PKG_VERSION"), "endpoints": endpoints }),
    )
}
