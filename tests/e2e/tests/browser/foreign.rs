//! libtorrent, aria2 and Transmission download from our native peer over TCP and it from them, by `.torrent` and by magnet
//! link, introduced by our tracker.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use e2e::foreign::Program;
use e2e::netns::PEER_ADDRESSES;
use e2e::peer::{self, Seed, Transport};
use e2e::runner::{Context, Test};
use e2e::tracker::Tracker;
use e2e::{files, tracker};

const LONG: Duration = Duration::from_secs(90);
/// A length that is no multiple of a block, in pieces of 64 KiB and more.
const LENGTH: u64 = 40_000_007;

/// How a peer hears of the torrent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Torrent,
    Magnet,
}

/// Which protocol the tracker is asked in.
#[derive(Clone, Copy, Debug)]
enum Over {
    Http,
    Udp,
}

pub(crate) fn tests() -> Vec<Test> {
    use By::{Magnet, Torrent};
    use Over::{Http, Udp};
    use Program::{Aria2, Libtorrent, Transmission};
    let theirs = |name, program, by, over| Test::new(name, move |context| theirs(context, program, by, over));
    let ours = |name, program, by, over| Test::new(name, move |context| ours(context, program, by, over));
    vec![
        theirs("libtorrent_downloads_from_us_by_torrent", Libtorrent, Torrent, Http),
        theirs("libtorrent_downloads_from_us_by_magnet", Libtorrent, Magnet, Udp),
        theirs("aria2_downloads_from_us_by_torrent", Aria2, Torrent, Http),
        theirs("aria2_downloads_from_us_by_magnet", Aria2, Magnet, Http),
        theirs("transmission_downloads_from_us_by_torrent", Transmission, Torrent, Http),
        theirs("transmission_downloads_from_us_by_magnet", Transmission, Magnet, Udp),
        ours("we_download_from_libtorrent_by_torrent", Libtorrent, Torrent, Udp),
        ours("we_download_from_libtorrent_by_magnet", Libtorrent, Magnet, Http),
        ours("we_download_from_aria2_by_torrent", Aria2, Torrent, Http),
        ours("we_download_from_aria2_by_magnet", Aria2, Magnet, Http),
        ours("we_download_from_transmission_by_torrent", Transmission, Torrent, Http),
        ours("we_download_from_transmission_by_magnet", Transmission, Magnet, Http),
    ]
}

/// What both directions begin with.
struct Scene {
    tracker: Tracker,
    file: PathBuf,
    sha256: String,
    torrent: PathBuf,
    info_hash: String,
    announce: String,
}

async fn scene(context: &Context, over: Over) -> Result<Scene> {
    let options = tracker::Options { host: context.lan()?.to_owned(), ..tracker::Options::default() };
    let tracker = context.tracker_with(&options).await?;
    let announce = match over {
        Over::Http => format!("{}/announce", tracker.origin()),
        Over::Udp => format!("udp://{}:{}/announce", options.host, tracker.ports().0),
    };
    let (file, sha256) = context.file("payload.bin", LENGTH, 90)?;
    let torrent = context.scratch().join("payload.torrent");
    let info_hash = peer::create(&file, &torrent, &[&announce]).await?;
    Ok(Scene { tracker, file, sha256, torrent, info_hash, announce })
}

impl Scene {
    /// What a peer is given.
    fn source(&self, by: By) -> Result<String> {
        match by {
            By::Torrent => Ok(self.torrent.to_str().context("a path is not UTF-8")?.to_owned()),
            By::Magnet => Ok(format!("magnet:?xt=urn:btih:{}&tr={}", self.info_hash, self.announce)),
        }
    }
}

/// They download from us.
async fn theirs(context: Arc<Context>, program: Program, by: By, over: Over) -> Result<()> {
    let scene = scene(&context, over).await?;
    let listen = format!("{}:0", PEER_ADDRESSES[0]);
    let arguments = ["--tracker", scene.announce.as_str(), "--listen", &listen];
    let _seed = Seed::start_over(Transport::Tcp, &scene.file, &arguments, context.scratch()).await?;
    scene.tracker.wait_peers(1, LONG).await?;
    let into = context.scratch().join("theirs");
    let mut foreign = program.start(PEER_ADDRESSES[1], &scene.source(by)?, &into, context.scratch())?;
    let took = foreign.complete("payload.bin", &scene.sha256, LONG).await?;
    told(program, by, took);
    Ok(())
}

/// We download from them.
async fn ours(context: Arc<Context>, program: Program, by: By, over: Over) -> Result<()> {
    let scene = scene(&context, over).await?;
    let directory = scene.file.parent().context("the file lies nowhere")?;
    let torrent = scene.source(By::Torrent)?;
    let _seed = program.start(PEER_ADDRESSES[1], &torrent, directory, context.scratch())?;
    scene.tracker.wait_peers(1, LONG).await?;
    let into = context.scratch().join("ours");
    let listen = format!("{}:0", PEER_ADDRESSES[0]);
    let arguments = ["--listen", listen.as_str(), "--allow-private"];
    let begun = Instant::now();
    peer::download_over(Transport::Tcp, &scene.source(by)?, &arguments, &into, LONG).await?;
    told(program, by, begun.elapsed().as_secs_f64());
    let found = files::sha256(&into.join("payload.bin"))?;
    ensure!(found == scene.sha256, "what we have differs from the original");
    Ok(())
}

fn told(program: Program, by: By, seconds: f64) {
    let rate = LENGTH as f64 / 1e6 / seconds;
    println!("       {program:?} by {by:?}: {LENGTH} bytes in {seconds:.1} s, {rate:.1} MB/s with start-up");
}
