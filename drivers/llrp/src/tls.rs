//! Connections that nobody else can read or speak in.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// TLS over a connection, with a reader whose certificate comes from one of those in the file. No
/// other one is trusted: readers have no certificates of public authorities.
pub(crate) async fn over(stream: TcpStream, host: &str, ca_file: &Path) -> io::Result<TlsStream<TcpStream>> {
    // Read each time, so that a certificate that was exchanged counts from the next connection on.
    let path = ca_file.to_owned();
    let roots = tokio::task::spawn_blocking(move || roots(&path)).await.map_err(io::Error::other)??;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(host.to_owned())
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

fn roots(ca_file: &Path) -> io::Result<RootCertStore> {
    let unreadable =
        |why: String| io::Error::new(io::ErrorKind::InvalidInput, format!("{}: {why}", ca_file.display()));
    let mut roots = RootCertStore::empty();
    for certificate in
        CertificateDer::pem_file_iter(ca_file).map_err(|error| unreadable(error.to_string()))?
    {
        let certificate = certificate.map_err(|error| unreadable(error.to_string()))?;
        roots.add(certificate).map_err(|error| unreadable(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(unreadable("there is no certificate in it".to_owned()));
    }
    Ok(roots)
}
