//! `peer create`: a `.torrent` of a file or a folder.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context as _;
use peer::create::Choices;
use serde::Serialize;
use shared::limits;
use shared::magnet::Link;
use shared::metainfo::builder::BuildError;
use shared::url;

use super::sources::{find, hash};
use crate::cli::{flag, values};
use crate::ending::{self, EXIT_CODES};
use crate::output::{JSON_ENDED, Output, line, units};

/// Makes a .torrent of a file or a folder, and its magnet link.
///
/// The same file gets the same info-hash as on the page, unless its piece length is chosen or it is private. Of a folder
/// all files are taken, hidden ones too; symbolic links within it are left out, and that is said.
#[derive(Clone, Debug, clap::Args)]
#[command(after_long_help = create_help())]
pub(crate) struct Args {
    /// File or folder.
    path: PathBuf,

    /// Announce URL (ws, wss, http, https, udp). May be repeated; also as the older `create PATH TRACKER`.
    #[arg(long = "tracker", value_name = "URL", env = "PIECEMEAL_TRACKER", value_delimiter = ' ', value_parser = values::tracker)]
    trackers: Vec<String>,

    /// The same as --tracker.
    #[arg(value_name = "TRACKER", value_parser = values::tracker)]
    tracker: Option<String>,

    /// Where to write the .torrent, `-` for standard output [default: the name with .torrent, in this directory].
    #[arg(long, short, value_name = "F.torrent", env = "PIECEMEAL_TORRENT_OUT")]
    out: Option<PathBuf>,

    /// Replace the .torrent if it is there.
    #[arg(long, env = "PIECEMEAL_OVERWRITE", value_parser = flag())]
    overwrite: bool,

    /// Where the same file, or the folder that holds the folder, lies on the web (BEP 19). May be repeated.
    #[arg(long = "web-seed", value_name = "URL", env = "PIECEMEAL_WEB_SEED", value_delimiter = ' ', value_parser = values::web)]
    web_seeds: Vec<String>,

    /// Peers may be had from its own trackers only (BEP 27). Another info-hash.
    #[arg(long, env = "PIECEMEAL_PRIVATE", value_parser = flag())]
    private: bool,

    /// Bytes in a piece, a power of two from 16KiB to 4MiB, in place of what follows from the size. Another info-hash.
    #[arg(long, value_name = "SIZE", env = "PIECEMEAL_PIECE_LENGTH", value_parser = values::size)]
    piece_length: Option<u64>,

    /// Name in place of the file's or folder's own. Another info-hash.
    #[arg(long, value_name = "NAME", env = "PIECEMEAL_NAME")]
    name: Option<String>,

    /// Words for people.
    #[arg(long, value_name = "TEXT", env = "PIECEMEAL_COMMENT")]
    comment: Option<String>,
}

fn create_help() -> String {
    format!(
        "JSON: {{\"ok\", \"path\", \"name\", \"info_hash\", \"magnet\", \"torrent\" (null on standard output), \"bytes\", \
         \"files\", \"piece_length\", \"pieces\", \"private\", \"skipped\": [paths], \"seconds\"}}. {JSON_ENDED}\n\n\
         {EXIT_CODES}\n\n\
         Example:\n  peer create holiday.mp4 --tracker ws://localhost:8080/announce"
    )
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    path: PathBuf,
    name: String,
    info_hash: String,
    magnet: String,
    torrent: Option<PathBuf>,
    bytes: u64,
    files: usize,
    piece_length: u32,
    pieces: u32,
    private: bool,
    skipped: Vec<PathBuf>,
    seconds: f64,
}

pub(crate) fn run(args: &Args, output: &Output) -> anyhow::Result<()> {
    let to_stdout = args.out.as_deref() == Some(Path::new("-"));
    if to_stdout && !output.is_text() {
        return Err(ending::usage("--out -: the .torrent and JSON cannot both go to standard output"));
    }
    let (trackers, choices) = (args.trackers()?, args.choices()?);
    if args.web_seeds.len() > limits::WEB_SEEDS_PER_TORRENT {
        return Err(ending::usage(format!("--web-seed: at most {}", limits::WEB_SEEDS_PER_TORRENT)));
    }
    let begun = Instant::now();
    let sources = find(&args.path, output)?;
    let skipped = sources.skipped().iter().map(|skipped| skipped.path.clone()).collect();
    let created = hash(sources, &args.path, &choices, output)?;
    if created.metainfo.is_private() && trackers.is_empty() {
        output.note("peer: a private torrent without --tracker leads nobody anywhere");
    }
    let seconds = begun.elapsed();
    let mut metainfo = created.metainfo.with_web_seeds(&args.web_seeds)?;
    if let Some(comment) = &args.comment {
        metainfo = metainfo.with_comment(comment);
    }
    // Both are given to others.
    let bare: Vec<String> = trackers.iter().map(|tracker| url::without_key(tracker)).collect();
    if bare != trackers {
        output.note("peer: your passkey is left out: whoever opens this brings their own, or logs in");
    }
    let trackers = bare;
    let torrent = metainfo.to_torrent(&trackers);
    let place = if to_stdout {
        // Whoever closed standard output does not want to know.
        let _ = std::io::stdout().write_all(&torrent);
        None
    } else {
        let place = args.out.clone().unwrap_or_else(|| PathBuf::from(format!("{}.torrent", metainfo.name())));
        write(&place, &torrent, args.overwrite)?;
        Some(place)
    };
    let layout = metainfo.layout();
    let mut link = Link::new(metainfo.info_hash());
    link.name = Some(metainfo.name().to_owned());
    link.length = Some(layout.total());
    link.trackers = trackers;
    link.web_seeds = metainfo.web_seeds().to_vec();
    let report = Report {
        path: args.path.clone(),
        name: metainfo.name().to_owned(),
        info_hash: metainfo.info_hash().to_string(),
        magnet: link.to_magnet(),
        torrent: place,
        bytes: layout.total(),
        files: metainfo.files().len(),
        piece_length: layout.piece_length(),
        pieces: layout.pieces(),
        private: metainfo.is_private(),
        skipped,
        seconds: seconds.as_secs_f64(),
    };
    if !to_stdout {
        output.text(&text(&report));
    }
    output.end(&report);
    Ok(())
}

impl Args {
    fn trackers(&self) -> anyhow::Result<Vec<String>> {
        let mut trackers: Vec<String> = Vec::new();
        for tracker in self.tracker.iter().chain(&self.trackers) {
            if !trackers.contains(tracker) {
                trackers.push(tracker.clone());
            }
        }
        if trackers.len() > limits::TRACKERS_PER_TORRENT {
            return Err(ending::usage(format!("--tracker: at most {}", limits::TRACKERS_PER_TORRENT)));
        }
        Ok(trackers)
    }

    fn choices(&self) -> anyhow::Result<Choices> {
        let length = self.piece_length.map(|length| u32::try_from(length).unwrap_or(u32::MAX));
        if let Some(length) = length {
            let bounds = limits::PIECE_LENGTH_MIN..=limits::PIECE_LENGTH_MAX_CREATED;
            if !length.is_power_of_two() || !bounds.contains(&length) {
                return Err(ending::usage(format!("--piece-length: {}", BuildError::PieceLength(length))));
            }
        }
        Ok(Choices { name: self.name.clone(), piece_length: length, private: self.private })
    }
}

fn text(report: &Report) -> String {
    let mut text = format!("{}\n", report.name);
    let files = units::plural(report.files as u64, "file", "files");
    let pieces = units::plural(u64::from(report.pieces), "piece", "pieces");
    text += &line("size", &format!("{}, {files}", units::bytes(report.bytes)));
    text += &line("pieces", &format!("{pieces} of {}", units::piece_length(report.piece_length)));
    text += &line("info-hash", &report.info_hash);
    if let Some(torrent) = &report.torrent {
        text += &line("torrent", &torrent.display().to_string());
    }
    text + &line("magnet", &report.magnet)
}

/// Writes a file whole or not at all: under another name first.
fn write(place: &Path, contents: &[u8], overwrite: bool) -> anyhow::Result<()> {
    let shown = place.display();
    let exists = || ending::usage(format!("{shown} is there already; --overwrite replaces it"));
    if !overwrite && place.symlink_metadata().is_ok() {
        return Err(exists());
    }
    let mut unfinished = place.as_os_str().to_owned();
    unfinished.push(format!(".{}.part", std::process::id()));
    let unfinished = PathBuf::from(unfinished);
    let written = File::create_new(&unfinished)
        .and_then(|mut file| file.write_all(contents).and_then(|()| file.sync_all()))
        .and_then(|()| {
            if overwrite {
                return std::fs::rename(&unfinished, place);
            }
            // Unlike a rename, this fails where somebody else was faster.
            std::fs::hard_link(&unfinished, place).and_then(|()| std::fs::remove_file(&unfinished))
        });
    written
        .map_err(|error| {
            let _ = std::fs::remove_file(&unfinished);
            if error.kind() == io::ErrorKind::AlreadyExists { exists() } else { error.into() }
        })
        .with_context(|| format!("cannot write {shown}"))
}
