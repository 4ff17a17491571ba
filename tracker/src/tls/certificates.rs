//! The certificate that is shown, which may change while the tracker runs.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use rustls::crypto::aws_lc_rs;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tracing::{info, warn};

use super::CertificateError;
use super::certificate::{Certificate, fingerprint};
use crate::config::CertificateSource;
use crate::stamp::Watch;

/// What new connections are shown. Those that are open keep what they have seen.
#[derive(Debug)]
pub(crate) struct Certificates {
    shown: RwLock<Shown>,
    /// None for a certificate of the tracker's own.
    files: Option<Files>,
}

#[derive(Debug)]
struct Shown {
    key: Arc<CertifiedKey>,
    fingerprint: String,
}

#[derive(Debug)]
struct Files {
    certificate: PathBuf,
    key: PathBuf,
    watch: Mutex<Watch>,
}

impl Files {
    fn new(certificate: &Path, key: &Path) -> Self {
        let watch = Watch::new(vec![certificate.to_owned(), key.to_owned()]);
        Self { certificate: certificate.to_owned(), key: key.to_owned(), watch: Mutex::new(watch) }
    }
}

impl Certificates {
    /// Loads or makes a certificate that is good for `names`.
    ///
    /// # Errors
    ///
    /// [`CertificateError`].
    pub(super) fn new(source: &CertificateSource, names: Vec<String>) -> Result<Self, CertificateError> {
        let (certificate, files) = match source {
            CertificateSource::Files { certificate, key } => {
                // Before they are read: what changes meanwhile is seen later.
                let files = Files::new(certificate, key);
                (Certificate::read(certificate, key)?, Some(files))
            }
            CertificateSource::Generated { data, names: more } => {
                let names = names.into_iter().chain(more.iter().cloned()).collect();
                (Certificate::kept(data, &names)?, None)
            }
        };
        Ok(Self { shown: RwLock::new(shown(certificate)?), files })
    }

    /// SHA-256 of the server's certificate, in hexadecimal pairs.
    pub(crate) fn fingerprint(&self) -> String {
        self.shown.read().fingerprint.clone()
    }

    /// Whether the certificate is the tracker's own, which browsers warn about.
    pub(crate) const fn are_generated(&self) -> bool {
        self.files.is_none()
    }

    /// Reads the files again if they have changed, or in any case; then what came of it, for people. What cannot be used changes
    /// nothing. Waits for the disk.
    pub(crate) fn look(&self, in_any_case: bool) -> Option<String> {
        let Files { certificate, key, watch } = self.files.as_ref()?;
        if !watch.lock().has_changed(in_any_case) {
            return None;
        }
        match Certificate::read(certificate, key).and_then(shown) {
            Ok(new) => {
                info!(fingerprint = new.fingerprint, "the certificate was read again");
                let text = format!("the certificate was read again: its fingerprint is {}", new.fingerprint);
                *self.shown.write() = new;
                Some(text)
            }
            Err(error) => {
                warn!("{error}. The certificate before stays in use");
                // Why is for who reads the log: it names files.
                Some("the certificate has changed and cannot be used; the one before stays in use".to_owned())
            }
        }
    }
}

/// Checks that key and certificate belong together.
fn shown(Certificate { chain, key }: Certificate) -> Result<Shown, CertificateError> {
    let fingerprint = chain.first().map(fingerprint).unwrap_or_default();
    let key = CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider());
    Ok(Shown { key: Arc::new(key.map_err(CertificateError::Unusable)?), fingerprint })
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.shown.read().key.clone())
    }
}
