//! Certificates: read from files, or made here and kept.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tracing::{info, warn};

use super::CertificateError;

/// How long a certificate is good for. Browsers refuse longer than 398 days.
const LIFETIME: Duration = Duration::from_secs(390 * 86_400);

/// A certificate that ends sooner than this is made anew.
const RENEW_BEFORE: Duration = Duration::from_secs(30 * 86_400);

/// It is good since yesterday, for clients whose clock is late.
const BACKDATED: Duration = Duration::from_secs(86_400);

const CERTIFICATE_FILE: &str = "certificate.pem";
const KEY_FILE: &str = "key.pem";
const RECORD_FILE: &str = "certificate.json";

/// A chain, the server's own first, and its private key.
#[derive(Debug)]
pub(super) struct Certificate {
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) key: PrivateKeyDer<'static>,
}

/// What we know about a certificate of our making without parsing it.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    fingerprint: String,
    names: BTreeSet<String>,
    /// Seconds since 1970.
    not_after: u64,
}

impl Certificate {
    /// Reads somebody else's certificate.
    pub(super) fn read(certificate: &Path, key: &Path) -> Result<Self, CertificateError> {
        let failed = |option, path: &Path| {
            let path = path.to_owned();
            move |error| CertificateError::Read { option, path, error }
        };
        let chain: Vec<_> = CertificateDer::pem_file_iter(certificate)
            .and_then(Iterator::collect)
            .map_err(failed("--cert", certificate))?;
        if chain.is_empty() {
            return Err(CertificateError::Empty(certificate.to_owned()));
        }
        if is_open_to_others(key) {
            warn!(key = %key.display(), "other users may read the private key; `chmod 600` it");
        }
        let key = PrivateKeyDer::from_pem_file(key).map_err(failed("--key", key))?;
        Ok(Self { chain, key })
    }

    /// The certificate kept in `data`, or a new one if there is none that is good for `names` and for some time.
    pub(super) fn kept(data: &Path, names: &BTreeSet<String>) -> Result<Self, CertificateError> {
        let now = SystemTime::now();
        make_private_directory(data)
            .map_err(|error| CertificateError::Store { path: data.to_owned(), error })?;
        match Self::load(data, names, now) {
            Ok(kept) => Ok(kept),
            Err(why) => {
                info!(data = %data.display(), "making a certificate: {why}");
                Self::generate(data, names, now)
            }
        }
    }

    /// Loads what is kept; in words why it cannot be used.
    fn load(data: &Path, names: &BTreeSet<String>, now: SystemTime) -> Result<Self, &'static str> {
        let record = fs::read(data.join(RECORD_FILE)).map_err(|_| "there is none yet")?;
        let record: Record =
            serde_json::from_slice(&record).map_err(|_| "the record of the old one is damaged")?;
        if record.names != *names {
            return Err("this host's names or addresses have changed");
        }
        if UNIX_EPOCH + Duration::from_secs(record.not_after) < now + RENEW_BEFORE {
            return Err("the old one ends soon");
        }
        let key = data.join(KEY_FILE);
        if is_open_to_others(&key) {
            return Err("other users could read the private key of the old one");
        }
        let chain = CertificateDer::pem_file_iter(data.join(CERTIFICATE_FILE));
        let chain: Vec<_> = chain.and_then(Iterator::collect).map_err(|_| "the old one cannot be read")?;
        let key =
            PrivateKeyDer::from_pem_file(key).map_err(|_| "the private key of the old one cannot be read")?;
        match chain.first() {
            Some(own) if fingerprint(own) == record.fingerprint => Ok(Self { chain, key }),
            _ => Err("the old one is not what was recorded"),
        }
    }

    fn generate(data: &Path, names: &BTreeSet<String>, now: SystemTime) -> Result<Self, CertificateError> {
        let params = CertificateParams::new(names.iter().cloned().collect::<Vec<_>>());
        let mut params = params.map_err(CertificateError::Generate)?;
        let since_1970 = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let not_after = since_1970 + LIFETIME;
        let epoch = rcgen::date_time_ymd(1970, 1, 1);
        params.not_before = epoch + since_1970.saturating_sub(BACKDATED);
        params.not_after = epoch + not_after;
        params.distinguished_name.push(DnType::CommonName, "Piecemeal tracker");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate().map_err(CertificateError::Generate)?;
        let certificate = params.self_signed(&key).map_err(CertificateError::Generate)?;
        let record = Record {
            fingerprint: fingerprint(certificate.der()),
            names: names.clone(),
            not_after: not_after.as_secs(),
        };
        let record = serde_json::to_vec_pretty(&record).unwrap_or_default();
        // The record goes first and comes last: what it describes is there when it is, whenever this is broken off.
        let _ = fs::remove_file(data.join(RECORD_FILE));
        for (name, contents) in [
            (KEY_FILE, key.serialize_pem().into_bytes()),
            (CERTIFICATE_FILE, certificate.pem().into_bytes()),
            (RECORD_FILE, record),
        ] {
            let path = data.join(name);
            write_private(&path, &contents).map_err(|error| CertificateError::Store { path, error })?;
        }
        let key = PrivateKeyDer::try_from(key.serialize_der());
        let key = key.map_err(|_| CertificateError::Generate(rcgen::Error::CouldNotParseKeyPair))?;
        Ok(Self { chain: vec![certificate.der().clone()], key })
    }
}

/// SHA-256 of a certificate, as browsers show it.
pub(super) fn fingerprint(certificate: &CertificateDer<'_>) -> String {
    let pairs = Sha256::digest(certificate).iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>();
    pairs.join(":")
}

/// Replaces a file as a whole; nobody but this user may ever read it.
fn write_private(path: &Path, contents: &[u8]) -> io::Result<()> {
    let temporary = PathBuf::from(format!("{}.{}.new", path.display(), std::process::id()));
    let _ = fs::remove_file(&temporary);
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let mut file = options.open(&temporary)?;
    file.write_all(contents)?;
    file.sync_all()?;
    fs::rename(&temporary, path)
}

fn make_private_directory(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true).mode(0o700);
    builder.create(path)
}

fn is_open_to_others(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.mode() & 0o077 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn own(certificate: &Certificate) -> String {
        fingerprint(&certificate.chain[0])
    }

    #[test]
    fn a_certificate_is_kept_until_names_or_time_ask_for_another() {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("data");
        let (one, two) = (names(&["localhost", "127.0.0.1"]), names(&["localhost", "192.0.2.7"]));
        let first = Certificate::kept(&data, &one).unwrap();
        assert_eq!(own(&Certificate::kept(&data, &one).unwrap()), own(&first));
        let second = Certificate::kept(&data, &two).unwrap();
        assert_ne!(own(&second), own(&first));
        let days = |days: u64| SystemTime::now() + Duration::from_secs(days * 86_400);
        assert_eq!(own(&Certificate::load(&data, &two, days(359)).unwrap()), own(&second));
        assert_eq!(Certificate::load(&data, &two, days(361)).unwrap_err(), "the old one ends soon");
    }

    #[test]
    fn nobody_else_can_read_the_key() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("data");
        let names = names(&["localhost"]);
        let first = Certificate::kept(&data, &names).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!(mode(&data), 0o700);
        let key = data.join(KEY_FILE);
        assert_eq!(mode(&key), 0o600);
        fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
        let second = Certificate::kept(&data, &names).unwrap();
        assert_ne!(own(&second), own(&first), "a key that others could read is not used again");
        assert_eq!(mode(&key), 0o600);
    }

    #[test]
    fn damaged_files_are_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let names = names(&["localhost"]);
        for name in [RECORD_FILE, KEY_FILE, CERTIFICATE_FILE] {
            Certificate::kept(directory.path(), &names).unwrap();
            write_private(&directory.path().join(name), b"nonsense").unwrap();
            Certificate::kept(directory.path(), &names).unwrap();
            assert!(Certificate::load(directory.path(), &names, SystemTime::now()).is_ok(), "{name}");
        }
    }

    #[test]
    fn a_renewal_that_was_broken_off_is_done_again() {
        let directory = tempfile::tempdir().unwrap();
        let (one, two) = (names(&["localhost"]), names(&["localhost", "192.0.2.7"]));
        Certificate::kept(directory.path(), &one).unwrap();
        // No certificate can be put where a directory is.
        let path = directory.path().join(CERTIFICATE_FILE);
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(Certificate::kept(directory.path(), &two).is_err());
        fs::remove_dir(&path).unwrap();
        let error = Certificate::load(directory.path(), &one, SystemTime::now()).unwrap_err();
        assert_eq!(error, "there is none yet", "a new key with an old certificate would be no pair");
    }

    #[test]
    fn foreign_files_say_what_is_wrong() {
        let directory = tempfile::tempdir().unwrap();
        Certificate::kept(directory.path(), &names(&["localhost"])).unwrap();
        let (certificate, key) = (directory.path().join(CERTIFICATE_FILE), directory.path().join(KEY_FILE));
        assert!(Certificate::read(&certificate, &key).is_ok());
        let missing = Certificate::read(&directory.path().join("none.pem"), &key).unwrap_err();
        assert!(missing.to_string().starts_with("--cert "), "{missing}");
        let swapped = Certificate::read(&certificate, &certificate).unwrap_err();
        assert!(swapped.to_string().starts_with("--key "), "{swapped}");
        let swapped = Certificate::read(&key, &key).unwrap_err();
        assert!(swapped.to_string().contains("holds no certificate"), "{swapped}");
    }
}
