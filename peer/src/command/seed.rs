//! `peer seed`: shares files where they lie.

use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use bytes::Bytes;
use peer::client::{Add, Client};
use peer::create::{Choices, Created};
use peer::qr;
use peer::storage::Place;
use serde::Serialize;
use shared::engine::{Event, Origin, Snapshot};
use shared::id::InfoHash;
use shared::limits;
use shared::magnet::Link;
use shared::url;
use tokio::sync::broadcast::error::RecvError;

use super::signals::Signals;
use super::sources::{find, hash};
use crate::cli::network::{DEFAULT_TRACKER, NetworkArgs, authority, is_private, page_of};
use crate::cli::{flag, values};
use crate::ending::{self, EXIT_CODES};
use crate::output::{self, JSON_ENDED, Output, line, status, units};
use crate::progress::{Meter, TOLD_EVERY};

/// Shares files and folders where they lie, each as a torrent of its own, until it is interrupted.
///
/// Prints the link of the page, the magnet link, and what the other side types. The same file has the same link each
/// time. Without --tracker the tracker of this machine is asked, at ws://localhost:8080/announce.
#[derive(Clone, Debug, clap::Args)]
#[command(after_long_help = seed_help())]
pub(crate) struct Args {
    /// Files or folders.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,

    /// Address of the page for links [default: that of the first WebSocket tracker].
    #[arg(long, value_name = "URL", env = "PIECEMEAL_PAGE", value_parser = values::web)]
    page: Option<String>,

    /// End when so many copies were delivered (`3`), or after a while (`30m`).
    #[arg(long, value_name = "COPIES|DURATION", env = "PIECEMEAL_EXIT_AFTER", value_parser = exit_after)]
    exit_after: Option<ExitAfter>,

    /// Draw no QR code on the terminal.
    #[arg(long, env = "PIECEMEAL_NO_QR", value_parser = flag())]
    no_qr: bool,

    #[command(flatten)]
    network: NetworkArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ExitAfter {
    Copies(u32),
    Duration(Duration),
}

fn exit_after(text: &str) -> Result<ExitAfter, String> {
    match text.parse() {
        Ok(0) => Err("expected at least one copy".to_owned()),
        Ok(copies) => Ok(ExitAfter::Copies(copies)),
        Err(_) => values::duration(text).map(ExitAfter::Duration).map_err(|_| {
            format!("expected a number of copies such as 3, or a duration such as 30m, got {text:?}")
        }),
    }
}

fn seed_help() -> String {
    format!(
        "JSON: {{\"ok\", \"torrents\": [{{\"path\", \"name\", \"bytes\", \"info_hash\", \"magnet\", \"page_link\" (or null), \
         \"listen\" (for TCP, or null), \"uploaded\", \"copies\"}}], \"seconds\"}}; with --json-lines before that an `event` \"sharing\" for each torrent \
         with the same fields, then \"progress\" with \"uploaded\", \"bytes_per_second\", \"peers\", \"copies\". {JSON_ENDED} \
         Interrupted while it shares, it ends with 0: that is how it is meant to end.\n\n\
         {EXIT_CODES}\n\n\
         Example:\n  peer seed holiday.mp4 --tracker ws://192.168.1.2:8080/announce"
    )
}

/// One shared torrent, as `--json` has it.
#[derive(Clone, Serialize)]
struct Shared {
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<&'static str>,
    path: PathBuf,
    name: String,
    bytes: u64,
    #[serde(serialize_with = "as_text")]
    info_hash: InfoHash,
    magnet: String,
    page_link: Option<String>,
    listen: Option<SocketAddr>,
    uploaded: u64,
    copies: u32,
}

fn as_text<S: serde::Serializer>(hash: &InfoHash, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(hash)
}

#[derive(Serialize)]
struct Report {
    torrents: Vec<Shared>,
    seconds: f64,
}

#[derive(Serialize)]
struct Moving {
    event: &'static str,
    uploaded: u64,
    bytes_per_second: u64,
    peers: usize,
    copies: u32,
}

pub(crate) fn run(args: &Args, output: &Output) -> anyhow::Result<()> {
    if args.paths.len() > limits::TORRENTS_MAX {
        return Err(ending::usage(format!("at most {} torrents at once", limits::TORRENTS_MAX)));
    }
    let mut created = Vec::new();
    for path in &args.paths {
        created.push((path.clone(), hash(find(path, output)?, path, &Choices::default(), output)?));
    }
    let runtime = tokio::runtime::Runtime::new().context("cannot start threads")?;
    runtime.block_on(share(args, created, output))
}

async fn share(args: &Args, created: Vec<(PathBuf, Created)>, output: &Output) -> anyhow::Result<()> {
    let mut signals = Signals::listen().context("cannot listen to signals")?;
    let begun = Instant::now();
    let mut trackers = args.network.trackers.clone();
    if trackers.is_empty() {
        output.note(&format!("no --tracker: asking the one of this machine, {DEFAULT_TRACKER}"));
        trackers.push(DEFAULT_TRACKER.to_owned());
    }
    let mut private = false;
    for tracker in &trackers {
        private |= is_private(authority(tracker).unwrap_or_default()).await;
    }
    // Nothing is downloaded; the directory is not touched.
    let mut options = args.network.options(&std::env::temp_dir(), private);
    options.engine.report_to = args.network.report_to(&trackers);
    let client = Client::start(options).await?;
    let mut events = client.events();
    let page = args.page.clone().or_else(|| trackers.iter().find_map(|tracker| page_of(tracker)));
    let mut torrents = Vec::new();
    for (path, created) in created {
        torrents.push(add(&client, path, created, &trackers, page.as_deref(), output).await?);
    }
    let meter = Meter::unbounded(output);
    let mut watch = Watch { torrents, meter, output: *output, trouble: None };
    for torrent in &watch.torrents {
        show(torrent, &trackers, args, output);
    }
    let mut ticks = tokio::time::interval(TOLD_EVERY);
    let ended = loop {
        tokio::select! {
            () = signals.asked() => break Ok(()),
            event = events.recv() => match event {
                Ok(event) => if let Err(error) = watch.hear(&event) { break Err(error) },
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => break Err(anyhow::anyhow!("the client has ended")),
            },
            _ = ticks.tick() => {
                let Some(snapshot) = client.snapshot().await else { continue };
                watch.tick(&snapshot);
                if args.exit_after.is_some_and(|after| watch.is_enough(after, begun.elapsed())) {
                    break Ok(());
                }
            }
        }
    };
    let Watch { torrents, meter, .. } = watch;
    drop(meter);
    signals.patiently(client.shutdown()).await;
    ended?;
    let uploaded = torrents.iter().map(|torrent| torrent.uploaded).sum();
    let copies: u32 = torrents.iter().map(|torrent| torrent.copies).sum();
    output.text(&format!(
        "gave {} in {}; {} delivered whole\n",
        units::bytes(uploaded),
        units::elapsed(begun.elapsed()),
        units::plural(copies.into(), "copy", "copies")
    ));
    output.end(&Report { torrents, seconds: begun.elapsed().as_secs_f64() });
    Ok(())
}

async fn add(
    client: &Client,
    path: PathBuf,
    created: Created,
    trackers: &[String],
    page: Option<&str>,
    output: &Output,
) -> anyhow::Result<Shared> {
    let Created { metainfo, files } = created;
    let mut link = Link::new(metainfo.info_hash());
    link.name = Some(metainfo.name().to_owned());
    link.length = Some(metainfo.layout().total());
    // It is given to others.
    link.trackers = trackers.iter().map(|tracker| url::without_key(tracker)).collect();
    let origin = Origin::Complete(Bytes::from(metainfo.to_torrent(trackers)));
    let place = Place::Files(files);
    client.add(Add { origin, trackers: trackers.to_vec(), start: true, place }).await?;
    let shared = Shared {
        event: None,
        path,
        name: metainfo.name().to_owned(),
        bytes: metainfo.layout().total(),
        info_hash: metainfo.info_hash(),
        magnet: link.to_magnet(),
        page_link: page.map(|page| link.to_share_link(page)),
        listen: client.local_address(),
        uploaded: 0,
        copies: 0,
    };
    output.event(&Shared { event: Some("sharing"), ..shared.clone() });
    Ok(shared)
}

/// Prints what the other side needs.
fn show(torrent: &Shared, trackers: &[String], args: &Args, output: &Output) {
    let link = torrent.page_link.as_deref().unwrap_or(&torrent.magnet);
    let mut text = format!("{}  {}\n", torrent.name, units::bytes(torrent.bytes));
    if let Some(page) = &torrent.page_link {
        text += &line("open", page);
    }
    text += &line("magnet", &torrent.magnet);
    if let Some(listen) = torrent.listen {
        text += &line("TCP port", &listen.port().to_string());
    }
    text += &line("other side", &format!("peer download '{link}'"));
    if trackers.iter().any(|tracker| authority(tracker).is_some_and(is_this_machine)) {
        text += &line("", "localhost is this machine alone: for others name the tracker by its address");
    }
    if output.is_on_terminal() && !args.no_qr {
        let colours = output::colours(&std::io::stdout()) && std::io::stdout().is_terminal();
        text += &qr::code(link, colours).unwrap_or_default();
    }
    output.text(&text);
}

fn is_this_machine(authority: &str) -> bool {
    ["localhost", "127.", "[::1]"].iter().any(|name| authority.starts_with(name))
}

/// What is shared, and how it goes.
struct Watch {
    torrents: Vec<Shared>,
    meter: Meter,
    output: Output,
    /// What was said last of trackers that are out of reach.
    trouble: Option<String>,
}

impl Watch {
    /// Ends with the first torrent that cannot be given any more.
    fn hear(&self, event: &Event) -> anyhow::Result<()> {
        match event {
            Event::Failed { failure, .. } => anyhow::bail!(status::of_failure(failure)),
            Event::Refused { reason, .. } => anyhow::bail!(reason.clone()),
            Event::TrackerWarning { text, .. } => self.meter.say(&format!("the tracker says: {text}")),
            Event::PeerConnected { peer, .. } => self.meter.say(&format!("{peer} connected")),
            _ => {}
        }
        Ok(())
    }

    fn tick(&mut self, snapshot: &Snapshot) {
        for torrent in &mut self.torrents {
            if let Some(now) = snapshot.torrents.iter().find(|now| now.info_hash == torrent.info_hash) {
                (torrent.uploaded, torrent.copies) = (now.uploaded, now.fulfilled);
            }
        }
        let peers = snapshot.torrents.iter().map(|torrent| torrent.peers.len()).sum();
        let rate = snapshot.torrents.iter().map(|torrent| torrent.up_rate).sum();
        let uploaded = self.torrents.iter().map(|torrent| torrent.uploaded).sum();
        let copies = self.copies();
        let trouble = snapshot.torrents.iter().find_map(status::of_seed);
        // The seconds until the next attempt change all the time: said once is enough.
        if trouble.is_some() && self.trouble.is_none() && !self.output.has_bar() {
            self.output.note(trouble.as_deref().unwrap_or_default());
        }
        self.meter.tell(|| match &trouble {
            Some(trouble) if peers == 0 => trouble.clone(),
            _ if peers == 0 && uploaded == 0 => "waiting for someone to open the link…".to_owned(),
            _ => format!(
                "↑ {} · {} · gave {} · {} delivered",
                units::rate(rate),
                status::people(peers),
                units::bytes(uploaded),
                units::plural(copies.into(), "copy", "copies")
            ),
        });
        if self.meter.is_event_due() {
            let event = "progress";
            self.output.event(&Moving { event, uploaded, bytes_per_second: rate, peers, copies });
        }
        self.trouble = trouble;
    }

    fn copies(&self) -> u32 {
        self.torrents.iter().map(|torrent| torrent.copies).sum()
    }

    fn is_enough(&self, after: ExitAfter, elapsed: Duration) -> bool {
        match after {
            ExitAfter::Copies(copies) => self.copies() >= copies,
            ExitAfter::Duration(duration) => elapsed >= duration,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_number_is_copies() {
        assert_eq!(exit_after("3"), Ok(ExitAfter::Copies(3)));
        assert_eq!(exit_after("30m"), Ok(ExitAfter::Duration(Duration::from_secs(1_800))));
        assert!(exit_after("0").is_err() && exit_after("soon").is_err());
    }
}
