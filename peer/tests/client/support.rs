//! Files, clients and waiting.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use peer::client::{Add, Client, Options};
use peer::hash::{Progress, pieces};
use peer::storage::{Place, SourceFile};
use shared::engine::{Command, Origin, Phase, TorrentSnapshot};
use shared::id::InfoHash;
use shared::metainfo::builder::Builder;
use tokio::time::{sleep, timeout};

/// Longer than any of it takes, on a machine that has other things to do.
pub(crate) const WITHIN: Duration = Duration::from_secs(120);

/// Bytes that do not compress, the same for the same seed.
pub(crate) fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// A torrent of files that lie in `root`, hashed there.
pub(crate) fn torrent(root: &Path, paths: &[&str]) -> (Bytes, InfoHash, Place) {
    let files: Vec<_> = paths.iter().map(|path| SourceFile::look(&root.join(path)).unwrap()).collect();
    let named: Vec<_> = paths
        .iter()
        .zip(&files)
        .map(|(path, file)| (path.split('/').map(str::to_owned).collect(), file.identity.size))
        .collect();
    let mut builder = Builder::new(None, &named).unwrap();
    let sources: Vec<_> = builder.order().iter().map(|number| files[*number].clone()).collect();
    let layout = builder.layout().clone();
    let hashes = pieces(&layout, &sources, 2, &Progress::default()).unwrap();
    for (piece, hash) in layout.all_pieces().zip(hashes) {
        builder.set_hash(piece, hash);
    }
    let metainfo = builder.finish().unwrap();
    (metainfo.to_torrent(&[]).into(), metainfo.info_hash(), Place::Files(sources))
}

/// A client on loopback.
pub(crate) async fn client(directory: &Path) -> Client {
    Client::start(options(directory)).await.unwrap()
}

pub(crate) fn options(directory: &Path) -> Options {
    let mut options = Options::new(directory);
    options.listen = Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0));
    options.engine.private_addresses = true;
    options
}

/// A client that shares a torrent.
pub(crate) async fn seed(directory: &Path, torrent: &Bytes, place: Place) -> Client {
    let client = client(directory).await;
    let origin = Origin::Complete(torrent.clone());
    client.add(Add { origin, trackers: Vec::new(), start: true, place }).await.unwrap();
    client
}

/// Has `of` know where `peer` is.
pub(crate) fn introduce(of: &Client, torrent: InfoHash, peer: &Client) {
    let addresses = vec![peer.local_address().unwrap()];
    assert!(of.command(Command::AddPeers { torrent, addresses }));
}

pub(crate) async fn look(client: &Client, torrent: InfoHash) -> Option<TorrentSnapshot> {
    let snapshot = client.snapshot().await?;
    snapshot.torrents.into_iter().find(|found| found.info_hash == torrent)
}

/// Waits until a torrent is in one of these phases.
pub(crate) async fn reach(client: &Client, torrent: InfoHash, phases: &[Phase]) -> TorrentSnapshot {
    wait(client, torrent, |found| phases.contains(&found.phase)).await
}

pub(crate) async fn wait(
    client: &Client,
    torrent: InfoHash,
    until: impl Fn(&TorrentSnapshot) -> bool,
) -> TorrentSnapshot {
    let reached = async {
        loop {
            if let Some(found) = look(client, torrent).await.filter(|found| until(found)) {
                return found;
            }
            sleep(Duration::from_millis(10)).await;
        }
    };
    match timeout(WITHIN, reached).await {
        Ok(found) => found,
        Err(_) => panic!("not reached: {:?}", look(client, torrent).await),
    }
}

/// Writes files of noise.
pub(crate) fn files(root: &Path, files: &[(&str, usize)]) {
    for (number, (path, length)) in files.iter().enumerate() {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, noise(*length, number as u64 + 1)).unwrap();
    }
}

pub(crate) fn assert_same(a: &Path, b: &Path) {
    assert!(fs::read(a).unwrap() == fs::read(b).unwrap(), "{} and {} differ", a.display(), b.display());
}
