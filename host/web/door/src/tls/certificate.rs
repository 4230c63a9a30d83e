//! What a certificate says of itself, and reading it from files.

use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use rfid_core::{Result, UtcTime};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256};
use x509_parser::parse_x509_certificate;

use super::refused;

/// So long before its end a certificate is spoken of.
const SOON: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// A certificate as people look at it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Certificate {
    /// SHA-256 of it, in hexadecimal digits by twos.
    pub fingerprint: String,
    /// From then on it is valid.
    pub not_before: UtcTime,
    /// Until then.
    pub not_after: UtcTime,
}

impl Certificate {
    /// Of the first certificate of a chain.
    pub(super) fn of(chain: &[CertificateDer<'_>]) -> Result<Self> {
        let first = chain.first().ok_or_else(|| refused("there is no certificate"))?;
        let (_, parsed) = parse_x509_certificate(first)
            .map_err(|_| refused("the first certificate is damaged: it cannot be read"))?;
        let at = |seconds: i64| UtcTime::default().plus(Duration::from_secs(seconds.try_into().unwrap_or(0)));
        let validity = parsed.validity();
        Ok(Self {
            fingerprint: fingerprint(first),
            not_before: at(validity.not_before.timestamp()),
            not_after: at(validity.not_after.timestamp()),
        })
    }

    /// Whether it ends within 30 days: somebody has to renew it.
    #[must_use]
    pub fn ends_soon(&self, now: UtcTime) -> bool {
        now.plus(SOON) >= self.not_after
    }

    pub(super) fn must_be_valid(&self, now: UtcTime) -> Result<()> {
        if now >= self.not_after {
            return Err(refused(format!(
                "the certificate has expired: it was valid until {}",
                self.not_after
            )));
        }
        if now < self.not_before {
            return Err(refused(format!(
                "the certificate is not valid yet: it is from {} on, and the clock shows {now}",
                self.not_before
            )));
        }
        Ok(())
    }
}

fn fingerprint(certificate: &[u8]) -> String {
    let mut text = String::new();
    for (index, byte) in Sha256::digest(certificate).iter().enumerate() {
        let separator = if index == 0 { "" } else { ":" };
        // Writing to a string cannot fail.
        let _ = write!(text, "{separator}{byte:02X}");
    }
    text
}

/// A chain and its key, out of two files.
pub(super) fn read(
    certificate: &Path,
    key: &Path,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
    let of = |path: &Path, what: &str, error: pem::Error| {
        let why = match error {
            pem::Error::Io(error) => format!("cannot be read: {error}"),
            pem::Error::NoItemsFound => format!("holds no {what} in PEM"),
            _ => format!("holds a damaged {what}"),
        };
        refused(format!("{} {why}", path.display()))
    };
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| of(certificate, "certificate", error))?;
    if chain.is_empty() {
        return Err(of(certificate, "certificate", pem::Error::NoItemsFound));
    }
    let key = PrivateKeyDer::from_pem_file(key).map_err(|error| of(key, "private key", error))?;
    Ok((chain, key))
}
