//! The engine: one way in, one way out.
//!
//! `Engine::handle_input` takes what happened; `Engine::poll_output` answers what to do, and is called until it
//! returns [`Output::Timeout`] before the next input goes in. Reading, writing, hashing, dialling and persisting are
//! [`Effect`]s with an id, whose results come back as [`Input::EffectDone`].

mod command;
mod config;
mod effect;
mod event;
mod input;
mod output;
mod snapshot;

pub use command::{Command, Origin};
pub use config::Config;
pub use effect::{Effect, EffectFailure, EffectResult, Opened};
pub use event::Event;
pub use input::{ClosedBy, Input};
pub use output::{Output, Timer};
pub use snapshot::{
    FileSnapshot, PeerSnapshot, Phase, PieceState, Snapshot, TorrentSnapshot, TrackerSnapshot, TrackerState,
    Waiting,
};
