//! One peer of a stress run.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use bytes::Bytes;
use peer::client::{Add, Client};
use peer::create::Created;
use peer::storage::{Place, SourceFile};
use shared::engine::{Origin, Phase, TorrentSnapshot};
use shared::id::InfoHash;
use shared::magnet::Link;
use shared::units::percent;

use super::Args;
use crate::output::status;

/// How often a leech is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// What all peers have in common.
pub(super) struct Scene {
    args: Args,
    directory: PathBuf,
    private: bool,
    trackers: Vec<String>,
    created: Created,
    torrent: Bytes,
    lies: Vec<SourceFile>,
    verified: AtomicU64,
}

/// What came of a leech.
#[derive(Clone, Debug, Default)]
pub(super) struct Outcome {
    /// It has everything, after so long.
    pub(super) completed: Option<Duration>,
    /// Its copy is not the original.
    pub(super) wrong: bool,
    /// It vanished, as it was meant to.
    pub(super) vanished: bool,
    /// Why it does not have everything.
    pub(super) failure: Option<String>,
    pub(super) wasted: u64,
    pub(super) pieces_failed: u64,
    pub(super) banned: u64,
}

impl Outcome {
    pub(super) fn failed(reason: String) -> Self {
        Self { failure: Some(reason), ..Self::default() }
    }
}

impl Scene {
    pub(super) fn new(
        args: &Args,
        directory: &Path,
        private: bool,
        trackers: Vec<String>,
        created: Created,
        lies: Vec<SourceFile>,
    ) -> Self {
        let torrent = Bytes::from(created.metainfo.to_torrent(&trackers));
        let (args, directory) = (args.clone(), directory.to_owned());
        Self { args, directory, private, trackers, created, torrent, lies, verified: AtomicU64::new(0) }
    }

    pub(super) fn trackers(&self) -> &[String] {
        &self.trackers
    }

    pub(super) fn info_hash(&self) -> InfoHash {
        self.created.metainfo.info_hash()
    }

    /// Bytes of the file.
    pub(super) fn bytes(&self) -> u64 {
        self.created.metainfo.layout().total()
    }

    /// Bytes that leeches have verified, all together.
    pub(super) fn verified(&self) -> u64 {
        self.verified.load(Ordering::Relaxed)
    }

    /// A peer that has everything, or, if it lies, says so.
    pub(super) async fn give(&self, number: usize, lies: bool) -> anyhow::Result<Client> {
        let client = self.client(number).await?;
        let files = if lies { &self.lies } else { &self.created.files };
        let origin = Origin::Complete(self.torrent.clone());
        let place = Place::Files(files.clone());
        client.add(Add { origin, trackers: Vec::new(), start: true, place }).await?;
        Ok(client)
    }

    async fn client(&self, number: usize) -> anyhow::Result<Client> {
        let mut options = self.args.network.options(&self.place(number), self.private);
        options.engine.peers_per_torrent = self.args.connections;
        options.engine.report_to = self.args.network.report_to(&self.trackers);
        Client::start(options).await.with_context(|| format!("peer {number}"))
    }

    fn place(&self, number: usize) -> PathBuf {
        self.directory.join(number.to_string())
    }

    /// Whether the copy of a leech is the original, byte for byte.
    fn is_right(&self, number: usize) -> anyhow::Result<bool> {
        let original = self.created.files.first().context("expected a file, got none")?;
        let copy = self.place(number).join(self.created.metainfo.name());
        Ok(same(&original.path, &copy)?)
    }
}

/// Fetches everything from a link, or vanishes before. Answers the client too where it is to go on giving.
pub(super) async fn leech(
    scene: Arc<Scene>,
    number: usize,
    vanish_at: Option<u8>,
    deadline: tokio::time::Instant,
) -> (Outcome, Option<Client>) {
    match try_leech(&scene, number, vanish_at, deadline).await {
        Ok(ended) => ended,
        Err(error) => (Outcome::failed(format!("{error:#}")), None),
    }
}

async fn try_leech(
    scene: &Arc<Scene>,
    number: usize,
    vanish_at: Option<u8>,
    deadline: tokio::time::Instant,
) -> anyhow::Result<(Outcome, Option<Client>)> {
    let client = scene.client(number).await?;
    let mut link = Link::new(scene.info_hash());
    link.trackers = scene.trackers.clone();
    let begun = Instant::now();
    client.add(Add::download(Origin::Link(link.to_magnet()))).await?;
    let mut counted = 0;
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let snapshot = client.snapshot().await.context("the client has ended")?;
        let Some(now) = snapshot.torrents.first() else { continue };
        scene.verified.fetch_add(now.verified_bytes.saturating_sub(counted), Ordering::Relaxed);
        counted = counted.max(now.verified_bytes);
        let mut outcome = seen(now);
        let share = percent(now.verified_bytes, now.total_bytes);
        if vanish_at.is_some_and(|at| now.verified_bytes > 0 && share >= u64::from(at)) {
            // Dropped without a goodbye: as a crash, or a closed lid, would have it.
            outcome.vanished = true;
            return Ok((outcome, None));
        }
        match now.phase {
            Phase::Complete | Phase::Seeding => {
                outcome.completed = Some(begun.elapsed());
                let scene = Arc::clone(scene);
                outcome.wrong = !tokio::task::spawn_blocking(move || scene.is_right(number)).await??;
                return Ok((outcome, Some(client)));
            }
            Phase::Error => {
                outcome.failure = Some(now.error.clone().unwrap_or_default());
                return Ok((outcome, None));
            }
            _ if tokio::time::Instant::now() >= deadline => {
                let waiting = status::of_download(now).unwrap_or_else(|| "still fetching".to_owned());
                outcome.failure = Some(format!("{share} % in the time allowed: {waiting}"));
                return Ok((outcome, Some(client)));
            }
            _ => {}
        }
    }
}

fn seen(now: &TorrentSnapshot) -> Outcome {
    Outcome {
        wasted: now.wasted,
        pieces_failed: now.failed_pieces.into(),
        banned: now.banned.into(),
        ..Outcome::default()
    }
}

/// Whether two files have the same bytes.
fn same(one: &Path, other: &Path) -> std::io::Result<bool> {
    let (one, other) = (File::open(one)?, File::open(other)?);
    if one.metadata()?.len() != other.metadata()?.len() {
        return Ok(false);
    }
    let (mut one, mut other) = (BufReader::new(one), BufReader::new(other));
    let (mut left, mut right) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
    loop {
        let read = one.read(&mut left)?;
        if read == 0 {
            return Ok(true);
        }
        other.read_exact(&mut right[..read])?;
        if left[..read] != right[..read] {
            return Ok(false);
        }
    }
}
