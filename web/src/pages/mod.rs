//! One file a view. A page wires state to components.

pub mod account;
pub mod admin;
pub mod compare;
pub mod compare_tab;
pub mod dashboard;
pub mod settings;
pub mod share;
pub mod transfer;
pub mod transfers;
