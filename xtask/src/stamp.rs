//! Remembers from what a directory was made, so that nothing is made twice.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// A digest of inputs: files by their name and contents, and words.
///
/// The hash is 64 bits and not cryptographic: it guards against forgetting a rebuild, not against anybody.
#[derive(Default)]
pub(crate) struct Inputs(DefaultHasher);

impl Inputs {
    pub(crate) fn word(&mut self, word: &str) {
        word.hash(&mut self.0);
    }

    /// Adds a file, or all files below a directory in the order of their names. What is missing counts as missing.
    pub(crate) fn path(&mut self, root: &Path, relative: &str) -> Result<()> {
        for file in files_below(&root.join(relative))? {
            file.strip_prefix(root).unwrap_or(&file).hash(&mut self.0);
            fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?.hash(&mut self.0);
        }
        Ok(())
    }

    pub(crate) fn digest(&self) -> u64 {
        self.0.finish()
    }
}

/// What was made last, and from what.
#[derive(Debug)]
pub(crate) struct Stamp {
    file: PathBuf,
    directory: PathBuf,
}

impl Stamp {
    /// The stamp of `directory`, kept in `file`.
    pub(crate) fn new(file: PathBuf, directory: PathBuf) -> Self {
        Self { file, directory }
    }

    /// True if the directory was made from these inputs and is as it was then.
    pub(crate) fn holds(&self, inputs: u64) -> bool {
        let expected = self.contents(inputs);
        expected.is_ok_and(|expected| fs::read_to_string(&self.file).is_ok_and(|found| found == expected))
    }

    pub(crate) fn set(&self, inputs: u64) -> Result<()> {
        if let Some(parent) = self.file.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(&self.file, self.contents(inputs)?)
            .with_context(|| format!("cannot write {}", self.file.display()))
    }

    pub(crate) fn clear(&self) -> Result<()> {
        match fs::remove_file(&self.file) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    fn contents(&self, inputs: u64) -> Result<String> {
        let mut made = Inputs::default();
        made.path(&self.directory, "")?;
        Ok(format!("{inputs:016x} {:016x}\n", made.digest()))
    }
}

/// All files below `path`, or `path` itself, in the order of their names; none if it does not exist.
pub(crate) fn files_below(path: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut pending = vec![path.to_path_buf()];
    while let Some(path) = pending.pop() {
        if path.is_file() {
            files.push(path);
        } else if path.is_dir() {
            for entry in fs::read_dir(&path).with_context(|| format!("cannot list {}", path.display()))? {
                pending.push(entry?.path());
            }
        }
    }
    files.sort();
    Ok(files)
}
