//! Which compiler turns `web/` into WebAssembly.
//!
//! The compiler in use lacks a standard library for wasm32 on a bare machine. rustup fetches one where it can reach
//! its servers. Where it cannot, Debian's compiler builds one from the sources that Debian packages.

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;

use crate::{apt, shell};

pub(crate) const TARGET: &str = "wasm32-unknown-unknown";
/// The `rust-version` of the workspace.
const OLDEST: (u32, u32) = (1, 95);
/// About 30 MB; a machine that gets less than that in this time is better off with Debian's packages.
const DOWNLOAD_LIMIT: Duration = Duration::from_secs(180);
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_CARGO: &str = "/usr/bin/cargo";
const DEBIAN_STD: &str = "/usr/lib/rustlib/src/rust/library/std/Cargo.toml";

/// Which toolchain the user wants.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Preference {
    /// Compiler of the page; chosen by what is there when not given
    #[arg(long, value_name = "WHICH", env = "PIECEMEAL_WASM_TOOLCHAIN")]
    wasm_toolchain: Option<Kind>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// The compiler that runs this command, with rustup's wasm32 target
    Rustup,
    /// Debian's rustc-web, which compiles the standard library from rust-web-src
    Debian,
}

/// A compiler that can build for [`TARGET`].
#[derive(Debug)]
pub(crate) struct WasmToolchain {
    kind: Kind,
    /// What `rustc --version` says: part of the identity of what it builds.
    pub(crate) version: String,
    linker: Option<PathBuf>,
}

impl WasmToolchain {
    /// Finds or installs one, and says which and why.
    pub(crate) fn find(preference: &Preference) -> Result<Self> {
        match preference.wasm_toolchain {
            Some(Kind::Rustup) => rustup()?.context("rustup cannot add the wasm32 target, and only rustup was asked for"),
            Some(Kind::Debian) => debian("as asked"),
            None => match rustup()? {
                Some(toolchain) => Ok(toolchain),
                None => debian("rustup has no wasm32 target here").context(
                    "no compiler for wasm32 here: run `rustup target add wasm32-unknown-unknown` where its servers \
                     can be reached, or install Debian's rustc-web, cargo-web and rust-web-src (1.95 or newer)",
                ),
            },
        }
    }

    /// True if the page is compiled by the compiler that compiles everything else.
    pub(crate) fn is_that_of_the_workspace(&self) -> bool {
        self.kind == Kind::Rustup
    }

    /// Makes `command`, and the cargo that it starts, compile with this toolchain.
    pub(crate) fn apply(&self, command: &mut Command) {
        if self.kind == Kind::Rustup {
            return;
        }
        // The proxies of rustup and the variables that they leave behind would bring the other compiler back.
        for variable in ["RUSTUP_TOOLCHAIN", "RUSTC", "RUSTDOC", "CARGO", "RUSTC_WRAPPER", "LD_LIBRARY_PATH"]
        {
            command.env_remove(variable);
        }
        command
            .env("PATH", with_first("/usr/bin".as_ref(), &env::var_os("PATH").unwrap_or_default()))
            // `build-std` is unstable. By the environment, only the page's build sees it; a config file would reach the
            // native build as well.
            .env("RUSTC_BOOTSTRAP", "1")
            .env("CARGO_UNSTABLE_BUILD_STD", "std,panic_abort");
        if let Some(linker) = &self.linker {
            command.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
        }
    }
}

/// The search path `path` with `directory` in front.
pub(crate) fn with_first(directory: &Path, path: &OsStr) -> OsString {
    let all = std::iter::once(directory.to_path_buf()).chain(env::split_paths(path));
    env::join_paths(all).unwrap_or_else(|_| path.to_owned())
}

fn rustup() -> Result<Option<WasmToolchain>> {
    let sysroot = sysroot()?;
    let found = |why: &str| -> Result<Option<WasmToolchain>> {
        let version = version("rustc".as_ref())?;
        shell::say(&format!("the page is compiled by {version}: {why}"));
        Ok(Some(WasmToolchain { kind: Kind::Rustup, version, linker: None }))
    };
    if has_target(&sysroot) {
        return found("its wasm32 target is installed");
    }
    if debian_is_usable() {
        // Installed because rustup could not help once; trying again would cost minutes where its servers are out of reach.
        return Ok(None);
    }
    if shell::which("rustup").is_none() {
        shell::say("no rustup here to add the wasm32 target with");
        return Ok(None);
    }
    shell::say(
        "rustup target add wasm32-unknown-unknown: the page is WebAssembly (a few seconds to a minute)",
    );
    let mut add = Command::new("rustup");
    add.args(["target", "add", TARGET]);
    if shell::run_at_most(&mut add, DOWNLOAD_LIMIT)? && has_target(&sysroot) {
        return found("rustup has just added its wasm32 target");
    }
    shell::say("rustup could not fetch it (are its servers out of reach?); turning to Debian's packages");
    Ok(None)
}

fn debian(why: &str) -> Result<WasmToolchain> {
    if !debian_is_usable() {
        apt::install(
            &["rustc-web", "cargo-web", "rust-web-src"],
            "to compile the page, and WebAssembly's standard library, with Debian's compiler",
        )?;
    }
    if !debian_is_usable() {
        bail!(
            "Debian's {DEBIAN_RUSTC} is older than {}.{}, or has no sources in {DEBIAN_STD}",
            OLDEST.0,
            OLDEST.1
        );
    }
    let linker = linker()?;
    let version = version(DEBIAN_RUSTC.as_ref())?;
    shell::say(&format!(
        "the page is compiled by Debian's {version}, its standard library from source: {why}"
    ));
    Ok(WasmToolchain { kind: Kind::Debian, version: format!("Debian's {version}"), linker: Some(linker) })
}

fn debian_is_usable() -> bool {
    Path::new(DEBIAN_CARGO).exists()
        && Path::new(DEBIAN_STD).exists()
        && version(DEBIAN_RUSTC.as_ref()).is_ok_and(|version| parse_version(&version) >= Some(OLDEST))
}

/// Debian's compiler comes without a linker for WebAssembly: rustup's serves, and so does LLVM's.
fn linker() -> Result<PathBuf> {
    let find = || {
        let rustups = sysroot().ok().into_iter().flat_map(|sysroot| {
            let host = sysroot.join("lib/rustlib");
            let hosts = std::fs::read_dir(host).into_iter().flatten().flatten();
            hosts.map(|host| host.path().join("bin/rust-lld")).collect::<Vec<_>>()
        });
        let llvms = (19..=30).rev().filter_map(|version| shell::which(&format!("wasm-ld-{version}")));
        rustups.filter(|linker| linker.exists()).chain(llvms).chain(shell::which("wasm-ld")).next()
    };
    if let Some(linker) = find() {
        return Ok(linker);
    }
    apt::install(&["lld-19"], "to link WebAssembly")?;
    find().context("no rust-lld and no wasm-ld of LLVM 19 or newer to link WebAssembly with")
}

fn sysroot() -> Result<PathBuf> {
    let sysroot = shell::output(Command::new("rustc").args(["--print", "sysroot"]));
    sysroot.map(PathBuf::from).context("`rustc --print sysroot` failed: is Rust installed and in PATH?")
}

fn has_target(sysroot: &Path) -> bool {
    sysroot.join("lib/rustlib").join(TARGET).join("lib").is_dir()
}

fn version(rustc: &Path) -> Result<String> {
    shell::output(Command::new(rustc).arg("--version"))
        .with_context(|| format!("`{} --version` failed", rustc.display()))
}

/// `(1, 96)` of `rustc 1.96.0 (ac68faa20 2026-05-25)`.
fn parse_version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.split_whitespace().nth(1)?.split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_number() {
        assert_eq!(parse_version("rustc 1.96.0 (ac68faa20 2026-05-25)"), Some((1, 96)));
        assert!(parse_version("rustc 1.100.0-nightly") >= Some(OLDEST));
        assert!(parse_version("rustc 1.63.0") < Some(OLDEST));
        assert_eq!(parse_version("nonsense"), None);
        assert!(parse_version("nonsense") < Some(OLDEST));
    }

    #[test]
    fn debian_settings_reach_only_the_command_they_are_applied_to() {
        let toolchain =
            WasmToolchain { kind: Kind::Debian, version: String::new(), linker: Some("/lld".into()) };
        let mut command = Command::new("cargo");
        toolchain.apply(&mut command);
        let set: Vec<_> =
            command.get_envs().filter(|(_, value)| value.is_some()).map(|(name, _)| name).collect();
        assert!(set.contains(&"CARGO_UNSTABLE_BUILD_STD".as_ref()));
        assert!(env::var_os("CARGO_UNSTABLE_BUILD_STD").is_none());

        let mut command = Command::new("cargo");
        WasmToolchain { kind: Kind::Rustup, version: String::new(), linker: None }.apply(&mut command);
        assert_eq!(command.get_envs().count(), 0);
    }
}
