//! Where the build and the artifacts are.

use std::path::PathBuf;

use anyhow::{Context as _, Result};

/// Cargo's target directory: the one that holds this program.
pub fn directory() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("CARGO_TARGET_DIR") {
        return Ok(PathBuf::from(path));
    }
    let program = std::env::current_exe()?;
    let directory = program
        .ancestors()
        .find(|path| path.join("CACHEDIR.TAG").is_file())
        .context("this program does not lie in cargo's target directory")?;
    Ok(directory.to_owned())
}

/// A directory for what the tests make: logs, screenshots, downloaded programs.
pub fn artifacts() -> Result<PathBuf> {
    let path = directory()?.join("e2e");
    std::fs::create_dir_all(&path).with_context(|| format!("creating {}", path.display()))?;
    Ok(path)
}
