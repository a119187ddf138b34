//! Whom to trust: the system's roots, files, and directories as /etc/grid-security/certificates with
//! their revocation lists.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use rustls::client::WebPkiServerVerifier;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};
use rustls::{ClientConfig, RootCertStore};
use thiserror::Error;

use crate::files::open_regular;
use touchstone_model::Trust;

/// Larger than any bundle of certificates or revocation list.
const LARGEST: u64 = 32 * 1024 * 1024;

/// Why nobody can be trusted.
#[derive(Debug, Error)]
pub enum TlsError {
    /// It cannot be read.
    #[error("cannot read the CA certificates in {path}: {source}")]
    Read {
        /// The file or directory.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// There is no certificate in it.
    #[error(
        "{0} holds no CA certificate; expected PEM, or a directory as /etc/grid-security/certificates"
    )]
    Empty(String),
    /// The library does not take them.
    #[error("the TLS client cannot be set up: {0}")]
    Client(String),
}

/// The system's roots: read once, because a run has many clients.
static SYSTEM: LazyLock<RootCertStore> = LazyLock::new(|| {
    let named = std::env::var_os("SSL_CERT_FILE").map(PathBuf::from);
    if let Some(named) = named.filter(|named| named.exists())
        && let Err(error) = open_regular(&named)
    {
        tracing::warn!(
            "SSL_CERT_FILE, {}: {error}; no roots of the system",
            named.display()
        );
        return RootCertStore::empty();
    }
    let native = rustls_native_certs::load_native_certs();
    for error in &native.errors {
        tracing::debug!("system roots: {error}");
    }
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(native.certs);
    store
});

#[derive(Default)]
struct Found {
    seen: HashSet<Vec<u8>>,
    roots: Vec<CertificateDer<'static>>,
    revocations: Vec<CertificateRevocationListDer<'static>>,
}

/// A TLS client that trusts the system's roots and `trust`. Where a revocation list is out of date nobody is trusted whose
/// certificate its CA has issued, as clients of the grid have it, unless [`Trust::Lenient`] says otherwise.
///
/// # Errors
/// Something in `trust` cannot be read or holds no certificate. Single certificates that do not parse
/// are left out with a warning in the log: one bad root must not spoil the rest.
pub fn client_config(trust: &[Trust]) -> Result<ClientConfig, TlsError> {
    let mut found = Found::default();
    for one in trust {
        match one {
            Trust::Pem(text) => found.pem(text.as_bytes(), "the given PEM")?,
            Trust::Path(path) | Trust::Lenient(path) if path.is_dir() => found.directory(path)?,
            Trust::Path(path) | Trust::Lenient(path) => {
                let name = path.display().to_string();
                found.pem(&read(path)?, &name)?;
            }
        }
    }
    let mut store = SYSTEM.clone();
    let (_, unparsable) = store.add_parsable_certificates(found.roots);
    if unparsable > 0 {
        tell(format!(
            "{unparsable} CA certificates do not parse and are left out"
        ));
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsError::Client(error.to_string()))?;
    if found.revocations.is_empty() {
        return Ok(builder.with_root_certificates(store).with_no_client_auth());
    }
    let lenient = trust.iter().any(|one| matches!(one, Trust::Lenient(_)));
    let verifier = verifier(store, found.revocations, lenient, provider)?;
    Ok(builder
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth())
}

/// Warns of something in a folder of CAs, once: each client of a run reads the folder again.
fn tell(oddity: String) {
    static TOLD: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let mut told = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
    if !told.contains(&oddity) {
        tracing::warn!("{oddity}");
        told.insert(oddity);
    }
}

fn verifier(
    store: RootCertStore,
    revocations: Vec<CertificateRevocationListDer<'static>>,
    lenient: bool,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<WebPkiServerVerifier>, TlsError> {
    let store = Arc::new(store);
    let with = |lists: Vec<_>| {
        let builder =
            WebPkiServerVerifier::builder_with_provider(Arc::clone(&store), Arc::clone(&provider))
                .with_crls(lists)
                // A CA without a list revokes nothing that we know of.
                .allow_unknown_revocation_status();
        match lenient {
            true => builder.build(),
            false => builder.enforce_revocation_expiration().build(),
        }
    };
    // One bad list would make the whole verifier fail: each is tried alone.
    let (good, bad): (Vec<_>, Vec<_>) = revocations
        .into_iter()
        .partition(|list| with(vec![list.clone()]).is_ok());
    if !bad.is_empty() {
        tell(format!(
            "{} revocation lists do not parse and are left out",
            bad.len()
        ));
    }
    with(good).map_err(|error| TlsError::Client(error.to_string()))
}

impl Found {
    fn pem(&mut self, bytes: &[u8], name: &str) -> Result<(), TlsError> {
        let before = self.roots.len();
        let mut any = false;
        for certificate in CertificateDer::pem_slice_iter(bytes).flatten() {
            any = true;
            if self.seen.insert(certificate.to_vec()) {
                self.roots.push(certificate);
            }
        }
        if !any && self.roots.len() == before {
            return Err(TlsError::Empty(name.to_owned()));
        }
        Ok(())
    }

    fn directory(&mut self, path: &Path) -> Result<(), TlsError> {
        let failed = |source| TlsError::Read {
            path: path.to_owned(),
            source,
        };
        let mut any = false;
        let entries = std::fs::read_dir(path).map_err(failed)?;
        let mut files = entries
            .map(|entry| Ok(entry?.path()))
            .collect::<Result<Vec<_>, _>>()
            .map_err(failed)?;
        // Of several lists of one authority the first counts: the newest, whatever its name.
        let modified = |file: &PathBuf| {
            std::fs::metadata(file)
                .and_then(|file| file.modified())
                .ok()
        };
        files.sort_by_cached_key(|file| Reverse(modified(file)));
        for file in files {
            let extension = file
                .extension()
                .and_then(|e| e.to_str())
                .unwrap_or_default();
            let number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            if matches!(extension, "pem" | "crt") || number(extension) {
                let name = file.display().to_string();
                match read(&file).and_then(|bytes| self.pem(&bytes, &name)) {
                    Ok(()) => any = true,
                    Err(error) => tell(format!("left out: {error}")),
                }
            } else if extension.strip_prefix('r').is_some_and(number) {
                match read(&file) {
                    Ok(bytes) => self.revocation(bytes),
                    Err(error) => tell(format!("left out: {error}")),
                }
            }
        }
        if any {
            Ok(())
        } else {
            Err(TlsError::Empty(path.display().to_string()))
        }
    }

    /// PEM or DER.
    fn revocation(&mut self, bytes: Vec<u8>) {
        let before = self.revocations.len();
        self.revocations
            .extend(CertificateRevocationListDer::pem_slice_iter(&bytes).flatten());
        if self.revocations.len() == before {
            self.revocations
                .push(CertificateRevocationListDer::from(bytes));
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    use std::io::Read;
    let failed = |source| TlsError::Read {
        path: path.to_owned(),
        source,
    };
    let mut bytes = Vec::new();
    open_regular(path)
        .and_then(|file| file.take(LARGEST).read_to_end(&mut bytes))
        .map_err(failed)?;
    Ok(bytes)
}
