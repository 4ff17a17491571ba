//! The comparison: the same bytes over HTTP/1.1, HTTP/2 and BitTorrent, with what each costs on the wire.
//!
//! [`run`] makes the transfers and returns a [`model::Report`]; [`report`] turns that into a table, CSV, JSON and one HTML
//! file. Each lane's client is a process of its own ([`lane`]), each side in a network namespace of its own ([`lab`]) if this
//! user may make one. What is computed from what was counted is pure: [`wire`], [`shared::statistics`], [`bounds`], [`plan`].

pub mod bounds;
mod content;
mod environment;
pub mod lab;
pub mod lane;
mod many;
pub mod model;
mod nginx;
mod pair;
pub mod place;
pub mod plan;
pub mod process;
mod remote;
pub mod report;
pub mod wire;

use std::io;
use std::path::PathBuf;

use self::lab::LabError;
pub use self::many::Many;
use self::model::{Lane, Report};
use self::process::ProcessError;
pub use self::remote::{Remote, RemoteError};

/// What is compared, and with what.
#[derive(Clone, Debug)]
pub struct Options {
    /// Ways.
    pub lanes: Vec<Lane>,
    /// Sizes of the file, bytes.
    pub sizes: Vec<u64>,
    /// Transfers of each lane and size; `None`: [`plan::repeats`].
    pub repeats: Option<u32>,
    /// Transfers at once.
    pub parallel: u32,
    /// Seed of contents and order.
    pub seed: u64,
    /// The tracker's executable.
    pub tracker: PathBuf,
    /// This program's executable, for the lanes' processes.
    pub peer: PathBuf,
    /// Where contents and what is received lie meanwhile: a directory that exists and that the caller removes.
    pub scratch: PathBuf,
    /// Try to put each side into a network namespace of its own.
    pub namespaces: bool,
    /// Have nginx serve the same files, and make every HTTP transfer from it as well.
    pub nginx: bool,
    /// Many receivers, if they are wanted.
    pub many: Option<Many>,
    /// A server that runs already, in place of the tracker's executable; the size is then that of its file.
    pub remote: Option<Remote>,
}

/// What is said while it runs.
#[derive(Clone, Debug)]
pub enum Progress {
    /// Something to know, one line.
    Notice(String),
    /// A transfer is over, of so many.
    Transfer {
        /// Transfers made.
        done: usize,
        /// Of all.
        of: usize,
        /// Which lane.
        lane: Lane,
        /// Size, bytes.
        size: u64,
        /// What went wrong, one line.
        error: Option<String>,
    },
    /// A transfer to many receivers is over, of so many.
    Receivers {
        /// Such transfers made.
        done: usize,
        /// Of all.
        of: usize,
        /// Which lane.
        lane: Lane,
        /// How many receivers.
        n: u32,
        /// What went wrong, one line.
        error: Option<String>,
    },
}

/// Why nothing could be compared.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// No network of our own, for another reason than missing rights.
    #[error(transparent)]
    Lab(#[from] LabError),
    /// A process beside this one.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// A file of the comparison's own.
    #[error("cannot use {path}: {error}", path = .path.display())]
    Scratch {
        /// Which.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// A file that could not be shared.
    #[error("cannot share {path}: {error}", path = .path.display())]
    Share {
        /// Which.
        path: PathBuf,
        /// In words.
        error: String,
    },
    /// One of many receivers did not get everything.
    #[error("a receiver: {0}")]
    Receiver(String),
    /// A server that runs already.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// The kernel's counters.
    #[error("cannot read the kernel's counters: {0}")]
    Counters(io::Error),
}

/// Makes all transfers, one after another. Dropping the future ends every process and takes the network down.
///
/// # Errors
///
/// [`CompareError`] if nothing can be compared. A transfer that goes wrong is in the report, with `ok` false.
pub async fn run(options: &Options, progress: &mut dyn FnMut(Progress)) -> Result<Report, CompareError> {
    let mut environment = environment::describe(options);
    if let Some(remote) = &options.remote {
        let runs = remote::run(options, remote, &mut environment, progress).await?;
        return Ok(Report { environment, runs, ..Report::default() });
    }
    let (mut runs, mut beside) = (Vec::new(), Vec::new());
    if !options.lanes.is_empty() && !options.sizes.is_empty() {
        (runs, beside) = pair::run(options, &mut environment, progress).await?;
    }
    let mut receivers = Vec::new();
    if let Some(many) = &options.many {
        receivers = many::run(options, many, &mut environment, progress).await?;
    }
    Ok(Report { environment, runs, receivers, beside })
}
