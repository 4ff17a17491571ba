//! The verbs, one a file.

pub(crate) mod completions;
mod copy;
pub(crate) mod create;
pub(crate) mod download;
pub(crate) mod info;
pub(crate) mod seed;
mod signals;
mod sources;
mod target;
