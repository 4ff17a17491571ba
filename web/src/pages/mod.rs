//! One file a view. A page wires state to components.

pub mod settings;
pub mod share;
pub mod transfer;
pub mod transfers;
