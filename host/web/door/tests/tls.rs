//! Certificates as clients see them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Version};
use axum::routing::get;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rfid_core::UtcTime;
use rfid_door::door::{Door, Setup};
use rfid_door::tls::{Authority, Source, Tls, Versions};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion, version};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn now() -> UtcTime {
    // The clients look at the real clock, too.
    rfid_core::Clock::now(&rfid_core::SystemClock::new()).utc
}

fn local(folder: &Path) -> Source {
    Source::Local(Authority::new(folder.join("tls"), vec!["localhost".to_owned(), "127.0.0.1".to_owned()]))
}

async fn open(tls: Arc<Tls>) -> (Door, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let router = Router::new().route("/", get(|| async { "here" }));
    let door = Door::open(listener, router, Setup { tls: Some(tls), ..Setup::default() }).unwrap();
    let address = door.local_addr();
    (door, address)
}

async fn connect(
    address: SocketAddr,
    trusted: &Path,
    versions: &[&'static SupportedProtocolVersion],
    alpn: &str,
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(trusted).unwrap()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![alpn.as_bytes().to_vec()];
    let stream = TcpStream::connect(address).await.unwrap();
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("localhost").unwrap(), stream).await
}

#[tokio::test]
async fn a_client_that_trusts_the_local_authority_speaks_http_2() {
    let folder = tempfile::tempdir().unwrap();
    let tls = Arc::new(Tls::new(local(folder.path()), Versions::default(), now()).unwrap());
    let (door, address) = open(tls).await;
    let trusted = folder.path().join("tls/ca.pem");
    let stream = connect(address, &trusted, &[&version::TLS13], "h2").await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    for _ in 0..3 {
        let request = Request::get("https://localhost/").body(Body::empty()).unwrap();
        let answer = sender.send_request(request).await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.version()), (200, Version::HTTP_2));
        assert!(answer.headers().contains_key("strict-transport-security"));
    }
    door.close().await;
    connection.await.unwrap().unwrap();
}

#[tokio::test]
async fn tls_1_2_is_for_those_who_set_it() {
    let folder = tempfile::tempdir().unwrap();
    let trusted = folder.path().join("tls/ca.pem");
    for with_1_2 in [false, true] {
        let tls = Arc::new(Tls::new(local(folder.path()), Versions { with_1_2 }, now()).unwrap());
        let (_door, address) = open(tls).await;
        let old = connect(address, &trusted, &[&version::TLS12], "http/1.1").await;
        assert_eq!(old.is_ok(), with_1_2);
        assert!(connect(address, &trusted, &[&version::TLS13], "http/1.1").await.is_ok());
    }
}

#[test]
fn the_authority_stays_and_what_it_signs_is_renewed_in_time() {
    let folder = tempfile::tempdir().unwrap();
    let begin = now();
    let tls = Tls::new(local(folder.path()), Versions::default(), begin).unwrap();
    let authority = fs::read(folder.path().join("tls/ca.pem")).unwrap();
    let first = tls.certificate();
    assert!(!tls.refresh(begin.plus(DAY * 59)).unwrap());
    assert!(tls.refresh(begin.plus(DAY * 60)).unwrap());
    assert_ne!(tls.certificate().fingerprint, first.fingerprint);
    assert!(!tls.certificate().ends_soon(begin.plus(DAY * 60)));

    Tls::new(local(folder.path()), Versions::default(), begin).unwrap();
    assert_eq!(fs::read(folder.path().join("tls/ca.pem")).unwrap(), authority);
    let mode = |name: &str| fs::metadata(folder.path().join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("tls"), mode("tls/ca.key")), (0o700, 0o600));
    fs::set_permissions(folder.path().join("tls/ca.key"), fs::Permissions::from_mode(0o640)).unwrap();
    let refused = Tls::new(local(folder.path()), Versions::default(), begin).unwrap_err();
    assert!(refused.to_string().contains("can be read by others"), "{refused}");
}

/// A certificate that is valid until the end of `year`, and its key.
fn write(folder: &Path, year: i32) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(year, 12, 31);
    fs::write(folder.join("host.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
    fs::write(folder.join("host.key"), key.serialize_pem()).unwrap();
}

fn files(folder: &Path) -> Source {
    Source::Files { certificate: folder.join("host.pem"), key: folder.join("host.key") }
}

#[test]
fn a_certificate_that_cannot_be_used_is_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let refused = || Tls::new(files(folder.path()), Versions::default(), now()).unwrap_err().to_string();
    assert!(refused().contains("host.pem cannot be read"), "{}", refused());
    fs::write(folder.path().join("host.pem"), "nothing").unwrap();
    assert!(refused().contains("host.pem holds no certificate in PEM"), "{}", refused());
    write(folder.path(), 2021);
    assert!(refused().contains("has expired: it was valid until 2021-12-31"), "{}", refused());
    write(folder.path(), 2200);
    fs::write(folder.path().join("host.key"), KeyPair::generate().unwrap().serialize_pem()).unwrap();
    assert!(refused().contains("the key does not belong to the certificate"), "{}", refused());
    fs::remove_file(folder.path().join("host.key")).unwrap();
    assert!(refused().contains("host.key cannot be read"), "{}", refused());
}

#[tokio::test]
async fn a_new_certificate_is_used_for_new_connections_and_a_spoilt_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), 2200);
    let tls = Arc::new(Tls::new(files(folder.path()), Versions::default(), now()).unwrap());
    let (_door, address) = open(Arc::clone(&tls)).await;
    let shown = async || {
        let stream = connect(address, &folder.path().join("host.pem"), &[&version::TLS13], "http/1.1").await;
        stream.map(|stream| stream.get_ref().1.peer_certificates().unwrap()[0].to_vec())
    };
    let first = shown().await.unwrap();
    assert!(!tls.refresh(now()).unwrap());

    write(folder.path(), 2199);
    assert!(shown().await.is_err(), "the client trusts the new one alone");
    assert!(tls.refresh(now()).unwrap());
    let second = shown().await.unwrap();
    assert_ne!(first, second);

    let good = fs::read(folder.path().join("host.pem")).unwrap();
    fs::write(folder.path().join("host.pem"), &good[..100]).unwrap();
    assert!(tls.refresh(now()).is_err());
    fs::write(folder.path().join("host.pem"), &good).unwrap();
    assert_eq!(shown().await.unwrap(), second);
}
