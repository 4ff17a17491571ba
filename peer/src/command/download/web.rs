//! An address of the web: a `.torrent` to go on with, or any file, fetched over plain HTTP.

use std::io::SeekFrom;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_RANGE, LAST_MODIFIED, RANGE};
use http_body_util::BodyExt as _;
use serde::Serialize;
use shared::limits;
use shared::metainfo::path::safe_part;
use tokio::fs::{File, OpenOptions};
use tokio::io::{AsyncSeekExt as _, AsyncWriteExt as _, BufWriter};

use super::Args;
use super::torrent::Report;
use crate::command::http::{Response, get};
use crate::command::signals::Signals;
use crate::ending;
use crate::output::{Output, line, units};
use crate::progress::{Meter, RecentRate, TOLD_EVERY};

/// Bytes that are written at once.
const WRITE: usize = 1024 * 1024;

/// Silence after which a server is given up, without `--timeout`.
pub(super) const SILENCE: Duration = Duration::from_secs(60);

/// Longest record of what an unfinished file is: an address and a validator, each on a line.
const RECORD_MAX: u64 = 16 * 1024;

/// What was there.
pub(super) enum Got {
    /// A `.torrent`, to go on with.
    Torrent(Bytes),
    /// A file, which is saved now.
    File,
}

/// Fetches what lies at `url`.
pub(super) async fn fetch(
    args: &Args,
    url: &str,
    signals: &mut Signals,
    output: &Output,
) -> anyhow::Result<Got> {
    let place = Place::of(&args.out, url);
    let begun = Instant::now();
    let mut resumed = place.unfinished(url);
    let headers = resumed.as_ref().map(Resumed::headers).unwrap_or_default();
    let private = args.network.allow_private;
    let mut response = get(url, private, &headers).await?;
    if response.status == StatusCode::RANGE_NOT_SATISFIABLE {
        resumed = None;
        response = get(url, private, &[]).await?;
    }
    if !response.status.is_success() {
        let text = format!("{}: the server answered {}", response.url, response.status);
        let missing = matches!(response.status, StatusCode::NOT_FOUND | StatusCode::GONE);
        return Err(if missing { ending::not_found(text) } else { anyhow::Error::msg(text) });
    }
    let kind = response.header(&CONTENT_TYPE).unwrap_or_default();
    if kind.starts_with("application/x-bittorrent") || path_of(&response.url).ends_with(".torrent") {
        let torrent = whole(response, silence(args)).await?;
        return Ok(Got::Torrent(torrent));
    }
    if place.file.symlink_metadata().is_ok() && !args.overwrite {
        let shown = place.file.display();
        return Err(ending::usage(format!("{shown} is there already; --overwrite replaces it")));
    }
    // What the server does not go on with begins anew.
    let from =
        resumed.filter(|resumed| continues(&response, resumed.length)).map_or(0, |resumed| resumed.length);
    let mut saving = Saving { args, place: &place, output, from, had: from, total: total(&response, from) };
    let ended = tokio::select! {
        () = signals.asked() => Err(ending::interrupted(
            "interrupted: the same command goes on from what is here, if the server can",
        )),
        ended = saving.save(url, response) => ended,
    };
    let report = saving.report(begun.elapsed());
    if let Err(error) = ended {
        return Err(ending::with_report(error, &report));
    }
    output.text(&saving.text(&report));
    output.end(&report);
    Ok(Got::File)
}

/// Where a file goes, and where it is until it is whole.
struct Place {
    file: PathBuf,
    part: PathBuf,
    /// What `part` is a part of.
    record: PathBuf,
}

/// What an earlier run left.
struct Resumed {
    length: u64,
    validator: String,
}

impl Place {
    fn of(directory: &Path, url: &str) -> Self {
        let segment = path_of(url).rsplit('/').next().unwrap_or_default();
        let decoded: Vec<u8> = percent_encoding::percent_decode_str(segment).collect();
        let name = safe_part(&decoded).ok().flatten().unwrap_or_else(|| "download".to_owned());
        let beside = |suffix: &str| directory.join(format!("{name}{suffix}"));
        Self { file: beside(""), part: beside(".part"), record: beside(".part.from") }
    }

    /// What is here of the file at `url`, where it can be told whether it is still the same there.
    fn unfinished(&self, url: &str) -> Option<Resumed> {
        let length = self.part.symlink_metadata().ok().filter(std::fs::Metadata::is_file)?.len();
        let small = self.record.symlink_metadata().ok()?.len() <= RECORD_MAX;
        let record = small.then(|| std::fs::read_to_string(&self.record).ok()).flatten()?;
        let (from, validator) = record.trim_end().split_once('\n')?;
        (from == url && length > 0).then(|| Resumed { length, validator: validator.to_owned() })
    }
}

impl Resumed {
    fn headers(&self) -> Vec<(http::HeaderName, String)> {
        vec![(RANGE, format!("bytes={}-", self.length)), (IF_RANGE, self.validator.clone())]
    }
}

/// A file on its way.
struct Saving<'a> {
    args: &'a Args,
    place: &'a Place,
    output: &'a Output,
    /// Bytes that were here before.
    from: u64,
    /// Bytes that are here.
    had: u64,
    total: Option<u64>,
}

impl Saving<'_> {
    async fn save(&mut self, url: &str, response: Response) -> anyhow::Result<()> {
        let Place { file: whole, part, record } = self.place;
        tokio::fs::create_dir_all(&self.args.out).await.with_context(|| shown(&self.args.out))?;
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(self.from == 0);
        let mut file = open(&options, part).await.with_context(|| shown(part))?;
        file.seek(SeekFrom::Start(self.from)).await?;
        match validator(&response) {
            Some(validator) => tokio::fs::write(record, format!("{url}\n{validator}\n")).await?,
            // What cannot be told from a later version of itself is not gone on with.
            None => drop(tokio::fs::remove_file(record).await),
        }
        let mut file = BufWriter::with_capacity(WRITE, file);
        let copied = self.copy(response, &mut file).await;
        // Also what came before it failed is worth keeping.
        file.flush().await.with_context(|| shown(part))?;
        copied?;
        if let Some(total) = self.total.filter(|total| *total != self.had) {
            bail!("the server sent {} of {total} bytes; the same command goes on from there", self.had);
        }
        file.get_ref().sync_all().await?;
        tokio::fs::rename(part, whole).await.with_context(|| shown(whole))?;
        let _ = tokio::fs::remove_file(record).await;
        Ok(())
    }

    async fn copy(&mut self, mut response: Response, file: &mut BufWriter<File>) -> anyhow::Result<()> {
        let mut meter = Meter::new(self.output, self.total.unwrap_or(0));
        let mut rate = RecentRate::new();
        let mut told = Instant::now();
        let silence = silence(self.args);
        loop {
            let Ok(frame) = tokio::time::timeout(silence, response.body.frame()).await else {
                bail!("no data for {} s; the same command goes on from what is here", silence.as_secs());
            };
            let Some(frame) = frame else { return Ok(()) };
            let frame = frame.context("the connection broke; the same command goes on from what is here")?;
            let Ok(data) = frame.into_data() else { continue };
            file.write_all(&data).await?;
            self.had += data.len() as u64;
            if told.elapsed() >= TOLD_EVERY {
                told = Instant::now();
                let rate = rate.at(self.had - self.from);
                self.tell(&mut meter, rate);
            }
        }
    }

    fn tell(&self, meter: &mut Meter, rate: u64) {
        meter.set(self.had, self.total.unwrap_or(self.had), || {
            let of = self.total.map(|total| format!(" of {}", units::bytes(total))).unwrap_or_default();
            format!("{}{of} · ↓ {} over HTTP", units::bytes(self.had), units::rate(rate))
        });
        if meter.is_event_due() {
            self.output.event(&Moving {
                event: "progress",
                phase: "downloading",
                bytes: self.total,
                received: self.had,
                bytes_per_second: rate,
            });
        }
    }

    fn report(&self, took: Duration) -> Report {
        Report {
            path: Some(self.place.file.clone()),
            name: self.place.file.file_name().map(|name| name.to_string_lossy().into_owned()),
            bytes: self.total.unwrap_or(self.had),
            resumed: self.from,
            downloaded: self.had - self.from,
            seconds: took.as_secs_f64(),
            bytes_per_second: units::average(self.had - self.from, took),
            ..Report::default()
        }
    }

    fn text(&self, report: &Report) -> String {
        let took = Duration::from_secs_f64(report.seconds);
        let mut text = format!("{}\n", self.place.file.display());
        text += &line("size", &units::bytes(report.bytes));
        if report.resumed > 0 {
            text += &line("here before", &units::bytes(report.resumed));
        }
        text += &line("took", &format!("{}, {}", units::elapsed(took), units::rate(report.bytes_per_second)));
        text + &line("verified", "no: plain HTTP says nothing to check it against")
    }
}

/// Told with `--json-lines`.
#[derive(Serialize)]
struct Moving {
    event: &'static str,
    phase: &'static str,
    bytes: Option<u64>,
    received: u64,
    bytes_per_second: u64,
}

/// Opens a file that no link in its place leads elsewhere.
async fn open(options: &OpenOptions, path: &Path) -> std::io::Result<File> {
    let mut options = options.clone();
    options.custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed());
    options.open(path).await
}

fn silence(args: &Args) -> Duration {
    args.timeout.unwrap_or(SILENCE)
}

/// The path of a URL, without its query.
fn path_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let path = rest.split_once('/').map_or("", |(_, path)| path);
    path.split('?').next().unwrap_or_default()
}

/// Whether a response goes on after `length` bytes.
fn continues(response: &Response, length: u64) -> bool {
    let range = response.header(&CONTENT_RANGE).and_then(|range| range.strip_prefix("bytes "));
    let first = range.and_then(|range| range.split('-').next()).and_then(|first| first.trim().parse().ok());
    response.status == StatusCode::PARTIAL_CONTENT && first == Some(length)
}

/// Bytes in the whole file, if the server says so.
fn total(response: &Response, from: u64) -> Option<u64> {
    let length: u64 = response.header(&CONTENT_LENGTH)?.parse().ok()?;
    from.checked_add(length)
}

/// What tells this version of the file from others (RFC 9110, section 13.1.5): a strong entity tag, or its date.
fn validator(response: &Response) -> Option<&str> {
    let strong = response.header(&ETAG).filter(|tag| tag.starts_with('"'));
    strong.or_else(|| response.header(&LAST_MODIFIED))
}

/// A `.torrent`, within its bound.
pub(super) async fn whole(mut response: Response, silence: Duration) -> anyhow::Result<Bytes> {
    let mut torrent = BytesMut::new();
    while let Some(frame) =
        tokio::time::timeout(silence, response.body.frame()).await.context("the server fell silent")?
    {
        let Ok(data) = frame?.into_data() else { continue };
        torrent.extend_from_slice(&data);
        if torrent.len() > limits::TORRENT_MAX {
            bail!("{}: a .torrent has at most {} bytes", response.url, limits::TORRENT_MAX);
        }
    }
    Ok(torrent.freeze())
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
