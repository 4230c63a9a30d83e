//! Keys of the service: what they seal and what they hide.
//!
//! A record that tells who somebody is stands in a store as AES-256-GCM under a key derived from
//! the host's master secret, bound to its place, so that it cannot be moved to another. What must
//! be found by equality alone (a customer number, the tag of a card, an ID number) is found by an
//! HMAC-SHA-256 under another derived key. The master secret is never in the store.
//!
//! A change of the master secret keeps the older ones for reading; what is written from then on
//! is under the new one.
//!
//! What tells who a customer is stands under a key of that person ([`PersonKeys`]), which can be destroyed.

#[cfg(test)]
pub(crate) mod looting;
pub(crate) mod persons;

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use hmac::{Hmac, Mac};
use rfid_core::{Error, ErrorKind, Result};
use sha2::Sha256;
use zeroize::{Zeroize, Zeroizing};

use crate::hex::hex;
use crate::randomness::{self, Randomness};
use crate::record::{IdNumber, Unique};

pub use persons::PersonKeys;

/// First byte of what is sealed under the master secret itself; that of what is sealed under the key of a
/// person is another.
const FORM: u8 = 1;
const KEY_ID: usize = 4;
const NONCE: usize = 12;
const HEAD: usize = 1 + KEY_ID + NONCE;

/// A value hidden by a keyed hash: equal for equal values, and nothing else can be learnt of it
/// without the key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Blind([u8; 16]);

impl Blind {
    /// Its bytes.
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0
    }

    /// The value with these bytes, as they stand in a store.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for Blind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Blind")
    }
}

/// What is derived from one master secret.
struct Derived {
    id: [u8; KEY_ID],
    cipher: Aes256Gcm,
    hiding: Hmac<Sha256>,
}

/// The keys of a host, current and older. They can be changed while the host runs.
pub struct Keys(RwLock<Arc<Ring>>);

/// Keys that go together.
struct Ring {
    current: Derived,
    older: Vec<Derived>,
}

impl Ring {
    fn new(current: &Zeroizing<[u8; 32]>, older: &[Zeroizing<[u8; 32]>]) -> Result<Self> {
        let older = older.iter().map(|master| Derived::from(master)).collect::<Result<_>>()?;
        Ok(Self { current: Derived::from(current)?, older })
    }

    /// What a record was sealed under, or what was the master secret when it was sealed under the key of a
    /// person; that of now if it is not at hand, which opening tells.
    fn of(&self, sealed: &[u8]) -> &Derived {
        let id = sealed.get(1..1 + KEY_ID).unwrap_or_default();
        self.all().find(|derived| derived.id == id).unwrap_or(&self.current)
    }

    fn all(&self) -> impl Iterator<Item = &Derived> {
        std::iter::once(&self.current).chain(&self.older)
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys")
    }
}

impl Derived {
    fn from(master: &[u8; 32]) -> Result<Self> {
        let mut sealing = derive(master, b"seal")?;
        let mut hiding = derive(master, b"hide")?;
        let name = derive(master, b"name")?;
        let mut id = [0; KEY_ID];
        id.copy_from_slice(&name[..KEY_ID]);
        let cipher = Aes256Gcm::new_from_slice(&sealing).map_err(|_| refused())?;
        let keyed = Hmac::new_from_slice(&hiding).map_err(|_| refused())?;
        sealing.zeroize();
        hiding.zeroize();
        Ok(Self { id, cipher, hiding: keyed })
    }

    fn hide(&self, domain: u8, bytes: &[u8]) -> Blind {
        let mut mac = self.hiding.clone();
        mac.update(&[domain]);
        mac.update(bytes);
        let digest = mac.finalize().into_bytes();
        let mut blind = [0; 16];
        blind.copy_from_slice(&digest[..16]);
        Blind(blind)
    }
}

fn derive(master: &[u8; 32], purpose: &[u8]) -> Result<[u8; 32]> {
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(master).map_err(|_| refused())?;
    mac.update(b"rfid-service ");
    mac.update(purpose);
    Ok(mac.finalize().into_bytes().into())
}

fn refused() -> Error {
    Error::new(ErrorKind::Internal, "key").with_detail("a key has the wrong length")
}

impl Keys {
    /// Keys from the master secret of now, and from those of before, which are used to read only.
    ///
    /// # Errors
    /// `Internal`, never in practice: all keys have the length that their use wants.
    pub fn new(current: &Zeroizing<[u8; 32]>, older: &[Zeroizing<[u8; 32]>]) -> Result<Self> {
        Ok(Self(RwLock::new(Arc::new(Ring::new(current, older)?))))
    }

    /// Takes others in their place: what is written from now on is under the new one, and what was is read
    /// under those of before, which have to be among the older ones.
    ///
    /// # Errors
    /// As [`Keys::new`]; then nothing has changed.
    pub fn replace(&self, current: &Zeroizing<[u8; 32]>, older: &[Zeroizing<[u8; 32]>]) -> Result<()> {
        let ring = Arc::new(Ring::new(current, older)?);
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = ring;
        Ok(())
    }

    /// What the master secret of now is called in what is sealed.
    fn current_id(&self) -> [u8; KEY_ID] {
        self.ring().current.id
    }

    fn ring(&self) -> Arc<Ring> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Seals `plain` for its place `at`.
    ///
    /// # Errors
    /// `Io` without random bytes.
    pub fn seal(&self, at: &[u8], plain: &[u8], randomness: &dyn Randomness) -> Result<Vec<u8>> {
        let nonce: [u8; NONCE] = randomness::bytes(randomness)?;
        let ring = self.ring();
        let mut sealed = Vec::with_capacity(HEAD + plain.len() + 16);
        sealed.push(FORM);
        sealed.extend_from_slice(&ring.current.id);
        sealed.extend_from_slice(&nonce);
        let payload = Payload { msg: plain, aad: at };
        let text = ring.current.cipher.encrypt(&Nonce::from(nonce), payload);
        sealed.extend(text.map_err(|_| Error::new(ErrorKind::Internal, "seal"))?);
        Ok(sealed)
    }

    /// What was sealed for the place `at`.
    ///
    /// # Errors
    /// `Damaged` when it is not what was sealed there; `Denied` when the key is not at hand, with
    /// what to do.
    pub fn open(&self, at: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        let damaged =
            || Error::new(ErrorKind::Damaged, "open").with_detail("a sealed record is not what was sealed");
        let (head, text) = sealed.split_at_checked(HEAD).ok_or_else(damaged)?;
        let (Some(&FORM), Some(id), Some(nonce)) =
            (head.first(), head.get(1..1 + KEY_ID), head.get(1 + KEY_ID..))
        else {
            return Err(damaged());
        };
        let ring = self.ring();
        let derived = ring.all().find(|derived| derived.id == id).ok_or_else(|| {
            Error::new(ErrorKind::Denied, "open").with_detail(
                "a record was sealed under another master secret: put that secret among the older ones",
            )
        })?;
        let nonce: [u8; NONCE] = nonce.try_into().map_err(|_| damaged())?;
        let payload = Payload { msg: text, aad: at };
        derived.cipher.decrypt(&Nonce::from(nonce), payload).map(Zeroizing::new).map_err(|_| damaged())
    }

    /// How it stands there beside a record that was sealed into `sealed`: under the same key.
    pub fn hide_beside(&self, sealed: &[u8], unique: &Unique) -> Blind {
        hide(self.ring().of(sealed), unique)
    }

    /// How it may stand there: under the key of now and under each older one.
    pub fn hidden(&self, unique: &Unique) -> Vec<Blind> {
        self.ring().all().map(|derived| hide(derived, unique)).collect()
    }

    /// How an ID number stands in a store beside a record that was sealed into `sealed`.
    pub fn hide_id_number_beside(&self, sealed: &[u8], number: &IdNumber) -> Blind {
        self.ring().of(sealed).hide(b'I', number.reveal().as_bytes())
    }

    /// How it may stand there: under the key of now and under each older one.
    pub fn hidden_id_number(&self, number: &IdNumber) -> Vec<Blind> {
        self.ring().all().map(|derived| derived.hide(b'I', number.reveal().as_bytes())).collect()
    }

    /// What stands in the audit trail for a value: equal for equal values under one master secret.
    pub fn audit_mark(&self, bytes: &[u8]) -> String {
        let blind = self.ring().current.hide(b'A', bytes).to_bytes();
        hex(&blind[..8])
    }
}

fn hide(derived: &Derived, unique: &Unique) -> Blind {
    match unique {
        Unique::CustomerNumber(number) => derived.hide(b'C', number.as_str().as_bytes()),
        Unique::StaffNumber(number) => derived.hide(b'S', number.as_str().as_bytes()),
        Unique::CardTag(tag) => {
            let mut bytes = vec![tag.kind() as u8];
            bytes.extend_from_slice(tag.bytes());
            derived.hide(b'T', &bytes)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::randomness::SystemRandomness;

    fn keys(current: u8, older: &[u8]) -> Keys {
        let older: Vec<_> = older.iter().map(|byte| Zeroizing::new([*byte; 32])).collect();
        Keys::new(&Zeroizing::new([current; 32]), &older).unwrap()
    }

    #[test]
    fn what_is_sealed_opens_at_its_place_alone() {
        let keys = keys(1, &[]);
        let sealed = keys.seal(b"here", b"secret", &SystemRandomness).unwrap();
        assert!(!sealed.windows(6).any(|part| part == b"secret"));
        assert_eq!(**keys.open(b"here", &sealed).unwrap(), *b"secret");
        assert_eq!(keys.open(b"there", &sealed).unwrap_err().kind(), ErrorKind::Damaged);
    }

    #[test]
    fn every_changed_byte_is_noticed() {
        let keys = keys(1, &[]);
        let sealed = keys.seal(b"here", b"secret", &SystemRandomness).unwrap();
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(keys.open(b"here", &changed).is_err(), "byte {at}");
            assert!(keys.open(b"here", &sealed[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn older_keys_open_and_never_seal() {
        let before = keys(1, &[]);
        let sealed = before.seal(b"here", b"secret", &SystemRandomness).unwrap();
        let now = keys(2, &[1]);
        assert_eq!(**now.open(b"here", &sealed).unwrap(), *b"secret");
        let again = now.seal(b"here", b"secret", &SystemRandomness).unwrap();
        assert_eq!(before.open(b"here", &again).unwrap_err().kind(), ErrorKind::Denied);
    }

    #[test]
    fn keys_change_while_somebody_holds_them() {
        let keys = keys(1, &[]);
        let before = keys.seal(b"here", b"before", &SystemRandomness).unwrap();
        keys.replace(&Zeroizing::new([2; 32]), &[Zeroizing::new([1; 32])]).unwrap();
        let after = keys.seal(b"here", b"after", &SystemRandomness).unwrap();
        assert_eq!(**keys.open(b"here", &before).unwrap(), *b"before");
        keys.replace(&Zeroizing::new([2; 32]), &[]).unwrap();
        assert_eq!(**keys.open(b"here", &after).unwrap(), *b"after");
        assert_eq!(keys.open(b"here", &before).unwrap_err().kind(), ErrorKind::Denied);
    }

    #[test]
    fn hidden_values_are_equal_for_equal_values_and_keys_alone() {
        let number = |text: &str| Unique::CustomerNumber(text.parse().unwrap());
        let (one, other) = (keys(1, &[]), keys(2, &[1]));
        let hide = |keys: &Keys, unique: &Unique| keys.hide_beside(&[], unique);
        assert_eq!(hide(&one, &number("1")), hide(&one, &number("1")));
        assert_ne!(hide(&one, &number("1")), hide(&one, &number("2")));
        assert_ne!(hide(&one, &number("1")), hide(&one, &Unique::StaffNumber("1".parse().unwrap())));
        assert_ne!(hide(&one, &number("1")), hide(&other, &number("1")));
        assert_eq!(other.hidden(&number("1")), [hide(&other, &number("1")), hide(&one, &number("1"))]);
        // A record that stands under an older key stands in the indexes under that, too.
        let sealed = one.seal(b"here", b"", &SystemRandomness).unwrap();
        assert_eq!(other.hide_beside(&sealed, &number("1")), hide(&one, &number("1")));
    }
}
