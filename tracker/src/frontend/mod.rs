//! Protocols towards peers: each parses and writes one, and decides nothing.

pub(crate) mod ws;
