//! Metainfo (BEP 3): what a `.torrent` holds.

/// Metainfo of a torrent, parsed and checked.
#[derive(Debug)]
pub struct Metainfo {}
