//! TLS for receivers (RFC 5425): certificates from files, read again when they are renewed; client
//! certificates where they are wanted.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use rustls::RootCertStore;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::server::WebPkiClientVerifier;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest as _, Sha256};
use tokio_rustls::TlsAcceptor;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// Where the certificates are, in PEM form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The server's certificate, and those that lead from it to its issuer.
    pub certificate: PathBuf,
    /// Its private key (PKCS #8, PKCS #1 or SEC 1).
    pub key: PathBuf,
    /// Whose certificates clients may show; none when they are not asked.
    pub clients: Option<ClientCertificates>,
}

/// What is asked of clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificates {
    /// The issuers that are believed.
    pub issuers: PathBuf,
    /// True when a client without a certificate is turned away.
    pub required: bool,
}

/// Why the certificates cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or has nothing of the kind in it.
    #[error("{what} in {} cannot be read: {reason}", file.display())]
    File {
        /// What was looked for.
        what: &'static str,
        /// The file.
        file: PathBuf,
        /// Why.
        reason: String,
    },
    /// They do not fit together.
    #[error("the certificate in {} cannot be used: {source}", file.display())]
    Unfit {
        /// The file of the certificate.
        file: PathBuf,
        /// Why.
        source: rustls::Error,
    },
}

/// The TLS side of receivers. Several may share it.
pub struct Tls {
    files: TlsFiles,
    current: RwLock<Arc<ServerConfig>>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("files", &self.files).finish_non_exhaustive()
    }
}

impl Tls {
    /// Reads the files.
    pub fn new(files: TlsFiles) -> Result<Self, TlsError> {
        let current = RwLock::new(Arc::new(configure(&files)?));
        Ok(Self { files, current })
    }

    /// Reads the files again: connections from now on see what is in them. When they cannot be used
    /// everything stays as it was.
    pub fn reload(&self) -> Result<(), TlsError> {
        let new = Arc::new(configure(&self.files)?);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(())
    }

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner)).into()
    }
}

fn configure(files: &TlsFiles) -> Result<ServerConfig, TlsError> {
    let chain = certificates(&files.certificate)?;
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .map_err(|error| unreadable("a private key", &files.key, &error))?;
    let unfit = |source| TlsError::Unfit { file: files.certificate.clone(), source };
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(unfit)?;
    let builder = match &files.clients {
        None => builder.with_no_client_auth(),
        Some(clients) => {
            let mut roots = RootCertStore::empty();
            for issuer in certificates(&clients.issuers)? {
                roots.add(issuer).map_err(|error| {
                    unreadable("an issuer's certificate", &clients.issuers, &error)
                })?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            let verifier =
                if clients.required { verifier } else { verifier.allow_unauthenticated() };
            let verifier = verifier
                .build()
                .map_err(|error| unreadable("an issuer's certificate", &clients.issuers, &error))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder.with_single_cert(chain, key).map_err(unfit)?;
    // Many senders of syslog never read. What lies unread when they close makes their kernel reset
    // the connection, and ours throws away what it has not handed over yet: nothing is said to them.
    config.send_tls13_tickets = 0;
    Ok(config)
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let error = |error| unreadable("a certificate", file, &error);
    let chain: Vec<_> = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect)
        .map_err(|e| error(io::Error::other(e.to_string())))?;
    if chain.is_empty() {
        return Err(error(io::Error::other("there is none")));
    }
    Ok(chain)
}

fn unreadable(what: &'static str, file: &Path, reason: &dyn fmt::Display) -> TlsError {
    TlsError::File { what, file: file.to_owned(), reason: reason.to_string() }
}

/// Who a client is by its certificate, which was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    names: Vec<String>,
    /// SHA-256 of the certificate.
    pub fingerprint: [u8; 32],
}

impl Identity {
    #[cfg(test)]
    pub(super) fn new(names: Vec<String>, fingerprint: [u8; 32]) -> Self {
        Self { names, fingerprint }
    }

    /// The identity of a certificate: its DNS names, then its common name.
    pub(super) fn of(certificate: &CertificateDer<'_>) -> Self {
        let fingerprint = Sha256::digest(certificate).into();
        let mut names = Vec::new();
        if let Ok((_, parsed)) = X509Certificate::from_der(certificate) {
            let alternatives = parsed.subject_alternative_name().ok().flatten();
            for name in alternatives.iter().flat_map(|found| &found.value.general_names) {
                if let GeneralName::DNSName(name) = name {
                    names.push((*name).to_owned());
                }
            }
            let common = parsed.subject().iter_common_name().filter_map(|name| name.as_str().ok());
            names.extend(common.map(str::to_owned));
        }
        Self { names, fingerprint }
    }

    /// The first of its names.
    pub fn name(&self) -> Option<&str> {
        self.names.first().map(String::as_str)
    }

    /// True when it has this name.
    pub(super) fn has_name(&self, wanted: &str) -> bool {
        self.names.iter().any(|name| match wanted.strip_prefix("*.") {
            None => name.eq_ignore_ascii_case(wanted),
            Some(parent) => name.split_once('.').is_some_and(|(label, rest)| {
                !label.is_empty() && rest.eq_ignore_ascii_case(parent)
            }),
        })
    }
}
