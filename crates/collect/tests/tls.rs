//! Syslog and RELP over TLS, with certificates made for the purpose.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use collect::sockets::{
    ClientCertificates, Known, Listen, Listener, Protocol, Sender, Senders, Tls, TlsError, TlsFiles,
};
use common::{Arrivals, PATIENCE, start, with_tls};
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair,
};
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

type Issuer = CertifiedIssuer<'static, KeyPair>;

fn issuer(name: &str) -> Issuer {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A certificate with DNS names, or with a common name alone.
fn issue(issuer: &Issuer, common: &str, names: &[&str]) -> (Certificate, KeyPair) {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name.push(DnType::CommonName, common);
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, issuer).unwrap();
    (certificate, key)
}

/// Writes the server's files, with a new certificate.
fn write_server(folder: &Path, issuer: &Issuer) -> CertificateDer<'static> {
    let (certificate, key) = issue(issuer, "server", &["localhost"]);
    fs::write(folder.join("server.pem"), certificate.pem()).unwrap();
    fs::write(folder.join("server.key"), key.serialize_pem()).unwrap();
    fs::write(folder.join("issuer.pem"), issuer.pem()).unwrap();
    certificate.der().clone()
}

fn files(folder: &Path, required: Option<bool>) -> TlsFiles {
    TlsFiles {
        certificate: folder.join("server.pem"),
        key: folder.join("server.key"),
        clients: required
            .map(|required| ClientCertificates { issuers: folder.join("issuer.pem"), required }),
    }
}

async fn connect(
    listener: &Listener,
    issuer: &Issuer,
    shown: Option<(Certificate, KeyPair)>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(issuer.der().clone()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let config = match shown {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
            builder.with_client_auth_cert(vec![certificate.der().clone()], key).unwrap()
        }
    };
    let stream = TcpStream::connect(listener.address()).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

/// Sends a line and waits until the peer has closed.
async fn send(stream: &mut TlsStream<TcpStream>, line: &str) {
    let _refused = stream.write_all(line.as_bytes()).await;
    let _refused = stream.shutdown().await;
    let mut rest = Vec::new();
    let _refused = stream.read_to_end(&mut rest).await;
}

#[tokio::test]
async fn clients_are_known_by_their_certificates() {
    let folder = common::folder();
    let wal = common::wal(folder.path());
    let ours = issuer("ours");
    write_server(folder.path(), &ours);
    let tls = Arc::new(Tls::new(files(folder.path(), Some(true))).unwrap());
    let common_name = issue(&ours, "web7.example.com", &[]);
    let dns_name = issue(&ours, "ignored", &["DB1.example.com"]);
    let printed = issue(&ours, "no name that is known", &[]);
    let stranger = issue(&ours, "evil.example.org", &[]);
    let forged = issue(&issuer("theirs"), "web7.example.com", &[]);
    let print = Sha256::digest(printed.0.der()).into();
    let senders = Senders {
        known: vec![
            (Known::Certificate("*.example.com".into()), Sender::named("web")),
            (Known::Certificate("db1.example.com".into()), Sender::named("db")),
            (Known::Fingerprint(print), Sender::named("printed")),
        ],
        others: None,
    };
    let listen = Listen { senders, ..with_tls(Protocol::SyslogTcp, &tls) };
    let listener = start(listen, wal.clone()).await;
    for (shown, text) in [
        (Some(common_name), "common name"),
        (Some(dns_name), "DNS name"),
        (Some(printed), "fingerprint"),
        (Some(stranger), "stranger"),
        (Some(forged), "forged"),
        (None, "nothing"),
    ] {
        // TLS 1.3 tells a client only after its handshake that it was turned away.
        if let Ok(mut stream) = connect(&listener, &ours, shown).await {
            send(&mut stream, &format!("<13>Mar  1 10:00:00 h app: {text}\n")).await;
        }
    }
    let stats = listener.shutdown(PATIENCE).await;
    assert_eq!(
        (stats.messages, stats.turned_away, stats.handshakes_failed),
        (3, 1, 2),
        "{stats:?}"
    );
    let mut arrivals = Arrivals::of(&wal);
    arrivals.count(3).await;
    let told: Vec<_> = arrivals
        .deliveries
        .iter()
        .map(|d| (d.sender.to_string(), common::messages(d)[0].text.clone()))
        .collect();
    let pair = |sender: &str, text: &str| (sender.to_owned(), text.to_owned());
    let whole =
        [pair("web", "common name"), pair("db", "DNS name"), pair("printed", "fingerprint")];
    assert_eq!(told, whole);
    let origin = &arrivals.deliveries[1].origin;
    assert!(origin.starts_with("syslog tls 127.0.0.1:"), "{origin}");
    assert!(origin.ends_with("(DB1.example.com)"), "{origin}");
}

#[tokio::test]
async fn a_certificate_is_optional_where_it_is_not_required() {
    let folder = common::folder();
    let wal = common::wal(folder.path());
    let ours = issuer("ours");
    write_server(folder.path(), &ours);
    let tls = Arc::new(Tls::new(files(folder.path(), Some(false))).unwrap());
    let listener = start(with_tls(Protocol::Relp, &tls), wal.clone()).await;
    let mut stream = connect(&listener, &ours, None).await.unwrap();
    let session = "1 open 30 relp_version=0\ncommands=syslog\n2 syslog 5 <13>x\n3 close 0\n";
    stream.write_all(session.as_bytes()).await.unwrap();
    let mut heard = String::new();
    stream.read_to_string(&mut heard).await.unwrap();
    assert!(heard.ends_with("2 rsp 6 200 OK\n3 rsp 0\n0 serverclose 0\n"), "{heard}");
    assert_eq!(Arrivals::of(&wal).count(1).await[0].raw, "<13>x");
    // Who shows a certificate must have it from the right issuer.
    let forged = issue(&issuer("theirs"), "x", &[]);
    if let Ok(mut stream) = connect(&listener, &ours, Some(forged)).await {
        send(&mut stream, session).await;
    }
    let stats = listener.shutdown(PATIENCE).await;
    assert_eq!((stats.messages, stats.handshakes_failed), (1, 1), "{stats:?}");
}

#[tokio::test]
async fn certificates_are_renewed_without_a_restart() {
    let folder = common::folder();
    let wal = common::wal(folder.path());
    let ours = issuer("ours");
    let old = write_server(folder.path(), &ours);
    let tls = Arc::new(Tls::new(files(folder.path(), None)).unwrap());
    let listener = start(with_tls(Protocol::SyslogTcp, &tls), wal.clone()).await;
    let shown =
        |stream: &TlsStream<TcpStream>| stream.get_ref().1.peer_certificates().unwrap()[0].clone();
    let mut first = connect(&listener, &ours, None).await.unwrap();
    assert_eq!(shown(&first), old);
    let new = write_server(folder.path(), &ours);
    tls.reload().unwrap();
    let mut second = connect(&listener, &ours, None).await.unwrap();
    assert_eq!(shown(&second), new);
    // What cannot be used changes nothing.
    fs::write(folder.path().join("server.key"), "no key").unwrap();
    let error = tls.reload().unwrap_err();
    assert!(matches!(&error, TlsError::File { .. }), "{error}");
    assert!(error.to_string().contains("server.key"), "{error}");
    let mut third = connect(&listener, &ours, None).await.unwrap();
    assert_eq!(shown(&third), new);
    for stream in [&mut first, &mut second, &mut third] {
        send(stream, "<13>x\n").await;
    }
    assert_eq!(listener.shutdown(PATIENCE).await.messages, 3);
}

#[tokio::test]
async fn what_is_no_tls_costs_a_handshake() {
    let folder = common::folder();
    let wal = common::wal(folder.path());
    write_server(folder.path(), &issuer("ours"));
    let tls = Arc::new(Tls::new(files(folder.path(), None)).unwrap());
    let limits = collect::sockets::Limits {
        handshake: std::time::Duration::from_millis(200),
        ..Default::default()
    };
    let listen = Listen { limits, ..with_tls(Protocol::SyslogTcp, &tls) };
    let listener = start(listen, wal.clone()).await;
    let silent = TcpStream::connect(listener.address()).await.unwrap();
    let mut plain = TcpStream::connect(listener.address()).await.unwrap();
    plain.write_all(b"<13>Mar  1 10:00:00 h app: in the clear\n").await.unwrap();
    common::eventually("both fail", || listener.stats().handshakes_failed == 2).await;
    assert_eq!(listener.stats().messages, 0);
    drop(silent);
}
