//! What happened, in order, as text: equal for equal seeds.

use std::fmt::Write as _;

use shared::engine::{Effect, EffectResult, Event, Input, Output};
use shared::time::Instant;

/// Lines of everything that went into and came out of every engine.
#[derive(Debug, Default)]
pub struct Log {
    text: String,
    off: bool,
}

impl Log {
    /// A log that keeps nothing.
    pub(crate) fn off() -> Self {
        Self { text: String::new(), off: true }
    }

    /// All lines so far.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The last `lines` lines, for a failure's message.
    pub fn tail(&self, lines: usize) -> String {
        let all: Vec<&str> = self.text.lines().collect();
        all[all.len().saturating_sub(lines)..].join("\n")
    }

    pub(crate) fn input(&mut self, now: Instant, host: usize, input: &Input) {
        if self.off {
            return;
        }
        let _ = write!(self.text, "{now} {host} <- ");
        let _ = match input {
            Input::Timeout => writeln!(self.text, "timeout"),
            Input::Command(command) => writeln!(self.text, "{command:?}"),
            Input::ConnectionOpened { conn, max_message } => {
                writeln!(self.text, "opened {conn} {max_message}")
            }
            Input::ConnectionIncoming { conn, address, info_hash } => {
                writeln!(self.text, "incoming {conn} {address} {info_hash}")
            }
            Input::ConnectionData { conn, data } => {
                writeln!(self.text, "data {conn} {} {:08x}", data.len(), sum(data))
            }
            Input::ConnectionWritable { conn, buffered } => writeln!(self.text, "writable {conn} {buffered}"),
            Input::ConnectionClosed { conn, by } => writeln!(self.text, "closed {conn} {by:?}"),
            Input::TrackerOpened(tracker) => writeln!(self.text, "tracker {tracker} opened"),
            Input::TrackerMessage { tracker, text } => {
                writeln!(self.text, "tracker {tracker} {} {:08x}", text.len(), sum(text.as_bytes()))
            }
            Input::TrackerClosed { tracker, reason } => {
                writeln!(self.text, "tracker {tracker} closed {reason}")
            }
            Input::EffectDone { id, result } => match result {
                EffectResult::Bytes(bytes) => {
                    writeln!(self.text, "done {id} {} {:08x}", bytes.len(), sum(bytes))
                }
                other => writeln!(self.text, "done {id} {other:?}"),
            },
        };
    }

    pub(crate) fn output(&mut self, now: Instant, host: usize, output: &Output) {
        if self.off {
            return;
        }
        let _ = write!(self.text, "{now} {host} -> ");
        let _ = match output {
            Output::Timeout(Some((at, timer))) => writeln!(self.text, "until {at} {timer:?}"),
            Output::Timeout(None) => writeln!(self.text, "until never"),
            Output::Send { conn, data } => {
                writeln!(self.text, "send {conn} {} {:08x}", data.len(), sum(data))
            }
            Output::Close { conn, reason } => writeln!(self.text, "close {conn} {reason}"),
            Output::Dial { conn, address } => writeln!(self.text, "dial {conn} {address}"),
            Output::TrackerConnect { tracker, url } => writeln!(self.text, "connect {tracker} {url}"),
            Output::TrackerSend { tracker, text } => {
                writeln!(self.text, "tell {tracker} {} {:08x}", text.len(), sum(text.as_bytes()))
            }
            Output::TrackerClose(tracker) => writeln!(self.text, "tracker {tracker} close"),
            Output::Effect { id, effect } => self.effect(id.0, effect),
            Output::Event(event) => match event {
                Event::PieceVerified { piece, .. } => writeln!(self.text, "verified {piece}"),
                other => writeln!(self.text, "{other:?}"),
            },
        };
    }

    /// A line of the world's own: a fault, a restart.
    pub(crate) fn note(&mut self, now: Instant, what: &str) {
        if self.off {
            return;
        }
        let _ = writeln!(self.text, "{now} ** {what}");
    }

    fn effect(&mut self, id: u64, effect: &Effect) -> std::fmt::Result {
        match effect {
            Effect::Open { .. } => writeln!(self.text, "effect {id} open"),
            Effect::Read { offset, length, .. } => writeln!(self.text, "effect {id} read {offset}+{length}"),
            Effect::Hash { blocks } => writeln!(self.text, "effect {id} hash {} blocks", blocks.len()),
            Effect::Check { offset, length, .. } => {
                writeln!(self.text, "effect {id} check {offset}+{length}")
            }
            Effect::Write { offset, blocks, .. } => {
                writeln!(self.text, "effect {id} write {offset} {} blocks", blocks.len())
            }
            Effect::Persist { record, .. } => {
                writeln!(self.text, "effect {id} persist {} {:08x}", record.len(), sum(record))
            }
            Effect::Close { erase, .. } => writeln!(self.text, "effect {id} close erase={erase}"),
            Effect::Offer { conn } => writeln!(self.text, "effect {id} offer {conn}"),
            Effect::Answer { conn, .. } => writeln!(self.text, "effect {id} answer {conn}"),
            Effect::Announce { url, .. } => writeln!(self.text, "effect {id} announce {url}"),
            Effect::Fetch { conn, url, offset, length } => {
                writeln!(self.text, "effect {id} fetch {conn} {url} {offset}+{length}")
            }
            Effect::Accept { conn, .. } => writeln!(self.text, "effect {id} accept {conn}"),
        }
    }
}

/// FNV-1a: enough to tell two payloads apart in a log.
fn sum(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |sum, byte| (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}
