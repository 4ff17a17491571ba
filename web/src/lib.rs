//! The browser peer.
