//! What the tracker answers besides the page and the files.

pub(crate) mod account;
mod accounts;
pub(crate) mod api;
pub(crate) mod compare;
pub(crate) mod config;
pub(crate) mod dashboard;
pub(crate) mod health;
pub(crate) mod metrics;
pub(crate) mod stats;
