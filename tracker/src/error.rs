//! Why a tracker does not start, and what to do about it.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Why a tracker does not start. The text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Somebody else listens there.
    #[error(
        "{address} is in use: another program (perhaps a second tracker) listens there. Stop it, or choose another port with {option}"
    )]
    InUse {
        /// The address.
        address: SocketAddr,
        /// The option that names it.
        option: &'static str,
    },
    /// The port needs a privilege.
    #[error(
        "no permission to listen on {address}: ports below 1024 need a privilege. Choose a higher port with {option}, or grant the privilege with `setcap cap_net_bind_service=+ep` on the program"
    )]
    Privileged {
        /// The address.
        address: SocketAddr,
        /// The option that names it.
        option: &'static str,
    },
    /// Listening failed for another reason.
    #[error("cannot listen on {address} ({option}): {error}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The option that names it.
        option: &'static str,
        /// What the system said.
        error: io::Error,
    },
    /// `--files` or `--page` names something that is no directory or cannot be read.
    #[error("{option} {path}: {error}. Name a directory that exists and that this user may read", path = .path.display())]
    Directory {
        /// The option that names it.
        option: &'static str,
        /// The directory.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// `--files` would show the private key.
    #[error("--files {files} holds what must stay private: {private}, with the tracker's key. Serve another directory, or move the data with --data", files = .files.display(), private = .private.display())]
    FilesHoldData {
        /// The directory to serve.
        files: PathBuf,
        /// The tracker's data directory, or the key's file, within.
        private: PathBuf,
    },
    /// The peer that seeds does not start.
    #[error("--seed: {0}. Choose another address with --listen-peers, or start without --seed")]
    Seed(#[from] peer::client::StartError),
    /// The cluster cannot be joined.
    #[error(transparent)]
    Cluster(#[from] crate::cluster::options::ClusterError),
    /// A list cannot be used.
    #[error(transparent)]
    List(#[from] crate::access::ListError),
    /// The certificate cannot be used.
    #[error(transparent)]
    Certificate(#[from] crate::tls::CertificateError),
    /// The accounts cannot be read.
    #[error(transparent)]
    Accounts(#[from] crate::account::StoreError),
    /// The system gives no random numbers.
    #[error("the system gives no random numbers; the tracker cannot choose peers without")]
    Random,
}
