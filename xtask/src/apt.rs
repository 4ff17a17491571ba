//! Debian packages, where this user may install them.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::shell;

/// Installs `packages`; `why` completes the sentence "to ...".
pub(crate) fn install(packages: &[&str], why: &str) -> Result<()> {
    if shell::which("apt-get").is_none() {
        bail!("no apt-get here to install {} with, {why}", packages.join(", "));
    }
    shell::say(&format!("apt-get install {}: {why} (about a minute)", packages.join(" ")));
    // A stale or unreachable index need not stop an installation from a local cache.
    let list = packages.join(" ");
    let by_hand = || format!("`sudo apt-get install {list}` is needed {why}");
    if !apt_get().with_context(by_hand)?.arg("update").status()?.success() {
        shell::say("apt-get update failed; trying with the package lists of before");
    }
    let installed =
        apt_get()?.args(["install", "--yes", "--no-install-recommends"]).args(packages).status()?.success();
    if !installed {
        bail!("apt-get failed; {}", by_hand());
    }
    Ok(())
}

fn apt_get() -> Result<Command> {
    let mut command = if is_root() {
        Command::new("apt-get")
    } else if shell::which("sudo").is_some() {
        let mut sudo = Command::new("sudo");
        sudo.args(["--non-interactive", "apt-get"]);
        sudo
    } else {
        bail!("apt-get needs root, and there is no sudo");
    };
    command.args(["-q", "-o", "DPkg::Lock::Timeout=120"]).env("DEBIAN_FRONTEND", "noninteractive");
    Ok(command)
}

pub(crate) fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}
