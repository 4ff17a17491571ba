//! Running the binary.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

/// The binary, with no settings of whoever runs the tests.
pub(crate) fn peer() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_peer"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PIECEMEAL_") {
            command.env_remove(name);
        }
    }
    command
}

/// Runs it to its end in a directory.
pub(crate) fn run(directory: &Path, arguments: &[&str]) -> Ran {
    Ran::of(&peer().current_dir(directory).args(arguments).output().expect("it runs"))
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    pub(crate) fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        Self { code: output.status.code().unwrap_or(-1), stdout, stderr }
    }

    /// The one JSON object that `--json` leaves on standard output.
    pub(crate) fn json(&self) -> Value {
        let value: Value =
            serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"));
        assert_eq!(value["ok"], self.code == 0, "{self:?}");
        value
    }
}

/// Bytes that look like nothing, the same for the same seed.
pub(crate) fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}
