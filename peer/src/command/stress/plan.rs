//! Who does what in a stress run: all of it follows from one number.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use anyhow::Context as _;
use peer::create::{Choices, Created, Sources};
use peer::hash::Progress;
use peer::storage::SourceFile;
use shared::rng::Rng;

use crate::command::sources::threads;

/// What a peer is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Has everything from the start.
    Seed,
    /// Says so too, but gives wrong bytes in some pieces.
    Liar,
    /// Has nothing at first.
    Leech {
        /// Vanishes without a word when it has so many hundredths.
        vanish_at: Option<u8>,
    },
}

/// The peers, in the order in which they come in: those that have something first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) roles: Vec<Role>,
}

/// More roles than peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected --peers to be more than --seeds, --corrupt and --vanish together, got {peers} and {named}")]
pub(super) struct PlanError {
    peers: u32,
    named: u64,
}

impl Plan {
    /// Draws who vanishes, and when.
    pub(super) fn new(peers: u32, seeds: u32, liars: u32, vanish: u32, seed: u64) -> Result<Self, PlanError> {
        let named = u64::from(seeds) + u64::from(liars) + u64::from(vanish);
        if named >= u64::from(peers) {
            return Err(PlanError { peers, named });
        }
        let mut rng = rng(seed, "roles");
        let mut leeches: Vec<Role> = (0..peers - seeds - liars)
            .map(|number| {
                let vanishes = number < vanish;
                Role::Leech { vanish_at: vanishes.then(|| 5 + rng.below(90) as u8) }
            })
            .collect();
        rng.shuffle(&mut leeches);
        let givers = (0..seeds).map(|_| Role::Seed).chain((0..liars).map(|_| Role::Liar));
        Ok(Self { roles: givers.chain(leeches).collect() })
    }

    /// How many are of a kind.
    pub(super) fn count(&self, kind: impl Fn(&Role) -> bool) -> usize {
        self.roles.iter().filter(|role| kind(role)).count()
    }
}

/// Draws for one purpose.
fn rng(seed: u64, purpose: &str) -> Rng {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    Rng::from_seed(bytes).fork(purpose)
}

/// Writes a file that cannot be compressed, and makes the torrent of it.
pub(super) fn make_file(directory: &Path, size: u64, seed: u64) -> anyhow::Result<Created> {
    let path = directory.join("stress.bin");
    let mut file = BufWriter::new(File::create_new(&path).with_context(|| path.display().to_string())?);
    let (mut rng, mut block, mut left) = (rng(seed, "contents"), [0; 64 * 1024], size);
    while left > 0 {
        rng.fill(&mut block);
        let take = usize::try_from(left).unwrap_or(usize::MAX).min(block.len());
        file.write_all(&block[..take])?;
        left -= take as u64;
    }
    file.flush()?;
    drop(file);
    Ok(Sources::find(&path)?.create(&Choices::default(), threads(), &Progress::default())?)
}

/// A copy of the file in which one byte of one piece in four is another.
pub(super) fn lying_copy(directory: &Path, created: &Created, seed: u64) -> anyhow::Result<Vec<SourceFile>> {
    let source = created.files.first().context("expected a file, got none")?;
    let path = directory.join("lies.bin");
    std::fs::copy(&source.path, &path)?;
    let file = File::options().read(true).write(true).open(&path)?;
    let layout = created.metainfo.layout();
    let mut rng = rng(seed, "lies");
    for piece in layout.all_pieces() {
        if rng.below(4) > 0 && layout.pieces() > 1 {
            continue;
        }
        let at = layout.piece_offset(piece) + rng.below(u64::from(layout.piece_size(piece)));
        let mut byte = [0];
        file.read_exact_at(&mut byte, at)?;
        file.write_all_at(&[byte[0] ^ 0xff], at)?;
    }
    file.sync_all()?;
    Ok(vec![SourceFile::look(&path)?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_follow_from_the_number_and_add_up() {
        let plan = Plan::new(20, 2, 3, 5, 7).expect("sound");
        assert_eq!(Plan::new(20, 2, 3, 5, 7).as_ref(), Ok(&plan));
        assert_ne!(Plan::new(20, 2, 3, 5, 8).as_ref(), Ok(&plan));
        assert_eq!(plan.count(|role| *role == Role::Seed), 2);
        assert_eq!(plan.count(|role| *role == Role::Liar), 3);
        assert_eq!(plan.count(|role| matches!(role, Role::Leech { vanish_at: Some(5..95) })), 5);
        assert_eq!(plan.count(|role| *role == Role::Leech { vanish_at: None }), 10);
        assert!(Plan::new(10, 2, 3, 5, 7).is_err());
    }

    #[test]
    fn the_lying_copy_lies_in_some_pieces_only() {
        let directory = tempfile::tempdir().expect("a directory");
        let created = make_file(directory.path(), 1_000_000, 3).expect("made");
        let lies = lying_copy(directory.path(), &created, 3).expect("made");
        let (truth, lies) = (std::fs::read(&created.files[0].path), std::fs::read(&lies[0].path));
        let (truth, lies) = (truth.expect("readable"), lies.expect("readable"));
        let wrong =
            truth.chunks(16_384).zip(lies.chunks(16_384)).filter(|(truth, lies)| truth != lies).count();
        assert!((5..30).contains(&wrong) && truth.len() == lies.len(), "{wrong} of 62 pieces");
    }
}
