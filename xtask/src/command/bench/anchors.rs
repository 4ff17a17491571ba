//! Other trackers and their load testers, installed from the registry: what ours is measured beside, and with.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::shell;
use crate::workspace::{cargo_program, forget_own_package};

/// Their release.
const VERSION: &str = "0.9.0";

/// Where they are.
#[derive(Debug)]
pub(super) struct Anchors(PathBuf);

impl Anchors {
    /// Finds or makes the directory: outside the checkout, shared by all checkouts.
    pub(super) fn find() -> Result<Self> {
        let cache = env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        let cache = cache.or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")));
        let home = cache.context("neither XDG_CACHE_HOME nor HOME is set")?.join("piecemeal/anchors");
        std::fs::create_dir_all(&home).with_context(|| format!("cannot make {}", home.display()))?;
        Ok(Self(home))
    }

    /// A program that must be there; installed if it is not.
    ///
    /// # Errors
    ///
    /// If it cannot be installed.
    pub(super) fn program(&self, name: &str) -> Result<PathBuf> {
        let own = self.0.join("bin").join(name);
        if let Some(found) = shell::which(name).or_else(|| own.is_file().then(|| own.clone())) {
            return Ok(found);
        }
        let mut install = Command::new(cargo_program());
        forget_own_package(&mut install);
        install.args(["install", "--root"]).arg(&self.0).env("CARGO_TARGET_DIR", self.0.join("build"));
        // The servers' own list of versions no longer compiles; that of the testers does.
        if name.ends_with("load_test") {
            install.arg("--locked");
        }
        install.arg(format!("{name}@{VERSION}")).current_dir(&self.0);
        shell::run(&mut install, &format!("cargo install {name} {VERSION}: 1 to 4 minutes, once"))?;
        Ok(own)
    }

    /// A server to measure beside; `None`, and a word about it, if it cannot be had.
    pub(super) fn server(&self, name: &str) -> Option<PathBuf> {
        let found = self.program(name);
        if let Err(error) = &found {
            shell::say(&format!("{name} is left out: {error:#}"));
        }
        found.ok()
    }

    /// A certificate for the load testers: ours wants it to name where it connects to, the others accept any. The server's key is in the form that all of them read (PKCS #8).
    pub(super) fn certificate(&self) -> Result<Certificate> {
        let certificate =
            Certificate { chain: self.0.join("localhost.pem"), key: self.0.join("localhost.key.pem") };
        if !certificate.chain.is_file() || !certificate.key.is_file() {
            let mut openssl = Command::new("openssl");
            openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]);
            openssl.args(["-days", "3650", "-subj", "/CN=localhost"]);
            openssl.args([
                "-addext",
                "subjectAltName=DNS:localhost",
                "-addext",
                "basicConstraints=critical,CA:FALSE",
            ]);
            openssl.arg("-keyout").arg(&certificate.key).arg("-out").arg(&certificate.chain);
            shell::run(&mut openssl, "openssl: a certificate for the load testers")?;
        }
        Ok(certificate)
    }
}

/// Files in PEM.
#[derive(Clone, Debug)]
pub(super) struct Certificate {
    pub(super) chain: PathBuf,
    pub(super) key: PathBuf,
}

impl Certificate {
    pub(super) fn paths(&self) -> (&Path, &Path) {
        (&self.chain, &self.key)
    }
}
