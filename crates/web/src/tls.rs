//! TLS: certificates from files, or one that the program makes for itself and keeps in the data folder.

use std::io;
use std::path::{Path, PathBuf};

use axum_server::tls_rustls::RustlsConfig;
use rustls::crypto::aws_lc_rs;

use crate::server::Tls;

/// Where the certificate of the self-made kind lies in the data folder.
const FOLDER: &str = "tls";

/// The files of a certificate chain and its key, in PEM.
pub(crate) type Files = (PathBuf, PathBuf);

/// The certificate that is to be used, made if need be; none where nothing is encrypted.
pub(crate) fn files(tls: &Tls, data: &Path) -> io::Result<Option<Files>> {
    match tls {
        Tls::Off => Ok(None),
        Tls::SelfMade(names) => self_made(data, names).map(Some),
        Tls::Files { certificate, key } => Ok(Some((certificate.clone(), key.clone()))),
    }
}

/// Reads a certificate and its key.
pub(crate) async fn read((certificate, key): &Files) -> io::Result<RustlsConfig> {
    // The first to ask decides for the process; a second try says that it is decided.
    let _decided = aws_lc_rs::default_provider().install_default();
    RustlsConfig::from_pem_file(certificate, key).await.map_err(|error| {
        let files = format!("{}, {}", certificate.display(), key.display());
        io::Error::new(error.kind(), format!("cannot use the certificate ({files}): {error}"))
    })
}

/// A certificate for these names, made the first time and kept. Browsers will warn of it once.
fn self_made(data: &Path, names: &[String]) -> io::Result<Files> {
    let folder = data.join(FOLDER);
    let (certificate, key) = (folder.join("certificate.pem"), folder.join("key.pem"));
    if certificate.is_file() && key.is_file() {
        return Ok((certificate, key));
    }
    std::fs::create_dir_all(&folder)?;
    let made = rcgen::generate_simple_self_signed(names).map_err(io::Error::other)?;
    write_private(&key, made.signing_key.serialize_pem().as_bytes())?;
    std::fs::write(&certificate, made.cert.pem())?;
    Ok((certificate, key))
}

fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    use std::io::Write as _;
    let mut how = std::fs::OpenOptions::new();
    how.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut how, 0o600);
    how.open(path)?.write_all(bytes)
}
