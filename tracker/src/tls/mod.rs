//! TLS: a certificate, and HTTP/2 or HTTP/1.1 by ALPN.

mod certificate;
mod certificates;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem;
use tokio_rustls::TlsAcceptor;

pub(crate) use self::certificates::Certificates;
use crate::config::CertificateSource;

/// Why there is no usable certificate. The text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A PEM file cannot be read.
    #[error("{option} {path}: {error}. Name a PEM file that this user may read", path = .path.display())]
    Read {
        /// The option that names it.
        option: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: pem::Error,
    },
    /// A PEM file has no certificate.
    #[error("--cert {path} holds no certificate. Name the PEM file with the chain, the server's own first", path = .0.display())]
    Empty(PathBuf),
    /// The certificate and the key do not make a server.
    #[error("the certificate and the key cannot be used together: {0}. Check that --key belongs to --cert")]
    Unusable(rustls::Error),
    /// The tracker's own directory cannot be written.
    #[error("cannot keep the certificate in {path}: {error}. Name a directory that this user may write with --data, give a certificate with --cert and --key, or switch TLS off with --no-tls", path = .path.display())]
    Store {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// No certificate could be made.
    #[error("cannot make a certificate: {0}. Check the names given with --name")]
    Generate(rcgen::Error),
}

/// What the TLS port needs.
pub(crate) struct Tls {
    /// HTTP/2 or HTTP/1.1, whichever the client prefers.
    pub(crate) acceptor: TlsAcceptor,
    /// The same, HTTP/1.1 only.
    pub(crate) http1: TlsAcceptor,
    /// What both show.
    pub(crate) certificates: Arc<Certificates>,
}

impl Tls {
    /// Loads or makes a certificate that is good for `names`.
    ///
    /// # Errors
    ///
    /// [`CertificateError`].
    pub(crate) fn new(source: &CertificateSource, names: Vec<String>) -> Result<Self, CertificateError> {
        let certificates = Arc::new(Certificates::new(source, names)?);
        let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(CertificateError::Unusable)?
            .with_no_client_auth()
            .with_cert_resolver(certificates.clone());
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let http1 = TlsAcceptor::from(Arc::new(config.clone()));
        config.alpn_protocols.insert(0, b"h2".to_vec());
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), http1, certificates })
    }
}
