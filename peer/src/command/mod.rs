//! The verbs, one a file.

pub(crate) mod compare;
pub(crate) mod completions;
mod copy;
pub(crate) mod create;
pub(crate) mod download;
mod http;
pub(crate) mod info;
pub(crate) mod seed;
mod signals;
mod sources;
pub(crate) mod stress;
mod target;
