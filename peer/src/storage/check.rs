//! SHA-1 of bytes that may be there, in little memory, and of none that were never written.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use rustix::fs::{SeekFrom, seek};
use rustix::io::Errno;
use sha1::{Digest as _, Sha1};

/// Bytes read at a time: still in the processor's cache when they are hashed.
const READ: usize = 128 * 1024;

/// What stored bytes hash to, taken part by part.
pub(super) struct Hashing {
    sha1: Sha1,
    buffer: Vec<u8>,
}

impl Hashing {
    pub(super) fn new() -> Self {
        Self { sha1: Sha1::new(), buffer: Vec::new() }
    }

    /// Takes `length` bytes from `offset` of a file; fewer are an error.
    pub(super) fn file(&mut self, file: &File, offset: u64, length: u64) -> io::Result<()> {
        self.buffer.resize(READ, 0);
        let (mut at, mut left) = (offset, length);
        while left > 0 {
            let take = READ.min(usize::try_from(left).unwrap_or(READ));
            let buffer = &mut self.buffer[..take];
            file.read_exact_at(buffer, at)?;
            self.sha1.update(&*buffer);
            (at, left) = (at + take as u64, left - take as u64);
        }
        Ok(())
    }

    /// Takes `length` zeros.
    pub(super) fn zeros(&mut self, length: u64) {
        let zeros = vec![0; READ.min(usize::try_from(length).unwrap_or(READ))];
        for _ in 0..length / READ as u64 {
            self.sha1.update(&zeros);
        }
        let rest = usize::try_from(length % READ as u64).unwrap_or(0);
        self.sha1.update(&zeros[..rest]);
    }

    pub(super) fn digest(self) -> [u8; 20] {
        self.sha1.finalize().into()
    }
}

/// Whether some of these bytes of a file, of which there is at least one, lie in a hole or past its end: were never
/// written. No byte is read. Where the file system tells nothing of holes there are none.
pub(super) fn has_hole(file: &File, offset: u64, length: u64) -> io::Result<bool> {
    // Moves the file's position, by which nothing here reads.
    match seek(file, SeekFrom::Hole(offset)) {
        Ok(hole) => Ok(hole < offset.saturating_add(length)),
        // Past the end.
        Err(Errno::NXIO) => Ok(true),
        Err(Errno::INVAL | Errno::OPNOTSUPP) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Larger than any block of a file system.
    const PART: u64 = 4 * 1024 * 1024;

    #[test]
    fn what_was_written_is_no_hole_and_what_was_not_is_one() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(3 * PART).unwrap();
        assert!(has_hole(&file, 0, 1).unwrap());
        // Zeros that were written are there.
        file.write_all_at(&vec![0; PART as usize], PART).unwrap();
        for (offset, length, expected) in [
            (PART, PART, false),
            (PART + 5, 7, false),
            (PART - 1, 2, true),
            (2 * PART - 1, 2, true),
            (2 * PART, PART, true),
            (3 * PART, 1, true),
        ] {
            assert_eq!(has_hole(&file, offset, length).unwrap(), expected, "{length} from {offset}");
        }
        // The end of a file is no hole before it, wherever in a block it lies.
        file.write_all_at(&[1; 10], 3 * PART).unwrap();
        assert!(!has_hole(&file, 3 * PART, 10).unwrap());
        assert!(has_hole(&file, 3 * PART, 11).unwrap());
    }

    #[test]
    fn parts_hash_as_the_whole_does() {
        let file = tempfile::tempfile().unwrap();
        let bytes: Vec<u8> = (0..READ as u32 * 2 + 77).map(|at| (at % 251) as u8).collect();
        file.write_all_at(&bytes, 0).unwrap();
        for zeros in [0, 1, READ, READ + 1] {
            let mut hashing = Hashing::new();
            hashing.file(&file, 3, bytes.len() as u64 - 3).unwrap();
            hashing.zeros(zeros as u64);
            let whole = [&bytes[3..], &vec![0; zeros]].concat();
            assert_eq!(hashing.digest(), <[u8; 20]>::from(Sha1::digest(whole)));
        }
        let short = Hashing::new().file(&file, 1, bytes.len() as u64).map_err(|error| error.kind());
        assert_eq!(short, Err(io::ErrorKind::UnexpectedEof));
    }
}
