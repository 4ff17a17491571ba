//! `peer info`: what a `.torrent` or a link holds, and whether a copy on disk is the same.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;
use shared::magnet::Link;
use shared::metainfo::{FileEntry, Metainfo};

use super::copy;
use super::sources::threads;
use super::target::{self, Target};
use crate::ending::{self, EXIT_CODES};
use crate::output::{JSON_ENDED, Output, line, units};
use crate::progress;

/// Says what a .torrent or a link holds, without contacting anybody. With --check, compares a copy on disk with it.
#[derive(Clone, Debug, clap::Args)]
#[command(after_long_help = info_help())]
pub(crate) struct Args {
    /// A .torrent file, a magnet link, a share link or an info-hash.
    #[arg(value_name = "FILE.torrent|LINK|HASH")]
    what: String,

    /// Hash the file or folder at this path and compare it, piece by piece. Exit code 4 if it differs.
    #[arg(long, value_name = "PATH", env = "PIECEMEAL_CHECK")]
    check: Option<PathBuf>,

    /// List every file rather than the first twenty.
    #[arg(long, env = "PIECEMEAL_ALL_FILES", value_parser = crate::cli::flag())]
    all_files: bool,
}

fn info_help() -> String {
    format!(
        "JSON: {{\"ok\", \"kind\" (\"torrent\" or \"link\"), \"info_hash\", \"name\", \"bytes\", \"piece_length\", \
         \"pieces\", \"private\", \"comment\", \"files\": [{{\"path\", \"bytes\"}}], \"trackers\", \"web_seeds\", \
         \"sources\", \"peers\", \"magnet\", \"check\": {{\"path\", \"pieces\", \"bytes\", \"differing\": [paths], \"complete\"}}}}; \
         what a link does not tell is null. {JSON_ENDED}\n\n\
         {EXIT_CODES}\n\n\
         Example:\n  peer info holiday.mp4.torrent --check ~/Videos/holiday.mp4"
    )
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    kind: &'static str,
    info_hash: String,
    name: Option<String>,
    bytes: Option<u64>,
    piece_length: Option<u32>,
    pieces: Option<u32>,
    private: Option<bool>,
    comment: Option<String>,
    files: Option<Vec<FileReport>>,
    trackers: Vec<String>,
    web_seeds: Vec<String>,
    sources: Vec<String>,
    peers: Vec<String>,
    magnet: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    check: Option<Checked>,
}

#[derive(Serialize)]
struct FileReport {
    path: String,
    bytes: u64,
}

/// How a copy on disk compares.
#[derive(Serialize)]
struct Checked {
    path: PathBuf,
    /// That match.
    pieces: u32,
    /// In pieces that match.
    bytes: u64,
    /// Files that are missing, of another length, or touched by a piece that does not match.
    differing: Vec<String>,
    complete: bool,
}

/// Files that are listed without `--all-files`.
const LISTED: usize = 20;

pub(crate) fn run(args: &Args, output: &Output) -> anyhow::Result<()> {
    let (mut report, metainfo) = match target::read(&args.what)? {
        Target::Torrent { metainfo, .. } => (of_torrent(&metainfo), Some(metainfo)),
        Target::Link { link, .. } => (of_link(&link), None),
        Target::Web(_) => {
            return Err(ending::usage("info contacts nobody: download the .torrent first, or give its link"));
        }
    };
    if let Some(path) = &args.check {
        let metainfo = metainfo.as_deref().ok_or_else(|| {
            ending::usage("--check needs the hashes of a .torrent: a link has only the hash of those")
        })?;
        report.check = Some(check(metainfo, path, output)?);
    }
    output.text(&text(&report, if args.all_files { usize::MAX } else { LISTED }));
    match &report.check {
        Some(checked) if !checked.complete => {
            let error = ending::integrity(format!("{} differs from the torrent", checked.path.display()));
            Err(ending::with_report(error, &report))
        }
        _ => {
            output.end(&report);
            Ok(())
        }
    }
}

fn of_torrent(metainfo: &Metainfo) -> Report {
    let layout = metainfo.layout();
    let mut link = Link::new(metainfo.info_hash());
    link.name = Some(metainfo.name().to_owned());
    link.length = Some(layout.total());
    link.trackers = metainfo.trackers().to_vec();
    link.web_seeds = metainfo.web_seeds().to_vec();
    let files = metainfo.files().iter().filter(|file| !file.padding);
    Report {
        kind: "torrent",
        piece_length: Some(layout.piece_length()),
        pieces: Some(layout.pieces()),
        private: Some(metainfo.is_private()),
        comment: metainfo.comment().map(str::to_owned),
        files: Some(files.map(|file| FileReport { path: file.path.join("/"), bytes: file.length }).collect()),
        ..of_link(&link)
    }
}

fn of_link(link: &Link) -> Report {
    Report {
        kind: "link",
        info_hash: link.info_hash.to_string(),
        name: link.name.clone(),
        bytes: link.length,
        piece_length: None,
        pieces: None,
        private: None,
        comment: None,
        files: None,
        trackers: link.trackers.clone(),
        web_seeds: link.web_seeds.clone(),
        sources: link.sources.clone(),
        peers: link.peers.clone(),
        magnet: link.to_magnet(),
        check: None,
    }
}

fn text(report: &Report, listed: usize) -> String {
    let mut text = format!("{}\n", report.name.as_deref().unwrap_or("(no name)"));
    text += &line("info-hash", &report.info_hash);
    let files = report.files.as_ref().map(|files| units::plural(files.len() as u64, "file", "files"));
    if let Some(bytes) = report.bytes {
        let exact = if bytes < 1_000 { String::new() } else { format!(" ({bytes} bytes)") };
        let files = files.map(|files| format!(", {files}")).unwrap_or_default();
        text += &line("size", &format!("{}{exact}{files}", units::bytes(bytes)));
    }
    if let (Some(pieces), Some(length)) = (report.pieces, report.piece_length) {
        let pieces = units::plural(u64::from(pieces), "piece", "pieces");
        text += &line("pieces", &format!("{pieces} of {}", units::piece_length(length)));
    }
    if report.private == Some(true) {
        text += &line("private", "yes: peers from its own trackers only");
    }
    if let Some(comment) = &report.comment {
        text += &line("comment", comment);
    }
    for (label, values) in [
        ("tracker", &report.trackers),
        ("web seed", &report.web_seeds),
        (".torrent at", &report.sources),
        ("peer", &report.peers),
    ] {
        values.iter().for_each(|value| text += &line(label, value));
    }
    text += &line("magnet", &report.magnet);
    if report.kind == "link" {
        text += &line("", "the list of files comes from whoever has it");
    }
    for file in report.files.iter().flatten().take(listed) {
        text += &format!("  {:>10}  {}\n", units::bytes(file.bytes), file.path);
    }
    let more = report.files.as_ref().map_or(0, |files| files.len().saturating_sub(listed));
    if more > 0 {
        text += &format!("  and {} (--all-files lists them)\n", units::plural(more as u64, "file", "files"));
    }
    if let Some(checked) = &report.check {
        text += &check_text(checked, report.pieces.unwrap_or_default(), listed);
    }
    text
}

fn check_text(checked: &Checked, pieces: u32, listed: usize) -> String {
    let path = checked.path.display();
    if checked.complete {
        return line(
            "check",
            &format!("{path}: all {} match", units::plural(pieces.into(), "piece", "pieces")),
        );
    }
    let matching = units::plural(checked.pieces.into(), "piece", "pieces");
    let mut text =
        line("check", &format!("{path}: {matching} of {pieces} match, {}", units::bytes(checked.bytes)));
    for file in checked.differing.iter().take(listed) {
        text += &line("differs", file);
    }
    text
}

/// Compares what lies at `path` with the torrent.
fn check(metainfo: &Metainfo, path: &Path, output: &Output) -> anyhow::Result<Checked> {
    let root = root_of(metainfo, path)?;
    let layout = metainfo.layout();
    let counter = AtomicU64::new(0);
    let name = path.display().to_string();
    let matching =
        progress::hashed(output, &name, layout.total(), &|| counter.load(Ordering::Relaxed), || {
            copy::matching(metainfo, &root, threads(), &counter)
        });
    let matches = |number: u32| matching.get(number as usize) == Some(&true);
    let differs = |number: usize, file: &FileEntry| {
        let length = copy::path_of(metainfo, &root, file).metadata().map(|metadata| metadata.len());
        length.ok() != Some(file.length) || !layout.file_pieces(number).all(matches)
    };
    let files = metainfo.files().iter().enumerate().filter(|(_, file)| !file.padding);
    let differing: Vec<String> =
        files.filter(|(number, file)| differs(*number, file)).map(|(_, file)| file.path.join("/")).collect();
    let pieces = layout.all_pieces().filter(|piece| matches(piece.get()));
    let bytes = pieces.map(|piece| u64::from(layout.piece_size(piece))).sum();
    let count = matching.iter().filter(|matches| **matches).count() as u32;
    let complete = count == layout.pieces() && differing.is_empty();
    Ok(Checked { path: root, pieces: count, bytes, differing, complete })
}

/// Where the torrent's file, or its folder, is: `path` itself, or what has the torrent's name within it.
fn root_of(metainfo: &Metainfo, path: &Path) -> anyhow::Result<PathBuf> {
    let metadata = std::fs::metadata(path)
        .map_err(|error| ending::not_found(format!("--check: {}: {error}", path.display())))?;
    let within = path.join(metainfo.name());
    let named = if metainfo.is_folder() { within.is_dir() } else { metadata.is_dir() && within.is_file() };
    if named {
        return Ok(within);
    }
    if metadata.is_dir() != metainfo.is_folder() {
        let expected = if metainfo.is_folder() { "a folder" } else { "a file" };
        return Err(ending::usage(format!("--check: expected {expected} at {}", path.display())));
    }
    Ok(path.to_owned())
}
