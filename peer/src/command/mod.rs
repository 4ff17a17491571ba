//! The verbs, one a file.

pub(crate) mod completions;
mod copy;
pub(crate) mod create;
pub(crate) mod info;
mod sources;
mod target;
