//! The real binary, as people and scripts use it.

mod create;
mod frame;
mod support;
mod transfer;
mod web;
