//! A directory, and nothing outside of it.
//!
//! Each part of a path is opened by itself, relative to the open directory before it, and never through a symbolic link.
//! So there is no moment between a check and the use of what was checked, and no name that leads out.

use std::fs::File;
use std::io;
use std::path::Path;

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat, fstat, mkdirat, openat, renameat, statat, unlinkat};
use rustix::io::Errno;

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    /// Reads and writes; the file must be there.
    Write,
    /// Reads and writes; the file must not be there, folders before it are made.
    Create,
}

/// An open directory.
#[derive(Debug)]
pub(super) struct Root(OwnedFd);

impl Root {
    /// Opens a directory that a person named; made, with those before it, when it is missing.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(path)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self(rustix::fs::open(path, flags, Mode::empty())?))
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    /// A directory within; made when it is missing.
    pub(super) fn directory(&self, name: &str) -> io::Result<Self> {
        step(self.fd(), name, true).map(Self)
    }

    /// A regular file within. `path` has at least one part, each of them a name and no more.
    pub(super) fn file(&self, path: &[String], access: Access) -> io::Result<File> {
        let (folder, name) = self.folder_of(path, access == Access::Create)?;
        let flags = match access {
            Access::Read => OFlags::RDONLY,
            Access::Write => OFlags::RDWR,
            Access::Create => OFlags::RDWR | OFlags::CREATE | OFlags::EXCL,
        };
        // Without NONBLOCK the opening of a pipe would wait for its other end.
        let flags = flags | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(0o666);
        let opened = openat(folder.as_ref().map_or(self.fd(), AsFd::as_fd), name, flags, mode);
        let opened = opened.map_err(|errno| explain(errno, name))?;
        if FileType::from_raw_mode(fstat(&opened)?.st_mode) != FileType::RegularFile {
            return Err(io::Error::other(format!("expected {name:?} to be a regular file")));
        }
        Ok(File::from(opened))
    }

    /// What is there under a path, not through a symbolic link; `None` if nothing is.
    pub(super) fn look(&self, path: &[String]) -> io::Result<Option<Stat>> {
        let found = self.folder_of(path, false).and_then(|(folder, name)| {
            let folder = folder.as_ref().map_or(self.fd(), AsFd::as_fd);
            Ok(statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?)
        });
        match found {
            Ok(stat) => Ok(Some(stat)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Replaces a file within by these bytes, at once: who looks finds the old ones or the new ones.
    pub(super) fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let new = format!("{name}.new");
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = openat(self.fd(), &new, flags, Mode::from_raw_mode(0o666));
        let mut file = File::from(opened.map_err(|errno| explain(errno, &new))?);
        io::Write::write_all(&mut file, bytes)?;
        Ok(renameat(self.fd(), &new, self.fd(), name)?)
    }

    /// Removes a file, and the folders before it that are empty then.
    pub(super) fn remove(&self, path: &[String]) -> io::Result<()> {
        let removed = self.folder_of(path, false).and_then(|(folder, name)| {
            Ok(unlinkat(folder.as_ref().map_or(self.fd(), AsFd::as_fd), name, AtFlags::empty())?)
        });
        match removed {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        for depth in (1..path.len()).rev() {
            if self.remove_directory(&path[..depth]).is_err() {
                break;
            }
        }
        Ok(())
    }

    /// Removes a directory, if it is empty.
    pub(super) fn remove_directory(&self, path: &[String]) -> io::Result<()> {
        let (folder, name) = self.folder_of(path, false)?;
        Ok(unlinkat(folder.as_ref().map_or(self.fd(), AsFd::as_fd), name, AtFlags::REMOVEDIR)?)
    }

    /// The folder in which a path ends (`None` is this directory itself), and the name in it.
    fn folder_of<'a>(&self, path: &'a [String], make: bool) -> io::Result<(Option<OwnedFd>, &'a str)> {
        let Some((name, folders)) = path.split_last() else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "expected a path of at least one part"));
        };
        let mut parent = None;
        for folder in folders {
            parent = Some(step(parent.as_ref().map_or(self.fd(), AsFd::as_fd), folder, make)?);
        }
        Ok((parent, name))
    }
}

fn step(parent: BorrowedFd<'_>, name: &str, make: bool) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    if make {
        match mkdirat(parent, name, Mode::from_raw_mode(0o777)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(explain(errno, name)),
        }
    }
    openat(parent, name, flags, Mode::empty()).map_err(|errno| explain(errno, name))
}

fn explain(errno: Errno, name: &str) -> io::Error {
    match errno {
        Errno::LOOP => io::Error::other(format!("expected no symbolic link, got one named {name:?}")),
        Errno::NOTDIR => io::Error::other(format!("expected a directory named {name:?}, got something else")),
        other => other.into(),
    }
}
