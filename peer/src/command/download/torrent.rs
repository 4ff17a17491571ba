//! A torrent being fetched.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::pin;
use std::time::{Duration, Instant};

use peer::client::{Add, Client};
use serde::Serialize;
use shared::engine::{Command, Event, Origin, Phase, TorrentSnapshot};
use shared::id::{ConnId, InfoHash};
use shared::magnet::Link;
use shared::units::percent;
use tokio::sync::broadcast::error::RecvError;

use super::{Args, exact_source};
use crate::cli::network::tracker_of;
use crate::command::signals::Signals;
use crate::ending;
use crate::output::{Output, line, status, units};
use crate::progress::{Meter, TOLD_EVERY};

/// What is to be fetched, and from whom.
pub(super) struct Torrent<'a> {
    pub(super) args: &'a Args,
    pub(super) origin: Origin,
    /// Beside those that the origin names.
    pub(super) trackers: Vec<String>,
    pub(super) peers: Vec<SocketAddr>,
    /// Private addresses may be contacted.
    pub(super) private: bool,
}

/// What `--json` prints.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Report {
    pub(super) path: Option<PathBuf>,
    pub(super) name: Option<String>,
    pub(super) info_hash: Option<String>,
    pub(super) bytes: u64,
    pub(super) verified: u64,
    pub(super) resumed: u64,
    pub(super) downloaded: u64,
    pub(super) wasted: u64,
    pub(super) uploaded: u64,
    pub(super) seconds: f64,
    pub(super) bytes_per_second: u64,
    pub(super) peers: usize,
    pub(super) web_seeds: usize,
}

#[derive(Serialize)]
struct Moving<'a> {
    event: &'static str,
    phase: Phase,
    waiting: Option<&'a str>,
    bytes: u64,
    verified: u64,
    bytes_per_second: u64,
    peers: usize,
}

/// How a download ended.
enum Ended {
    Complete,
    Interrupted,
    TimedOut,
}

impl Torrent<'_> {
    /// Fetches it; returns when all of it is there and nothing more is to be given.
    pub(super) async fn fetch(self, mut signals: Signals, output: &Output) -> anyhow::Result<()> {
        let Self { args, origin, trackers, peers, private } = self;
        let mut options = args.network.options(&args.out, private);
        options.storage.overwrite = args.overwrite;
        let named: Vec<String> = trackers.iter().cloned().chain(tracker_of(&args.what)).collect();
        options.engine.report_to = args.network.report_to(&named);
        let sources = match &origin {
            Origin::Link(text) => Link::parse(text).map(|link| link.sources).unwrap_or_default(),
            _ => Vec::new(),
        };
        let client = Client::start(options).await?;
        let mut events = client.events();
        let mut add = Add::download(origin);
        add.trackers = trackers;
        let torrent = client.add(add).await?;
        if !peers.is_empty() {
            client.command(Command::AddPeers { torrent, addresses: peers });
        }
        let mut watch = Watch::new(args, torrent, output);
        let may_ask_private = private || args.network.allow_private;
        let say = |text: &str| output.note(text);
        let mut source = pin!(exact_source::fetch(sources, torrent, may_ask_private, args.timeout, say));
        let mut asking = true;
        let mut ticks = tokio::time::interval(TOLD_EVERY);
        let ended = loop {
            tokio::select! {
                () = signals.asked() => break Ok(Ended::Interrupted),
                event = events.recv() => match event {
                    Ok(event) => if let Err(error) = watch.hear(&event) { break Err(error) },
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => break Err(anyhow::anyhow!("the client has ended")),
                },
                found = &mut source, if asking => {
                    asking = false;
                    if let Some(torrent) = found {
                        let origin = Origin::Metainfo(torrent);
                        client.command(Command::Add { origin, trackers: Vec::new(), start: true });
                    }
                }
                _ = ticks.tick() => {
                    let Some(snapshot) = client.snapshot().await else { continue };
                    let Some(now) = snapshot.torrents.iter().find(|now| now.info_hash == torrent) else { continue };
                    match watch.tick(now) {
                        Ok(None) => {}
                        Ok(Some(ended)) => break Ok(ended),
                        Err(error) => break Err(error),
                    }
                }
            }
        };
        watch.meter.clear();
        let complete = matches!(ended, Ok(Ended::Complete));
        if complete {
            output.text(&watch.text());
            if args.seed {
                watch.give(&client, &mut signals, torrent).await;
            }
        } else if matches!(ended, Ok(Ended::Interrupted)) {
            output.note("ending; once more ends at once");
        }
        signals.patiently(client.shutdown()).await;
        watch.end(ended?, output)
    }
}

/// How it goes.
struct Watch<'a> {
    args: &'a Args,
    output: &'a Output,
    meter: Meter,
    begun: Instant,
    /// When a byte came last, or something else that shows that it goes on.
    moved: Instant,
    /// What [`Watch::moved`] is about.
    seen: (Phase, u64),
    /// Bytes that were there before it began to fetch.
    resumed: u64,
    /// Since it fetches.
    fetching: Option<Instant>,
    took: Option<Duration>,
    /// Its name was said.
    named: bool,
    gave: BTreeSet<ConnId>,
    last: Report,
}

impl<'a> Watch<'a> {
    fn new(args: &'a Args, torrent: InfoHash, output: &'a Output) -> Self {
        let last = Report { info_hash: Some(torrent.to_string()), ..Report::default() };
        let now = Instant::now();
        Self {
            args,
            output,
            meter: Meter::new(output, 0),
            begun: now,
            moved: now,
            seen: (Phase::Connecting, 0),
            resumed: 0,
            fetching: None,
            took: None,
            named: false,
            gave: BTreeSet::new(),
            last,
        }
    }

    fn hear(&mut self, event: &Event) -> anyhow::Result<()> {
        match event {
            Event::Phase { phase: Phase::Downloading, .. } if self.fetching.is_none() => {
                self.fetching = Some(Instant::now());
            }
            Event::Phase { phase: Phase::Complete | Phase::Seeding, .. } if self.took.is_none() => {
                self.took = Some(self.fetching.unwrap_or(self.begun).elapsed());
            }
            Event::Failed { failure, .. } => anyhow::bail!(status::of_failure(failure)),
            Event::Refused { reason, .. } => self.output.note(reason),
            Event::TrackerWarning { text, .. } => self.meter.say(&format!("the tracker says: {text}")),
            Event::PieceFailed { piece, .. } => {
                self.meter
                    .say(&format!("piece {piece} did not match and was thrown away; fetched elsewhere"));
            }
            _ => {}
        }
        Ok(())
    }

    fn tick(&mut self, now: &TorrentSnapshot) -> anyhow::Result<Option<Ended>> {
        self.note(now);
        if now.pieces > 0 && !std::mem::replace(&mut self.named, true) {
            let name = now.name.as_deref().unwrap_or_default();
            self.meter.say(&format!("{name}  {}", units::bytes(now.total_bytes)));
        }
        let waiting = status::of_download(now);
        let rate = now.down_rate;
        match &waiting {
            Some(waiting) => self.meter.tell(|| waiting.clone()),
            None => self.meter.set(now.verified_bytes, now.total_bytes, || said(now)),
        }
        if self.meter.is_event_due() {
            self.output.event(&Moving {
                event: "progress",
                phase: now.phase,
                waiting: waiting.as_deref(),
                bytes: now.total_bytes,
                verified: now.verified_bytes,
                bytes_per_second: rate,
                peers: now.peers.len(),
            });
        }
        match now.phase {
            Phase::Complete | Phase::Seeding => {
                self.took.get_or_insert_with(|| self.fetching.unwrap_or(self.begun).elapsed());
                self.count(now);
                Ok(Some(Ended::Complete))
            }
            // Its reason comes as an event, right before or after this.
            Phase::Error => {
                anyhow::bail!(now.error.clone().unwrap_or_else(|| "the transfer stopped".to_owned()))
            }
            _ if self.args.timeout.is_some_and(|timeout| self.moved.elapsed() >= timeout) => {
                Ok(Some(Ended::TimedOut))
            }
            _ => Ok(None),
        }
    }

    /// Takes in where it stands.
    fn note(&mut self, now: &TorrentSnapshot) {
        let seen = (now.phase, now.downloaded);
        // Being checked is no waiting, however long it takes.
        if seen != self.seen || now.phase == Phase::Checking {
            (self.seen, self.moved) = (seen, Instant::now());
        }
        // What was verified without being fetched; what is on its way at this moment makes it less.
        let fetched = now.downloaded.saturating_sub(now.wasted);
        self.resumed = self.resumed.max(now.verified_bytes.saturating_sub(fetched));
        self.count(now);
    }

    fn count(&mut self, now: &TorrentSnapshot) {
        self.gave.extend(now.peers.iter().filter(|peer| peer.downloaded > 0).map(|peer| peer.conn));
        let took = self.took.or_else(|| self.fetching.map(|since| since.elapsed())).unwrap_or_default();
        // Colours of those who gave pieces: also of such as came and went between two looks.
        let servers: BTreeSet<u8> = now.web_seeds.iter().map(|seed| seed.slot).collect();
        let slots = now.field.iter().map(|state| state >> 3);
        let slots: BTreeSet<u8> = slots.filter(|slot| *slot > 0 && !servers.contains(slot)).collect();
        let resumed = self.resumed;
        self.last = Report {
            path: now.pieces.gt(&0).then(|| now.name.as_ref().map(|name| self.args.out.join(name))).flatten(),
            name: now.name.clone(),
            info_hash: self.last.info_hash.take(),
            bytes: now.total_bytes,
            verified: now.verified_bytes,
            resumed,
            downloaded: now.downloaded,
            wasted: now.wasted,
            uploaded: now.uploaded,
            seconds: took.as_secs_f64(),
            bytes_per_second: units::average(now.verified_bytes.saturating_sub(resumed), took),
            peers: self.gave.len().max(slots.len()),
            web_seeds: now.web_seeds.iter().filter(|seed| seed.downloaded > 0).count(),
        };
    }

    /// What is said of a download that is complete.
    fn text(&self) -> String {
        let report = &self.last;
        let took = Duration::from_secs_f64(report.seconds);
        let mut text = format!("{}\n", report.path.clone().unwrap_or_default().display());
        text += &line("size", &units::bytes(report.bytes));
        if report.resumed == report.bytes {
            text += &line("verified", "all of it was here already");
            return text;
        }
        if report.resumed > 0 {
            text += &line("here before", &units::bytes(report.resumed));
        }
        text += &line("took", &format!("{}, {}", units::elapsed(took), units::rate(report.bytes_per_second)));
        text + &line("from", &givers(report.peers, report.web_seeds))
    }

    /// Goes on giving until somebody wants it to end.
    async fn give(&mut self, client: &Client, signals: &mut Signals, torrent: InfoHash) {
        let mut meter = Meter::unbounded(self.output);
        let mut ticks = tokio::time::interval(TOLD_EVERY);
        loop {
            tokio::select! {
                () = signals.asked() => return,
                _ = ticks.tick() => {}
            }
            let Some(snapshot) = client.snapshot().await else { return };
            let Some(now) = snapshot.torrents.iter().find(|now| now.info_hash == torrent) else { return };
            self.last.uploaded = now.uploaded;
            meter.tell(|| {
                let trouble = status::of_seed(now).filter(|_| now.peers.is_empty());
                trouble.unwrap_or_else(|| {
                    format!("helping others · {} · gave {}", status::rates(now), units::bytes(now.uploaded))
                })
            });
        }
    }

    fn end(self, ended: Ended, output: &Output) -> anyhow::Result<()> {
        let report = &self.last;
        let safe = percent(report.verified, report.bytes);
        let error = match ended {
            Ended::Complete => {
                output.end(report);
                return Ok(());
            }
            Ended::Interrupted if report.verified > 0 => ending::interrupted(format!(
                "interrupted; {safe} % is verified and safe: the same command goes on from there"
            )),
            Ended::Interrupted => ending::interrupted("interrupted before anything came"),
            Ended::TimedOut if report.downloaded == 0 => {
                ending::not_found("nobody gave anything of it in the time that --timeout allows")
            }
            Ended::TimedOut => anyhow::Error::msg(format!(
                "nothing came any more in the time that --timeout allows; {safe} % is verified and safe"
            )),
        };
        Err(ending::with_report(error, report))
    }
}

/// `2 people`, `1 server`, or both.
fn givers(peers: usize, servers: usize) -> String {
    let people = (peers > 0 || servers == 0).then(|| status::people(peers));
    let servers = (servers > 0).then(|| units::plural(servers as u64, "server", "servers"));
    people.into_iter().chain(servers).collect::<Vec<_>>().join(" and ")
}

fn said(now: &TorrentSnapshot) -> String {
    let left = now.eta_ms.and_then(units::time_left).map(|left| format!(" · {left}")).unwrap_or_default();
    format!(
        "{} of {} · {}{left}",
        units::bytes(now.verified_bytes),
        units::bytes(now.total_bytes),
        status::rates(now)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_no_people() {
        assert_eq!(givers(0, 1), "1 server");
        assert_eq!(givers(2, 0), "2 people");
        assert_eq!(givers(1, 2), "1 person and 2 servers");
        assert_eq!(givers(0, 0), "0 people");
    }
}
