//! The served directory, and nothing outside of it.
//!
//! Each part of a path is opened by itself, relative to the open directory before it, and never through a symbolic link.
//! So there is no moment between a check and the use of what was checked, and no name that leads out.

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use percent_encoding::percent_decode_str;
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat, fstat, openat, statat};

use super::validator::Validator;

/// Entries of one directory that are listed; a page with more helps nobody.
pub(super) const ENTRIES_MAX: usize = 10_000;

/// How deep a path may be.
const DEPTH_MAX: usize = 64;

/// What a path leads to.
#[derive(Debug)]
pub(super) enum Found {
    /// A file, open.
    File(OpenFile),
    /// A directory, with what may be shown of it.
    Directory(Vec<Entry>),
}

/// A regular file that is being served.
#[derive(Debug)]
pub(super) struct OpenFile {
    pub(super) file: File,
    pub(super) size: u64,
    pub(super) validator: Validator,
    /// The last part of its path, as text.
    pub(super) name: String,
}

/// Something in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// As it is on the disk; need not be UTF-8.
    pub(super) name: Vec<u8>,
    pub(super) is_directory: bool,
    /// In bytes; of files only.
    pub(super) size: u64,
    pub(super) modified: SystemTime,
    /// As in [`Validator::etag`].
    pub(super) version: String,
}

/// Why a path is not served. Strangers are told the same of all but the last.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotServed {
    #[error("no such name, or one that is not served")]
    Name,
    #[error("neither a file nor a directory")]
    Kind,
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// A directory whose contents are public.
#[derive(Debug)]
pub(super) struct Root(OwnedFd);

impl Root {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self(rustix::fs::open(path, flags, Mode::empty())?))
    }

    /// Opens what `path` names: parts separated by `/`, each percent-encoded. An empty path is the root itself; one that
    /// ends in `/` names a directory.
    pub(super) fn find(&self, path: &str) -> Result<Found, NotServed> {
        let (path, only_directory) = match path.strip_suffix('/') {
            Some("") => return Err(NotServed::Name),
            Some(path) => (path, true),
            None => (path, path.is_empty()),
        };
        let names = parts(path)?;
        let Some((last, directories)) = names.split_last() else {
            return Ok(Found::Directory(entries(&open(&self.0, b".", OFlags::DIRECTORY)?)?));
        };
        let mut parent = None;
        for name in directories {
            parent = Some(open(parent.as_ref().unwrap_or(&self.0), name, OFlags::DIRECTORY)?);
        }
        // Without NONBLOCK the opening of a pipe would wait for a writer.
        let opened = open(parent.as_ref().unwrap_or(&self.0), last, OFlags::NONBLOCK)?;
        let stat = fstat(&opened).map_err(io::Error::from)?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => Ok(Found::Directory(entries(&opened)?)),
            FileType::RegularFile if !only_directory => Ok(Found::File(OpenFile {
                file: File::from(opened),
                size: stat.st_size.try_into().unwrap_or_default(),
                validator: Validator::new(
                    stat.st_ino,
                    stat.st_size.try_into().unwrap_or_default(),
                    modified(&stat),
                ),
                name: String::from_utf8_lossy(last).into_owned(),
            })),
            FileType::RegularFile => Err(NotServed::Name),
            _ => Err(NotServed::Kind),
        }
    }
}

/// The parts of a path, decoded; none of them can mean more than one name in one directory.
pub(super) fn parts(path: &str) -> Result<Vec<Vec<u8>>, NotServed> {
    if path.is_empty() {
        return Ok(Vec::new());
    }
    let decode = |part: &str| {
        let name: Vec<u8> = percent_decode_str(part).collect();
        // A leading dot covers `.`, `..` and everything hidden.
        let served = !name.is_empty() && !is_hidden(&name) && !name.contains(&b'/') && !name.contains(&0);
        if served { Ok(name) } else { Err(NotServed::Name) }
    };
    let parts: Vec<_> = path.split('/').take(DEPTH_MAX + 1).map(decode).collect::<Result<_, _>>()?;
    if parts.len() > DEPTH_MAX { Err(NotServed::Name) } else { Ok(parts) }
}

const fn is_hidden(name: &[u8]) -> bool {
    matches!(name, [b'.', ..])
}

fn open(parent: &OwnedFd, name: &[u8], flags: OFlags) -> Result<OwnedFd, NotServed> {
    use rustix::io::Errno;
    let flags = flags | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(parent, name, flags, Mode::empty()).map_err(|errno| match errno {
        Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::NAMETOOLONG | Errno::INVAL | Errno::ILSEQ => {
            NotServed::Name
        }
        Errno::NXIO | Errno::NODEV => NotServed::Kind,
        other => NotServed::Io(other.into()),
    })
}

/// Files and directories that may be seen, directories first, by name.
fn entries(directory: &OwnedFd) -> Result<Vec<Entry>, NotServed> {
    let mut found = Vec::new();
    for entry in Dir::read_from(directory).map_err(io::Error::from)? {
        let name = entry.map_err(io::Error::from)?.file_name().to_bytes().to_vec();
        if is_hidden(&name) {
            continue;
        }
        // What vanished meanwhile, or cannot be looked at, is not there.
        let Ok(stat) = statat(directory, &name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
        let is_directory = match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => true,
            FileType::RegularFile => false,
            _ => continue,
        };
        let size = stat.st_size.try_into().unwrap_or_default();
        let modified = modified(&stat);
        let version = Validator::new(stat.st_ino, size, modified).etag;
        found.push(Entry { name, is_directory, size, modified, version });
        if found.len() == ENTRIES_MAX {
            break;
        }
    }
    found.sort_unstable_by(|a, b| (!a.is_directory, &a.name).cmp(&(!b.is_directory, &b.name)));
    Ok(found)
}

fn modified(stat: &Stat) -> SystemTime {
    let seconds = u64::try_from(stat.st_mtime).unwrap_or_default();
    let nanos = u32::try_from(stat.st_mtime_nsec).unwrap_or_default();
    UNIX_EPOCH + Duration::new(seconds, nanos.min(999_999_999))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn served() -> (tempfile::TempDir, Root) {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("served");
        fs::create_dir_all(root.join("sub/deeper")).unwrap();
        fs::create_dir_all(root.join(".git")).unwrap();
        fs::write(directory.path().join("secret"), "secret").unwrap();
        for name in ["plain.txt", "sub/in.txt", "sub/.hidden", ".git/config", "ü %2e.txt", "..."] {
            fs::write(root.join(name), name).unwrap();
        }
        symlink(directory.path().join("secret"), root.join("link")).unwrap();
        symlink("plain.txt", root.join("inner")).unwrap();
        symlink(directory.path(), root.join("out")).unwrap();
        symlink(".", root.join("sub/here")).unwrap();
        let root = Root::open(&root).unwrap();
        (directory, root)
    }

    fn text(found: Result<Found, NotServed>) -> Option<String> {
        match found {
            Ok(Found::File(open)) => Some(io::read_to_string(open.file).unwrap()),
            Ok(Found::Directory(_)) => Some("directory".to_owned()),
            Err(_) => None,
        }
    }

    #[test]
    fn what_is_inside_is_found() {
        let (_directory, root) = served();
        for (path, contents) in [
            ("plain.txt", "plain.txt"),
            ("%70lain.txt", "plain.txt"),
            ("sub/in.txt", "sub/in.txt"),
            ("%C3%BC%20%252e.txt", "ü %2e.txt"),
            ("", "directory"),
            ("sub", "directory"),
            ("sub/", "directory"),
            ("sub/deeper/", "directory"),
        ] {
            assert_eq!(text(root.find(path)).as_deref(), Some(contents), "{path}");
        }
    }

    #[test]
    fn nothing_leads_outside_or_to_what_is_hidden() {
        let (_directory, root) = served();
        for path in [
            "..",
            "../secret",
            "sub/../plain.txt",
            "sub/../../secret",
            "%2e%2e/secret",
            ".%2e/secret",
            "sub/%2E%2E",
            "..%2fsecret",
            "sub%2fin.txt",
            "%2e%2e%2fsecret",
            "..%5csecret",
            ".",
            "./plain.txt",
            "sub/./in.txt",
            "/secret",
            "//secret",
            "/",
            "sub//in.txt",
            "plain.txt/",
            "plain.txt/x",
            "plain.txt%00",
            "%00",
            "plain.txt%00.png",
            "link",
            "inner",
            "out",
            "out/",
            "out/secret",
            "out/served/plain.txt",
            "sub/here/in.txt",
            ".git",
            ".git/config",
            "%2egit/config",
            "sub/.hidden",
            "...",
            "missing",
            "%",
            "%zz",
            "%c0%ae%c0%ae/secret",
            &"x".repeat(5_000),
            &"sub/".repeat(5_000),
        ] {
            assert_eq!(text(root.find(path)), None, "{path:.60}");
        }
    }

    #[test]
    fn pipes_and_sockets_are_not_served_and_do_not_block() {
        let (directory, root) = served();
        let path = directory.path().join("served/socket");
        let _socket = std::os::unix::net::UnixListener::bind(path).unwrap();
        let pipe = directory.path().join("served/pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        assert!(root.find("socket").is_err());
        assert!(root.find("pipe").is_err());
    }

    #[test]
    fn a_directory_lists_what_may_be_fetched() {
        let (_directory, root) = served();
        let names = |path: &str| match root.find(path) {
            Ok(Found::Directory(entries)) => entries
                .iter()
                .map(|entry| String::from_utf8_lossy(&entry.name).into_owned())
                .collect::<Vec<_>>(),
            other => panic!("{path}: {other:?}"),
        };
        assert_eq!(names(""), ["sub", "plain.txt", "ü %2e.txt"]);
        assert_eq!(names("sub/"), ["deeper", "in.txt"]);
    }
}
