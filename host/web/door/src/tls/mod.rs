//! Certificates: the bank's, from files, or those of a small authority of our own.
//!
//! Both are checked by [`Tls::refresh`], which the owner calls now and then: files that changed are
//! read anew, and a certificate of our own is renewed in time. What is refused leaves the
//! certificate in use.

mod authority;
mod certificate;

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rfid_core::{Error, ErrorKind, Result, UtcTime};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

pub use authority::Authority;
pub use certificate::Certificate;

/// Where the certificate comes from.
#[derive(Debug)]
pub enum Source {
    /// Two files in PEM: the certificate with those between it and its authority, and its key.
    Files {
        /// The certificate comes first, its authority's last.
        certificate: PathBuf,
        /// PKCS #8, PKCS #1 or SEC 1, without a password.
        key: PathBuf,
    },
    /// An authority of our own.
    Local(Authority),
}

/// Settings of TLS that are not the certificate.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Versions {
    /// TLS 1.2 beside 1.3, for clients that cannot do better.
    pub with_1_2: bool,
}

/// A certificate in use. New connections get the newest one.
pub struct Tls {
    source: Source,
    versions: Versions,
    used: Mutex<Used>,
}

struct Used {
    config: Arc<ServerConfig>,
    certificate: Certificate,
}

impl Tls {
    /// Reads or makes the certificate. Reads files, so call it off the runtime.
    ///
    /// # Errors
    ///
    /// `Config`, in words: a file is missing or holds something else, the key is of another
    /// certificate, the certificate is no longer valid or not yet.
    pub fn new(source: Source, versions: Versions, now: UtcTime) -> Result<Self> {
        let used = Mutex::new(used(&source, versions, now)?);
        Ok(Self { source, versions, used })
    }

    /// Reads the certificate anew; whether another one is in use from now on. Reads files, so call
    /// it off the runtime.
    ///
    /// # Errors
    ///
    /// Those of [`Tls::new`]. The certificate in use stays in use.
    pub fn refresh(&self, now: UtcTime) -> Result<bool> {
        let new = used(&self.source, self.versions, now)?;
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let is_another = new.certificate != used.certificate;
        if is_another {
            *used = new;
        }
        Ok(is_another)
    }

    /// The certificate in use.
    #[must_use]
    pub fn certificate(&self) -> Certificate {
        self.used.lock().unwrap_or_else(PoisonError::into_inner).certificate.clone()
    }

    /// The handshake.
    pub(crate) async fn accept(&self, stream: TcpStream) -> std::io::Result<TlsStream<TcpStream>> {
        let config = Arc::clone(&self.used.lock().unwrap_or_else(PoisonError::into_inner).config);
        TlsAcceptor::from(config).accept(stream).await
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Tls").field("source", &self.source).finish_non_exhaustive()
    }
}

fn used(source: &Source, versions: Versions, now: UtcTime) -> Result<Used> {
    let (chain, key) = match source {
        Source::Files { certificate, key } => certificate::read(certificate, key)?,
        Source::Local(authority) => authority.leaf(now)?,
    };
    let certificate = Certificate::of(&chain)?;
    certificate.must_be_valid(now)?;
    Ok(Used { config: Arc::new(config(chain, key, versions)?), certificate })
}

/// The one place where the provider of cryptography is chosen.
fn config(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    versions: Versions,
) -> Result<ServerConfig> {
    let offered: &[_] = if versions.with_1_2 {
        &[&rustls::version::TLS13, &rustls::version::TLS12]
    } else {
        &[&rustls::version::TLS13]
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(offered)
        .map_err(|error| Error::new(ErrorKind::Internal, "tls").with_source(error))?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| {
            refused("the key does not belong to the certificate, or is of a kind that is not supported")
                .with_source(error)
        })?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

fn refused(detail: impl Into<String>) -> Error {
    Error::new(ErrorKind::Config, "tls").with_detail(detail)
}
