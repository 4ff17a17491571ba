//! Where things are, and the cargo that started this command.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

/// The checkout that `cargo xtask` was started in.
#[derive(Debug)]
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    /// Cargo's target directory of the native build.
    pub(crate) target: PathBuf,
}

impl Workspace {
    pub(crate) fn find() -> Result<Self> {
        // Cargo sets the variable for `cargo run`; the value of build time serves an executable that is started by hand.
        let manifest = env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        let root = Path::new(&manifest).parent().context("xtask/ has no parent directory")?.to_path_buf();
        let target = match env::var_os("CARGO_TARGET_DIR") {
            Some(directory) => env::current_dir().context("no working directory")?.join(directory),
            None => root.join("target"),
        };
        Ok(Self { root, target })
    }

    /// Where the page is built, apart from the native build: the two never wait for, nor rebuild, one another.
    pub(crate) fn page_target(&self) -> PathBuf {
        self.target.join("page")
    }

    /// The page as the tracker embeds it.
    pub(crate) fn dist(&self) -> PathBuf {
        self.root.join("dist")
    }

    /// The native cargo, in the root, without the variables of the `cargo run` that started this command.
    pub(crate) fn cargo(&self) -> Command {
        let mut cargo = Command::new(cargo_program());
        cargo.current_dir(&self.root).env("CARGO_TARGET_DIR", &self.target);
        forget_own_package(&mut cargo);
        cargo
    }

    /// `path` as seen from the root, for messages.
    pub(crate) fn display(&self, path: &Path) -> String {
        path.strip_prefix(&self.root).unwrap_or(path).display().to_string()
    }
}

pub(crate) fn cargo_program() -> OsString {
    env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// Removes what `cargo run` tells its program about xtask's own package.
pub(crate) fn forget_own_package(command: &mut Command) {
    for (name, _) in env::vars_os() {
        let of_package = name.to_str().is_some_and(|name| {
            name.starts_with("CARGO_PKG_")
                || name.starts_with("CARGO_MANIFEST_")
                || name.starts_with("CARGO_BIN_")
        });
        if of_package {
            command.env_remove(name);
        }
    }
}
