//! A small authority of our own, for hosts that have no certificate of the bank's.
//!
//! It is made at the first start and lives in a folder that nobody else can read: `ca.pem`, which
//! is given to the machines that look at the host, and `ca.key`, which never leaves. What the host
//! shows to clients is signed by it, lasts 90 days and is made anew 30 days before its end, in
//! memory: clients that trust the authority notice nothing.
//!
//! To trust it, compare the fingerprint that the host prints with that of the file
//! (`openssl x509 -in ca.pem -noout -fingerprint -sha256`) and import the file:
//!
//! * Debian: copy it to `/usr/local/share/ca-certificates/rfid-host.crt` and run
//!   `update-ca-certificates`;
//! * Windows: `certutil -addstore Root ca.pem` as an administrator;
//! * Firefox: Settings, Privacy & Security, Certificates, View Certificates, Authorities, Import;
//! * curl: `--cacert ca.pem`.
//!
//! Whoever has `ca.key` can pass for any host to these machines. The folder is made with the mode
//! 0700 and the key with 0600, and a key that others can read is refused.

use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use rfid_core::{Result, UtcTime};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use super::certificate::Certificate;
use super::refused;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const AUTHORITY_LASTS: Duration = DAY.saturating_mul(10 * 365);
const LEAF_LASTS: Duration = DAY.saturating_mul(90);

/// An authority in a folder.
pub struct Authority {
    folder: PathBuf,
    names: Vec<String>,
    issued: Mutex<Option<Issued>>,
}

struct Issued {
    chain: Vec<CertificateDer<'static>>,
    key: PrivatePkcs8KeyDer<'static>,
}

impl Authority {
    /// For a host of these names and addresses. The folder is made when it is first needed.
    #[must_use]
    pub fn new(folder: PathBuf, names: Vec<String>) -> Self {
        Self { folder, names, issued: Mutex::new(None) }
    }

    /// The file that is given to the machines that look at the host.
    #[must_use]
    pub fn certificate_file(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// What to compare the file with.
    ///
    /// # Errors
    ///
    /// `Config`: the file cannot be read, or there is none yet.
    pub fn certificate(&self) -> Result<Certificate> {
        let path = self.certificate_file();
        let certificate = CertificateDer::from_pem_file(&path)
            .map_err(|_| refused(format!("{} is missing or damaged", path.display())))?;
        Certificate::of(&[certificate])
    }

    /// A certificate for the host that lasts for another 30 days at least.
    pub(super) fn leaf(
        &self,
        now: UtcTime,
    ) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
        let mut issued = self.issued.lock().unwrap_or_else(PoisonError::into_inner);
        let used = match issued.take() {
            Some(used) if !Certificate::of(&used.chain)?.ends_soon(now) => used,
            _ => self.issue(now)?,
        };
        let used = issued.insert(used);
        Ok((used.chain.clone(), used.key.clone_key().into()))
    }

    fn issue(&self, now: UtcTime) -> Result<Issued> {
        let (authority, issuer) = self.issuer(now)?;
        let made = || -> Result<_, rcgen::Error> {
            let mut leaf = CertificateParams::new(self.names.clone())?;
            leaf.distinguished_name.push(DnType::CommonName, "rfid-host");
            leaf.use_authority_key_identifier_extension = true;
            leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
            leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
            lasts(&mut leaf, now, LEAF_LASTS);
            let key = KeyPair::generate()?;
            Ok((leaf.signed_by(&key, &issuer)?, key))
        };
        let (leaf, key) = made().map_err(|error| {
            refused(format!("no certificate can be made for the names {}", self.names.join(", ")))
                .with_source(error)
        })?;
        let key = PrivatePkcs8KeyDer::from(key.serialize_der());
        Ok(Issued { chain: vec![leaf.der().clone(), authority], key })
    }

    /// The authority, made if there is none.
    fn issuer(&self, now: UtcTime) -> Result<(CertificateDer<'static>, Issuer<'static, KeyPair>)> {
        let (certificate, key) = (self.certificate_file(), self.folder.join("ca.key"));
        if !certificate.exists() {
            make(&self.folder, &certificate, &key, now)?;
        }
        let unread = |path: &Path, error: &dyn fmt::Display| {
            refused(format!(
                "{}: {error}. If the authority is lost, remove the folder {}: a new one is made, and \
                 everybody who looks at the host has to import it",
                path.display(),
                self.folder.display()
            ))
        };
        let mode = fs::metadata(&key).map_err(|error| unread(&key, &error))?.mode();
        if mode & 0o077 != 0 {
            let detail = format!("{} can be read by others: chmod 600 it", key.display());
            return Err(refused(detail));
        }
        let pem = fs::read_to_string(&key).map_err(|error| unread(&key, &error))?;
        let pair = KeyPair::from_pem(&pem).map_err(|error| unread(&key, &error))?;
        let der = CertificateDer::from_pem_file(&certificate)
            .map_err(|_| unread(&certificate, &"not a certificate in PEM"))?;
        let issuer = Issuer::from_ca_cert_der(&der, pair).map_err(|error| unread(&certificate, &error))?;
        Certificate::of(std::slice::from_ref(&der))?.must_be_valid(now)?;
        Ok((der, issuer))
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Authority").field("folder", &self.folder).finish_non_exhaustive()
    }
}

/// Makes an authority. The certificate comes last: without it there is none, and a key alone is
/// what is left of a start that was cut short.
fn make(folder: &Path, certificate: &Path, key: &Path, now: UtcTime) -> Result<()> {
    let made = || -> Result<_, rcgen::Error> {
        let mut authority = CertificateParams::new(Vec::new())?;
        authority.distinguished_name.push(DnType::CommonName, "rfid-host local authority");
        authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        lasts(&mut authority, now, AUTHORITY_LASTS);
        let pair = KeyPair::generate()?;
        Ok((authority.self_signed(&pair)?.pem(), pair.serialize_pem()))
    };
    let (pem, secret) = made().map_err(|error| refused("no authority can be made").with_source(error))?;
    let written = || -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        write(key, &secret, 0o600)?;
        write(certificate, &pem, 0o644)
    };
    written()
        .map_err(|error| refused(format!("the authority cannot be kept in {}: {error}", folder.display())))
}

/// Whole or not at all.
fn write(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let beside = path.with_extension("new");
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&beside)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

/// From a day ago on, for clients whose clocks are behind.
fn lasts(params: &mut CertificateParams, now: UtcTime, span: Duration) {
    let now = now.since(UtcTime::default());
    let epoch = date_time_ymd(1970, 1, 1);
    params.not_before = epoch + now.saturating_sub(DAY);
    params.not_after = epoch + now + span;
}
