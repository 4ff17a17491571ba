//! The bytes of a snapshot: a head, blocks of swarms with a checksum each, and an end that says how many members there are.
//!
//! | part | bytes |
//! | --- | --- |
//! | head | `PMSWARMS`, version (2), seconds since 1970 (8), checksum (8) |
//! | block | length (4), swarms, checksum (8) |
//! | swarm | info-hash (20), completed downloads (4), members (2), each member |
//! | member | 1 if it seeds or 4 if it is a partial seed, plus 2 for IPv6 (1), address (4 or 16), port (2), seconds left (4), peer_id (20) |
//! | end | length 0 (4), members (8), checksum (8) |
//!
//! Numbers are big-endian; a checksum is the first bytes of the SHA-256 of what precedes it in its part.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use sha2::{Digest as _, Sha256};
use shared::id::{InfoHash, PeerId};
use shared::tracker::announce::Role;

use crate::swarm::address::Kept;

const MAGIC: [u8; 8] = *b"PMSWARMS";
const VERSION: u16 = 2;

/// The oldest that is read: it has no partial seeds, and is the same otherwise.
const OLDEST: u16 = 1;
/// Bits of a member's kind.
const SEED: u8 = 1;
const PARTIAL_SEED: u8 = 4;

const CHECKSUM: usize = 8;
const HEAD: usize = MAGIC.len() + 2 + 8;
const SWARM_HEAD: usize = 20 + 4 + 2;

/// A block is written when it is as long, whole swarms or parts of them.
const BLOCK: usize = 64 * 1024;

/// Longest block that is read: one that is as long, and one swarm's part more.
const BLOCK_MAX: usize = BLOCK + SWARM_HEAD + PART * 43;

/// Members of one swarm that stand together.
const PART: usize = 1_000;

/// Why a snapshot is not read, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The system does not give it.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It begins with something else.
    #[error("it is no snapshot of swarms")]
    Foreign,
    /// It is of another release.
    #[error("expected version {OLDEST} or {VERSION}, got {0}")]
    Version(u16),
    /// A part is cut off, too long, or not what was written.
    #[error("it is damaged: expected {0}")]
    Damaged(&'static str),
}

/// Writes a snapshot.
#[derive(Debug)]
pub struct Writer<W> {
    out: W,
    block: Vec<u8>,
    members: u64,
}

impl<W: Write> Writer<W> {
    /// Writes the head.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn new(mut out: W, saved_at: u64) -> io::Result<Self> {
        let mut head = Vec::with_capacity(HEAD);
        head.extend_from_slice(&MAGIC);
        head.extend_from_slice(&VERSION.to_be_bytes());
        head.extend_from_slice(&saved_at.to_be_bytes());
        out.write_all(&head)?;
        out.write_all(&checksum(&head))?;
        Ok(Self { out, block: Vec::with_capacity(BLOCK_MAX), members: 0 })
    }

    /// Appends a swarm; one without members and completed downloads is left out.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn swarm(&mut self, info_hash: &InfoHash, completed: u32, members: &[Kept]) -> io::Result<()> {
        if members.is_empty() && completed > 0 {
            self.part(info_hash, completed, &[])?;
        }
        members.chunks(PART).try_for_each(|part| self.part(info_hash, completed, part))
    }

    fn part(&mut self, info_hash: &InfoHash, completed: u32, members: &[Kept]) -> io::Result<()> {
        self.block.extend_from_slice(&info_hash.0);
        self.block.extend_from_slice(&completed.to_be_bytes());
        self.block.extend_from_slice(&(members.len() as u16).to_be_bytes());
        for Kept { address, peer_id, role, left } in members {
            let ip = address.ip().to_canonical();
            let role = match role {
                Role::Leech => 0,
                Role::Seed => SEED,
                Role::PartialSeed => PARTIAL_SEED,
            };
            self.block.push(role | u8::from(ip.is_ipv6()) << 1);
            match ip {
                IpAddr::V4(v4) => self.block.extend_from_slice(&v4.octets()),
                IpAddr::V6(v6) => self.block.extend_from_slice(&v6.octets()),
            }
            self.block.extend_from_slice(&address.port().to_be_bytes());
            self.block.extend_from_slice(&left.to_be_bytes());
            self.block.extend_from_slice(&peer_id.0);
        }
        self.members += members.len() as u64;
        if self.block.len() >= BLOCK { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.block.is_empty() {
            return Ok(());
        }
        self.out.write_all(&(self.block.len() as u32).to_be_bytes())?;
        self.out.write_all(&self.block)?;
        self.out.write_all(&checksum(&self.block))?;
        self.block.clear();
        Ok(())
    }

    /// Writes the end; gives back what was written to, and how many members there are.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn finish(mut self) -> io::Result<(W, u64)> {
        self.flush()?;
        let members = self.members.to_be_bytes();
        self.out.write_all(&0_u32.to_be_bytes())?;
        self.out.write_all(&members)?;
        self.out.write_all(&checksum(&members))?;
        Ok((self.out, self.members))
    }
}

/// Reads a snapshot at `now` (seconds since 1970), a part of a swarm at a time: its info-hash, its completed downloads, and
/// those of its members whose time is not over. No more than `most` members are given; how many were.
///
/// What stands before a damaged block has been given when the error is returned: each block is checked before it is read.
///
/// # Errors
///
/// [`SnapshotError`], with what was expected.
pub fn read(
    mut input: impl Read,
    now: u64,
    most: usize,
    mut each: impl FnMut(&InfoHash, u32, &[Kept]),
) -> Result<usize, SnapshotError> {
    let saved_at = head(&mut input)?;
    // A clock that was set back says nothing about how long it was.
    let passed = u32::try_from(now.saturating_sub(saved_at)).unwrap_or(u32::MAX);
    let (mut given, mut there) = (0, 0_u64);
    let mut members = Vec::new();
    loop {
        let length = u32::from_be_bytes(array(&mut input, "a block or the end")?) as usize;
        if length == 0 {
            break;
        }
        if length > BLOCK_MAX {
            return Err(SnapshotError::Damaged("a shorter block"));
        }
        let mut block = vec![0; length];
        input.read_exact(&mut block).map_err(|error| cut(error, "the rest of a block"))?;
        if array(&mut input, "a block's checksum")? != checksum(&block) {
            return Err(SnapshotError::Damaged("the checksum of a block"));
        }
        let mut rest = block.as_slice();
        while !rest.is_empty() {
            members.clear();
            let (info_hash, completed) = swarm(&mut rest, &mut members)?;
            there += members.len() as u64;
            members.iter_mut().for_each(|member| member.left = member.left.saturating_sub(passed));
            members.retain(|member| member.left > 0);
            members.truncate(most - given);
            given += members.len();
            each(&info_hash, completed, &members);
        }
    }
    let end: [u8; 8] = array(&mut input, "the number of members")?;
    if array(&mut input, "the last checksum")? != checksum(&end) || u64::from_be_bytes(end) != there {
        return Err(SnapshotError::Damaged("the number of members that there are"));
    }
    Ok(given)
}

fn head(input: &mut impl Read) -> Result<u64, SnapshotError> {
    let head: [u8; HEAD] = array(input, "a head")?;
    let Some(rest) = head.strip_prefix(&MAGIC) else { return Err(SnapshotError::Foreign) };
    let version = u16::from_be_bytes([rest[0], rest[1]]);
    if !(OLDEST..=VERSION).contains(&version) {
        return Err(SnapshotError::Version(version));
    }
    if array(input, "the head's checksum")? != checksum(&head) {
        return Err(SnapshotError::Damaged("the checksum of the head"));
    }
    let mut saved_at = [0; 8];
    saved_at.copy_from_slice(&rest[2..]);
    Ok(u64::from_be_bytes(saved_at))
}

fn swarm(rest: &mut &[u8], members: &mut Vec<Kept>) -> Result<(InfoHash, u32), SnapshotError> {
    let info_hash = InfoHash(part(rest)?);
    let completed = u32::from_be_bytes(part(rest)?);
    for _ in 0..u16::from_be_bytes(part(rest)?) {
        let [kind] = part::<1>(rest)?;
        let ip = match kind {
            0 | 1 | 4 => IpAddr::V4(Ipv4Addr::from(part::<4>(rest)?)),
            2 | 3 | 6 => IpAddr::V6(Ipv6Addr::from(part::<16>(rest)?)),
            _ => return Err(SnapshotError::Damaged("a kind of member")),
        };
        let port = u16::from_be_bytes(part(rest)?);
        let left = u32::from_be_bytes(part(rest)?);
        let peer_id = PeerId(part(rest)?);
        let role = match kind & (SEED | PARTIAL_SEED) {
            0 => Role::Leech,
            SEED => Role::Seed,
            _ => Role::PartialSeed,
        };
        members.push(Kept { address: SocketAddr::new(ip, port), peer_id, role, left });
    }
    Ok((info_hash, completed))
}

fn part<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], SnapshotError> {
    let (part, left) = rest.split_first_chunk().ok_or(SnapshotError::Damaged("a whole swarm in a block"))?;
    *rest = left;
    Ok(*part)
}

fn array<const N: usize>(input: &mut impl Read, what: &'static str) -> Result<[u8; N], SnapshotError> {
    let mut bytes = [0; N];
    input.read_exact(&mut bytes).map_err(|error| cut(error, what))?;
    Ok(bytes)
}

fn cut(error: io::Error, what: &'static str) -> SnapshotError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => SnapshotError::Damaged(what),
        _ => SnapshotError::Io(error),
    }
}

fn checksum(bytes: &[u8]) -> [u8; CHECKSUM] {
    let mut sum = [0; CHECKSUM];
    sum.copy_from_slice(&Sha256::digest(bytes)[..CHECKSUM]);
    sum
}

#[cfg(test)]
#[path = "format_tests.rs"]
mod tests;
