//! Builds the page: `web/` and `www/` through trunk, wasm-opt and compression into `dist/`.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result};

use crate::stamp::{Inputs, Stamp, files_below};
use crate::tools::Tools;
use crate::wasm_toolchain::{Preference, WasmToolchain, with_first};
use crate::workspace::{Workspace, forget_own_package};
use crate::{precompress, shell};

/// Everything that the page is made of.
const INPUTS: [&str; 9] = [
    "web",
    "shared",
    "www",
    "Cargo.toml",
    "Cargo.lock",
    "Trunk.toml",
    "rust-toolchain.toml",
    ".cargo/config.toml",
    "xtask/src/page.rs",
];

/// What every browser that has what the page needs (OPFS sync handles, module workers) can run, and no more:
/// `--all-features` would emit encodings that Chromium refuses.
const WASM_FEATURES: [&str; 7] = [
    "--enable-bulk-memory",
    "--enable-nontrapping-float-to-int",
    "--enable-sign-ext",
    "--enable-mutable-globals",
    "--enable-reference-types",
    "--enable-multivalue",
    "--enable-simd",
];

/// How much patience to build with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flavour {
    /// Small and fast, compressed.
    Release,
    /// Soon.
    Dev,
}

impl Flavour {
    fn profile(self) -> &'static str {
        match self {
            Self::Release => "wasm",
            Self::Dev => "wasm-dev",
        }
    }
}

/// Brings `dist/` up to date; does nothing when it is.
pub(crate) fn build(workspace: &Workspace, flavour: Flavour, preference: &Preference) -> Result<()> {
    let started = Instant::now();
    let toolchain = WasmToolchain::find(preference)?;
    let tools = Tools::find(flavour == Flavour::Release)?;

    // Checkouts that share a target directory share the place where trunk leaves its output, so one builds at a time.
    let target = workspace.page_target();
    fs::create_dir_all(&target).with_context(|| format!("cannot make {}", target.display()))?;
    let lock = fs::File::create(target.join("xtask.lock"))?;
    lock.lock().context("cannot lock the page's target directory")?;

    let inputs = inputs(workspace, flavour, &toolchain, &tools)?;
    let stamp = stamp(workspace);
    if stamp.holds(inputs) {
        shell::say("the page is up to date");
        return Ok(());
    }
    stamp.clear()?;

    let site = target.join("site");
    trunk(workspace, flavour, &toolchain, &tools, &site)?;
    if flavour == Flavour::Release {
        if let Some(wasm_opt) = &tools.wasm_opt {
            optimise(wasm_opt, &site)?;
        }
        shell::say("brotli and gzip beside each file, so that the tracker compresses nothing (seconds)");
        precompress::directory(&site)?;
    }
    publish(&site, &workspace.dist())?;
    stamp.set(inputs)?;
    shell::say(&format!(
        "the page is in dist/, {}; took {}",
        sizes(&workspace.dist())?,
        shell::seconds(started.elapsed())
    ));
    Ok(())
}

fn inputs(workspace: &Workspace, flavour: Flavour, toolchain: &WasmToolchain, tools: &Tools) -> Result<u64> {
    let mut inputs = Inputs::default();
    inputs.word(flavour.profile());
    inputs.word(&toolchain.version);
    inputs.word(&tools.identity());
    for variable in ["RUSTFLAGS", "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS"] {
        inputs.word(&env::var(variable).unwrap_or_default());
    }
    for path in INPUTS {
        inputs.path(&workspace.root, path)?;
    }
    Ok(inputs.digest())
}

/// Kept in the target directory, under a name of this checkout's own: `dist/` is embedded whole.
fn stamp(workspace: &Workspace) -> Stamp {
    let mut checkout = Inputs::default();
    checkout.word(&workspace.root.to_string_lossy());
    let file = workspace.page_target().join(format!("dist-{:016x}.stamp", checkout.digest()));
    Stamp::new(file, workspace.dist())
}

fn trunk(
    workspace: &Workspace,
    flavour: Flavour,
    toolchain: &WasmToolchain,
    tools: &Tools,
    site: &Path,
) -> Result<()> {
    let mut trunk = Command::new(&tools.trunk);
    forget_own_package(&mut trunk);
    toolchain.apply(&mut trunk);
    let path = trunk.get_envs().find(|(name, _)| *name == "PATH").and_then(|(_, value)| value);
    let path = path.map_or_else(|| env::var_os("PATH").unwrap_or_default(), ToOwned::to_owned);
    let path = with_wasm_bindgen(workspace, tools, &path)?;
    trunk
        .current_dir(&workspace.root)
        .args(["build", "--skip-version-check", "--cargo-profile", flavour.profile(), "--dist"])
        .arg(site)
        .env("PATH", path)
        .env("CARGO_TARGET_DIR", workspace.page_target())
        // Trunk takes `NO_COLOR=1` for a malformed option.
        .env_remove("NO_COLOR")
        // The trace of trunk's own stack would bury the compiler's message.
        .env_remove("RUST_BACKTRACE");
    if flavour == Flavour::Release {
        trunk.arg("--release");
    }
    let usual = match flavour {
        Flavour::Release => "the first time 3 to 6 minutes on two cores, then a minute",
        Flavour::Dev => "the first time 2 to 3 minutes on two cores, then seconds",
    };
    shell::run(&mut trunk, &format!("page: trunk build, profile {} ({usual})", flavour.profile()))?;
    Ok(())
}

/// Trunk takes the wasm-bindgen that it finds first in PATH, if the version is right, and else downloads one. A directory
/// with nothing else in it goes in front: that of the tools may hold a cargo of rustup's.
fn with_wasm_bindgen(workspace: &Workspace, tools: &Tools, path: &OsStr) -> Result<OsString> {
    let directory = workspace.page_target().join("tools");
    fs::create_dir_all(&directory)?;
    let name = tools.wasm_bindgen.file_name().context("wasm-bindgen has no name")?;
    let link = directory.join(name);
    if fs::read_link(&link).is_ok_and(|target| target == tools.wasm_bindgen) {
        return Ok(with_first(&directory, path));
    }
    match fs::remove_file(&link) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
        _ => std::os::unix::fs::symlink(&tools.wasm_bindgen, &link)?,
    }
    Ok(with_first(&directory, path))
}

/// The page draws, so it is made small; the engine hashes and parses, so it is made fast.
fn optimise(wasm_opt: &Path, site: &Path) -> Result<()> {
    for file in files_below(site)? {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        if !name.ends_with(".wasm") {
            continue;
        }
        let level = if name.starts_with("engine") { "-O3" } else { "-Oz" };
        let before = fs::metadata(&file)?.len();
        let optimised = file.with_extension("wasm.optimised");
        let took = shell::run(
            Command::new(wasm_opt).arg(level).args(WASM_FEATURES).arg(&file).arg("--output").arg(&optimised),
            &format!("wasm-opt {level} {name} (10 to 60 seconds)"),
        )?;
        fs::rename(&optimised, &file)?;
        let after = fs::metadata(&file)?.len();
        shell::say(&format!("{name}: {before} to {after} bytes in {}", shell::seconds(took)));
    }
    Ok(())
}

/// Makes `dist` equal to `site`. Files that are equal already stay as they are, so that the tracker, which embeds them,
/// is compiled again only when one of them changed.
fn publish(site: &Path, dist: &Path) -> Result<()> {
    let made = files_below(site)?;
    for file in &made {
        let relative = file.strip_prefix(site)?;
        let target = dist.join(relative);
        let contents = fs::read(file)?;
        if fs::read(&target).is_ok_and(|present| present == contents) {
            continue;
        }
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(&target, contents).with_context(|| format!("cannot write {}", target.display()))?;
    }
    for file in files_below(dist)? {
        if !site.join(file.strip_prefix(dist)?).exists() {
            fs::remove_file(&file)?;
        }
    }
    Ok(())
}

/// `wasm 210 kB (80 kB brotli), js 40 kB (9 kB brotli)`.
fn sizes(dist: &Path) -> Result<String> {
    let mut parts = Vec::new();
    for extension in ["wasm", "js", "css"] {
        let total = |suffix: &str| -> Result<u64> {
            let wanted = |path: &PathBuf| path.to_string_lossy().ends_with(suffix);
            files_below(dist)?
                .iter()
                .filter(|path| wanted(path))
                .map(|path| Ok(fs::metadata(path)?.len()))
                .sum()
        };
        let (plain, packed) = (total(&format!(".{extension}"))?, total(&format!(".{extension}.br"))?);
        parts.push(match packed {
            0 => format!("{extension} {:.1} kB", kilobytes(plain)),
            _ => format!("{extension} {:.1} kB ({:.1} kB brotli)", kilobytes(plain), kilobytes(packed)),
        });
    }
    Ok(parts.join(", "))
}

fn kilobytes(bytes: u64) -> f64 {
    bytes as f64 / 1000.0
}
