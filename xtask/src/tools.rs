//! The programs that the page's build needs, each found or installed.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::shell;
use crate::workspace::{cargo_program, forget_own_package};

/// The last release that compiles with the workspace's `rust-version`.
const TRUNK: &str = "0.21.14";
/// Must equal the `wasm-bindgen` crate of the workspace to the last digit; a test compares the two.
const WASM_BINDGEN: &str = "0.2.128";
const BINARYEN: &str = "132.0.0";
/// wasm-opt of this age or younger knows what the compiler emits.
const OLDEST_WASM_OPT: u32 = 120;

/// Where the tools are.
#[derive(Debug)]
pub(crate) struct Tools {
    pub(crate) trunk: PathBuf,
    pub(crate) wasm_bindgen: PathBuf,
    pub(crate) wasm_opt: Option<PathBuf>,
}

impl Tools {
    pub(crate) fn find(with_wasm_opt: bool) -> Result<Self> {
        let home = Home::find()?;
        Ok(Self {
            trunk: home.cargo_tool("trunk", "trunk", TRUNK, "bundles the page; 2 to 5 minutes, once")?,
            wasm_bindgen: home.cargo_tool(
                "wasm-bindgen",
                "wasm-bindgen-cli",
                WASM_BINDGEN,
                "joins WebAssembly and JavaScript; 1 to 3 minutes, once",
            )?,
            wasm_opt: with_wasm_opt.then(|| home.wasm_opt()).flatten(),
        })
    }

    /// What runs WebAssembly tests in a browser; it comes with wasm-bindgen.
    pub(crate) fn test_runner(&self) -> Option<PathBuf> {
        let name = format!("wasm-bindgen-test-runner{}", env::consts::EXE_SUFFIX);
        Some(self.wasm_bindgen.with_file_name(name)).filter(|runner| runner.exists())
    }

    /// What is part of the identity of a page built with these.
    pub(crate) fn identity(&self) -> String {
        let optimiser = if self.wasm_opt.is_some() { BINARYEN } else { "none" };
        format!("trunk {TRUNK}, wasm-bindgen {WASM_BINDGEN}, wasm-opt {optimiser}")
    }
}

/// The directory of what this command installs: outside the checkout, shared by all checkouts.
struct Home(PathBuf);

impl Home {
    fn find() -> Result<Self> {
        let cache = match env::var_os("XDG_CACHE_HOME") {
            Some(cache) => PathBuf::from(cache),
            None => PathBuf::from(env::var_os("HOME").context("neither XDG_CACHE_HOME nor HOME is set")?)
                .join(".cache"),
        };
        let home = cache.join("piecemeal/tools");
        fs::create_dir_all(&home).with_context(|| format!("cannot make {}", home.display()))?;
        Ok(Self(home))
    }

    fn cargo_tool(&self, program: &str, package: &str, version: &str, what: &str) -> Result<PathBuf> {
        let own = self.0.join("bin").join(format!("{program}{}", env::consts::EXE_SUFFIX));
        for candidate in [shell::which(program), Some(own.clone())].into_iter().flatten() {
            if has_version(&candidate, version) {
                return Ok(candidate);
            }
        }
        // Two checkouts that are built for the first time at once would install into one directory.
        let lock = fs::File::create(self.0.join("lock"))?;
        lock.lock().context("cannot lock the directory of tools")?;
        if has_version(&own, version) {
            return Ok(own);
        }
        let build = self.0.join("build");
        let mut install = Command::new(cargo_program());
        forget_own_package(&mut install);
        install
            // Unoptimised: building these takes minutes, running them seconds.
            .args(["install", "--locked", "--debug", "--force", "--root"])
            .arg(&self.0)
            .arg(format!("{package}@{version}"))
            .current_dir(&self.0)
            .env("CARGO_TARGET_DIR", &build)
            .env("CARGO_PROFILE_DEV_DEBUG", "0")
            .env("CARGO_PROFILE_DEV_INCREMENTAL", "false");
        let took = shell::run(
            &mut install,
            &format!("cargo install {package} {version}: {what}, into {}", self.0.display()),
        )
        .with_context(|| {
            format!("{program} {version} is missing and cannot be installed; have it in PATH and try again")
        })?;
        // A gigabyte that nobody needs again: one build has nothing in common with the next.
        if let Err(error) = fs::remove_dir_all(&build) {
            shell::say(&format!("{} could not be removed: {error}", build.display()));
        }
        shell::say(&format!("{program} {version} installed in {}", shell::seconds(took)));
        Ok(own)
    }

    /// `wasm-opt` makes the page smaller and faster; the page works without.
    fn wasm_opt(&self) -> Option<PathBuf> {
        let npm = self.0.join("npm");
        let own = npm.join("node_modules/.bin/wasm-opt");
        for candidate in [shell::which("wasm-opt"), Some(own.clone())].into_iter().flatten() {
            if wasm_opt_version(&candidate) >= Some(OLDEST_WASM_OPT) {
                return Some(candidate);
            }
        }
        if shell::which("npm").is_none() {
            shell::say("no wasm-opt and no npm to fetch it with: the page will be a tenth larger");
            return None;
        }
        let installed = fs::create_dir_all(&npm).is_ok()
            && shell::run(
                Command::new("npm")
                    .args([
                        "install",
                        "--ignore-scripts",
                        "--no-audit",
                        "--no-fund",
                        "--loglevel=error",
                        "--prefix",
                    ])
                    .arg(&npm)
                    .arg(format!("binaryen@{BINARYEN}"))
                    .current_dir(&npm),
                &format!(
                    "npm install binaryen {BINARYEN}: its wasm-opt makes the page smaller (a few seconds)"
                ),
            )
            .is_ok();
        if installed && wasm_opt_version(&own) >= Some(OLDEST_WASM_OPT) {
            return Some(own);
        }
        shell::say("wasm-opt cannot be installed: the page will be a tenth larger");
        None
    }
}

fn has_version(program: &Path, version: &str) -> bool {
    shell::output(Command::new(program).arg("--version"))
        .is_some_and(|text| text.split_whitespace().any(|word| word == version))
}

fn wasm_opt_version(program: &Path) -> Option<u32> {
    parse_wasm_opt_version(&shell::output(Command::new(program).arg("--version"))?)
}

/// `132` of `wasm-opt version 132 (version_132)`.
fn parse_wasm_opt_version(text: &str) -> Option<u32> {
    text.split_whitespace().skip_while(|word| *word != "version").nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wasm_bindgen_equals_the_crate_in_the_lock_file() {
        let lock = include_str!("../../Cargo.lock");
        assert!(
            lock.contains(&format!("name = \"wasm-bindgen\"\nversion = \"{WASM_BINDGEN}\"\n")),
            "WASM_BINDGEN and the wasm-bindgen of Cargo.lock differ"
        );
    }

    #[test]
    fn wasm_opt_says_its_version() {
        assert_eq!(parse_wasm_opt_version("wasm-opt version 132 (version_132)"), Some(132));
        assert_eq!(parse_wasm_opt_version("wasm-opt 108"), None);
        assert_eq!(parse_wasm_opt_version(""), None);
    }
}
