//! A key for each person, which can be destroyed.
//!
//! The ledger and the journal keep what ever happened, so what tells who somebody is can only be taken out
//! of them by destroying what it is sealed under. A key for each person in a table would be a million
//! keys to keep, to copy and to overwrite. Instead they all follow from one secret: a tree in which each
//! node makes its sixteen children by SHA-256, and whose leaves are the hashed ids of persons. To destroy a
//! leaf, the secrets on the way to it are given up for those beside the way, from which all other leaves
//! follow, and it does not. So what is kept is some kilobytes for each person who was erased, and nothing
//! for all others.
//!
//! Whose the visits of a month were is under a key of that month, a leaf like any other: months end, and then
//! it is not to be known any more.
//!
//! It stands in a store in one small place, sealed under the master secret, and is written there anew as a
//! whole each time.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use rfid_core::{Error, ErrorKind, Result};
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, Zeroizing};

use super::{KEY_ID, Keys, NONCE};
use crate::randomness::{self, Randomness};
use crate::record::{CustomerId, Month};

/// First byte of what is sealed under the key of a person.
pub(super) const FORM: u8 = 2;
const TREE_ID: usize = 4;
const LEAF: usize = 16;
/// Form, id of the master secret (by which what is beside it is hidden), id of the tree, leaf.
const NAMED: usize = 1 + KEY_ID + TREE_ID + LEAF;
const HEAD: usize = NAMED + NONCE;
/// Bits of a step from a node to one of its children.
const STEP: u8 = 4;
/// Children of a node: with more, fewer steps are hashed for each record that is read, and more secrets are kept
/// for each person who was erased.
const CHILDREN: u8 = 1 << STEP;
/// Steps from the root to a leaf. With 80 bits, that among ten million persons any two have the same leaf, and
/// would be erased together, has a chance of one to 20 thousand millions; with more, each key takes longer to
/// make.
const DEPTH: u8 = 20;
/// Where the whole stands sealed.
const PLACE: &[u8] = b"person keys";
const LAYOUT: u8 = 1;

/// Months whose keys are at hand without making them anew for each visit.
const MONTHS_AT_HAND: usize = 64;

/// Under whose key something is: that of a person, or of the visits of a month.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Leaf(u128);

impl From<CustomerId> for Leaf {
    fn from(person: CustomerId) -> Self {
        Self(u128::from_be_bytes(person.to_bytes()))
    }
}

impl From<Month> for Leaf {
    /// No customer has this id: ids are random to the largest part.
    fn from(month: Month) -> Self {
        let digest: [u8; 32] = Sha256::digest(format!("rfid-service visits {month}")).into();
        let mut leaf = [0; LEAF];
        leaf.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
        Self(u128::from_be_bytes(leaf))
    }
}

impl Leaf {
    /// The way to it, by its digits.
    fn way(self) -> u128 {
        let digest: [u8; 32] = Sha256::digest(self.0.to_be_bytes()).into();
        let bytes = digest.iter().take(usize::from(DEPTH * STEP / 8));
        bytes.fold(0, |way, byte| way << 8 | u128::from(*byte))
    }
}

/// A node of the tree: how many steps below the root, and by which digits.
type Node = (u8, u128);

/// The keys of all persons of a store, but for those that were destroyed; and whose were.
#[derive(Clone)]
pub struct PersonKeys {
    id: [u8; TREE_ID],
    version: u64,
    /// Nodes of which none is below another, and below which are all leaves that are left.
    nodes: BTreeMap<Node, Zeroizing<[u8; 32]>>,
    /// Of whom nothing is written any more, and whose key is there until nothing has to be read.
    erasing: BTreeSet<CustomerId>,
    /// Whose key is destroyed.
    erased: BTreeSet<CustomerId>,
    months: Arc<Mutex<BTreeMap<Month, Aes256Gcm>>>,
}

impl fmt::Debug for PersonKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PersonKeys")
    }
}

/// What is under the key of a person.
pub(crate) enum Opened {
    /// As it was.
    Plain(Zeroizing<Vec<u8>>),
    /// The key of this person was destroyed, and nobody reads it any more.
    Erased,
}

/// Whether something was sealed under the key of a person.
pub(crate) fn is_of_a_person(sealed: &[u8]) -> bool {
    sealed.first() == Some(&FORM)
}

fn damaged(what: &'static str) -> Error {
    Error::new(ErrorKind::Damaged, "open").with_detail(what)
}

fn child(secret: &[u8; 32], digit: u8) -> Zeroizing<[u8; 32]> {
    // Fits into one block of the hash.
    let mut hash = Sha256::new();
    hash.update(b"rfid-service person");
    hash.update([digit]);
    hash.update(secret);
    Zeroizing::new(hash.finalize().into())
}

/// The digits of the first `depth` steps to a leaf.
fn way(leaf: u128, depth: u8) -> u128 {
    if depth == 0 { 0 } else { leaf >> u32::from(STEP * (DEPTH - depth)) }
}

/// Which child is on the way to a leaf, behind so many steps.
fn digit(leaf: u128, depth: u8) -> u8 {
    (way(leaf, depth + 1) & u128::from(CHILDREN - 1)) as u8
}

impl PersonKeys {
    /// Keys that nobody has yet.
    ///
    /// # Errors
    /// `Io` without random bytes.
    pub fn new(randomness: &dyn Randomness) -> Result<Self> {
        let root = Zeroizing::new(randomness::bytes::<32>(randomness)?);
        let nodes = BTreeMap::from([((0, 0), root)]);
        let (erasing, erased) = (BTreeSet::new(), BTreeSet::new());
        let (id, months) = (randomness::bytes(randomness)?, Arc::default());
        Ok(Self { id, version: 1, nodes, erasing, erased, months })
    }

    /// How often it was written: what another host has written is newer.
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// Whether nothing of this person is written any more.
    pub fn is_shut(&self, person: CustomerId) -> bool {
        self.erasing.contains(&person) || self.erased.contains(&person)
    }

    /// Whether the key of this person is destroyed.
    pub(crate) fn is_erased(&self, person: CustomerId) -> bool {
        self.erased.contains(&person)
    }

    /// Whose erasing has begun and is not done.
    pub fn erasing(&self) -> impl Iterator<Item = CustomerId> {
        self.erasing.iter().copied()
    }

    /// Whose key is destroyed.
    pub fn erased(&self) -> impl Iterator<Item = CustomerId> {
        self.erased.iter().copied()
    }

    /// The same after which nothing of this person is written any more; `None` if that is so already.
    #[must_use]
    pub fn with_shut(&self, person: CustomerId) -> Option<Self> {
        if self.is_shut(person) {
            return None;
        }
        let mut next = self.clone();
        next.version += 1;
        next.erasing.insert(person);
        Some(next)
    }

    /// The same without the key of this person; `None` if it is destroyed already.
    #[must_use]
    pub fn without(&self, person: CustomerId) -> Option<Self> {
        let mut next = self.clone();
        next.erasing.remove(&person);
        let is_news = next.erased.insert(person);
        if !next.cut(person.into()) && !is_news {
            return None;
        }
        next.version += 1;
        Some(next)
    }

    /// The same without the key of the visits of a month; `None` if it is destroyed already.
    #[must_use]
    pub fn without_month(&self, month: Month) -> Option<Self> {
        let mut next = self.clone();
        if !next.cut(month.into()) {
            return None;
        }
        next.months = Arc::default();
        next.version += 1;
        Some(next)
    }

    /// Gives up the secret of one leaf; `false` where it is given up already.
    fn cut(&mut self, leaf: Leaf) -> bool {
        let leaf = leaf.way();
        let Some((mut depth, mut secret)) = self.node_above(leaf) else { return false };
        self.nodes.remove(&(depth, way(leaf, depth)));
        while depth < DEPTH {
            let taken = digit(leaf, depth);
            for beside in (0..CHILDREN).filter(|other| *other != taken) {
                let place = way(leaf, depth) << STEP | u128::from(beside);
                self.nodes.insert((depth + 1, place), child(&secret, beside));
            }
            secret = child(&secret, taken);
            depth += 1;
        }
        true
    }

    fn node_above(&self, leaf: u128) -> Option<(u8, Zeroizing<[u8; 32]>)> {
        (0..=DEPTH).find_map(|depth| Some((depth, self.nodes.get(&(depth, way(leaf, depth)))?.clone())))
    }

    pub(super) fn cipher(&self, leaf: Leaf) -> Result<Option<Aes256Gcm>> {
        let leaf = leaf.way();
        let Some((depth, mut secret)) = self.node_above(leaf) else { return Ok(None) };
        for step in depth..DEPTH {
            secret = child(&secret, digit(leaf, step));
        }
        Aes256Gcm::new_from_slice(secret.as_slice()).map(Some).map_err(|_| super::refused())
    }

    /// The same of a month, which many visits ask for.
    fn cipher_of(&self, month: Month) -> Result<Option<Aes256Gcm>> {
        let mut at_hand = self.months.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cipher) = at_hand.get(&month) {
            return Ok(Some(cipher.clone()));
        }
        let Some(cipher) = self.cipher(month.into())? else { return Ok(None) };
        if at_hand.len() >= MONTHS_AT_HAND {
            at_hand.clear();
        }
        at_hand.insert(month, cipher.clone());
        Ok(Some(cipher))
    }

    /// Seals `plain` for its place `at` under the key of a person.
    ///
    /// # Errors
    /// `Denied` where that is destroyed; `Io` without random bytes.
    pub(crate) fn seal(
        &self,
        keys: &Keys,
        person: CustomerId,
        at: &[u8],
        plain: &[u8],
        randomness: &dyn Randomness,
    ) -> Result<Vec<u8>> {
        let cipher = self.cipher(person.into())?.ok_or_else(|| {
            Error::new(ErrorKind::Denied, "seal")
                .with_detail("this person was erased, and nothing is kept of them")
        })?;
        self.seal_under(&cipher, person.into(), keys, (at, plain), randomness)
    }

    /// The same under the key of the visits of a month; `None` where that is destroyed.
    ///
    /// # Errors
    /// `Io` without random bytes.
    pub(crate) fn seal_in_month(
        &self,
        keys: &Keys,
        month: Month,
        at: &[u8],
        plain: &[u8],
        randomness: &dyn Randomness,
    ) -> Result<Option<Vec<u8>>> {
        let Some(cipher) = self.cipher_of(month)? else { return Ok(None) };
        self.seal_under(&cipher, month.into(), keys, (at, plain), randomness).map(Some)
    }

    fn seal_under(
        &self,
        cipher: &Aes256Gcm,
        Leaf(leaf): Leaf,
        keys: &Keys,
        (at, plain): (&[u8], &[u8]),
        randomness: &dyn Randomness,
    ) -> Result<Vec<u8>> {
        let nonce: [u8; NONCE] = randomness::bytes(randomness)?;
        let mut sealed = Vec::with_capacity(HEAD + plain.len() + 16);
        sealed.push(FORM);
        sealed.extend_from_slice(&keys.current_id());
        sealed.extend_from_slice(&self.id);
        sealed.extend_from_slice(&leaf.to_be_bytes());
        let bound = [at, &sealed].concat();
        sealed.extend_from_slice(&nonce);
        let text = cipher.encrypt(&Nonce::from(nonce), Payload { msg: plain, aad: &bound });
        sealed.extend(text.map_err(|_| Error::new(ErrorKind::Internal, "seal"))?);
        Ok(sealed)
    }

    /// What was sealed for the place `at` under the key of the person whom it names.
    ///
    /// # Errors
    /// `Damaged` when it is not what was sealed there; `Denied` when it was sealed in another store.
    pub(crate) fn open(&self, at: &[u8], sealed: &[u8]) -> Result<Opened> {
        let parts = self.parts(sealed)?;
        let cipher = self.cipher(parts.leaf)?;
        parts.open(cipher, at)
    }

    /// The same of the visits of a month.
    ///
    /// # Errors
    /// As [`PersonKeys::open`].
    pub(crate) fn open_in_month(&self, month: Month, at: &[u8], sealed: &[u8]) -> Result<Opened> {
        let parts = self.parts(sealed)?;
        if parts.leaf != month.into() {
            return Err(cut_off());
        }
        parts.open(self.cipher_of(month)?, at)
    }

    fn parts<'a>(&self, sealed: &'a [u8]) -> Result<Parts<'a>> {
        let (head, text) = sealed.split_at_checked(HEAD).ok_or_else(cut_off)?;
        let (named, nonce) = head.split_at_checked(NAMED).ok_or_else(cut_off)?;
        let tree = named.get(1 + KEY_ID..1 + KEY_ID + TREE_ID).ok_or_else(cut_off)?;
        if tree != self.id {
            return Err(Error::new(ErrorKind::Denied, "open").with_detail(
                "a record was sealed under the person keys of another store: put back the person keys that belong \
                 to this one",
            ));
        }
        let leaf: [u8; LEAF] =
            named.get(1 + KEY_ID + TREE_ID..).and_then(|bytes| bytes.try_into().ok()).ok_or_else(cut_off)?;
        let nonce = nonce.try_into().map_err(|_| cut_off())?;
        Ok(Parts { named, leaf: Leaf(u128::from_be_bytes(leaf)), nonce, text })
    }

    /// The whole, sealed under the master secret of now.
    ///
    /// # Errors
    /// Those of [`Keys::seal`].
    pub fn to_sealed(&self, keys: &Keys, randomness: &dyn Randomness) -> Result<Vec<u8>> {
        let mut bytes = Zeroizing::new(vec![LAYOUT]);
        bytes.extend_from_slice(&self.id);
        bytes.extend_from_slice(&self.version.to_be_bytes());
        for persons in [&self.erasing, &self.erased] {
            bytes.extend_from_slice(&(persons.len() as u64).to_be_bytes());
            persons.iter().for_each(|person| bytes.extend_from_slice(&person.to_bytes()));
        }
        for ((depth, place), secret) in &self.nodes {
            bytes.push(*depth);
            bytes.extend_from_slice(&place.to_be_bytes());
            bytes.extend_from_slice(secret.as_slice());
        }
        keys.seal(PLACE, &bytes, randomness)
    }

    /// What was sealed so.
    ///
    /// # Errors
    /// Those of [`Keys::open`]; `Unsupported` where a newer version wrote it.
    pub fn from_sealed(keys: &Keys, sealed: &[u8]) -> Result<Self> {
        let bytes = keys.open(PLACE, sealed)?;
        let cut = || damaged("the keys of persons are not what was sealed");
        let mut rest = Rest(&bytes);
        if rest.array::<1>() != Some([LAYOUT]) {
            return Err(Error::new(ErrorKind::Unsupported, "open")
                .with_detail("a newer version wrote the keys of persons; use that version, or a newer one"));
        }
        let id = rest.array().ok_or_else(cut)?;
        let version = rest.array().map(u64::from_be_bytes).ok_or_else(cut)?;
        let erasing = rest.persons().ok_or_else(cut)?;
        let erased = rest.persons().ok_or_else(cut)?;
        let mut nodes = BTreeMap::new();
        while !rest.0.is_empty() {
            let [depth] = rest.array().ok_or_else(cut)?;
            let place = rest.array().map(u128::from_be_bytes).ok_or_else(cut)?;
            let mut secret: [u8; 32] = rest.array().ok_or_else(cut)?;
            if depth > DEPTH {
                return Err(cut());
            }
            nodes.insert((depth, place), Zeroizing::new(secret));
            secret.zeroize();
        }
        Ok(Self { id, version, nodes, erasing, erased, months: Arc::default() })
    }
}

/// What is sealed, in its parts.
struct Parts<'a> {
    named: &'a [u8],
    leaf: Leaf,
    nonce: [u8; NONCE],
    text: &'a [u8],
}

impl Parts<'_> {
    fn open(&self, cipher: Option<Aes256Gcm>, at: &[u8]) -> Result<Opened> {
        let Some(cipher) = cipher else { return Ok(Opened::Erased) };
        let bound = [at, self.named].concat();
        let plain = cipher.decrypt(&Nonce::from(self.nonce), Payload { msg: self.text, aad: &bound });
        plain.map(|plain| Opened::Plain(Zeroizing::new(plain))).map_err(|_| cut_off())
    }
}

fn cut_off() -> Error {
    damaged("a record under the key of a person is not what was sealed")
}

/// Bytes that are not read yet.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }

    fn persons(&mut self) -> Option<BTreeSet<CustomerId>> {
        let count = u64::from_be_bytes(self.array()?);
        (0..count).map(|_| self.array().map(CustomerId::from_bytes)).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::randomness::SystemRandomness;

    fn keys(master: u8) -> Keys {
        Keys::new(&Zeroizing::new([master; 32]), &[]).unwrap()
    }

    fn plain(persons: &PersonKeys, sealed: &[u8]) -> Option<Vec<u8>> {
        match persons.open(b"at", sealed).unwrap() {
            Opened::Plain(plain) => Some(plain.to_vec()),
            Opened::Erased => None,
        }
    }

    proptest! {
        // Each case derives some hundred keys, which takes its time without optimisation.
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn whoever_is_cut_out_is_unreadable_and_nobody_else(
            near in proptest::collection::btree_set(0u128..40, 2..12),
            far in proptest::collection::btree_set(any::<u128>(), 0..6),
            which in any::<u64>(),
        ) {
            let keys = keys(7);
            let everybody: Vec<CustomerId> =
                near.union(&far).map(|id| CustomerId::from_bytes(id.to_be_bytes())).collect();
            let mut persons = PersonKeys::new(&SystemRandomness).unwrap();
            let sealed: Vec<Vec<u8>> = everybody
                .iter()
                .map(|person| persons.seal(&keys, *person, b"at", &person.to_bytes(), &SystemRandomness).unwrap())
                .collect();
            let goes = |at: usize| which >> at & 1 == 1;
            for (at, person) in everybody.iter().enumerate().filter(|(at, _)| goes(*at)) {
                persons = persons.with_shut(*person).unwrap();
                prop_assert!(plain(&persons, &sealed[at]).is_some());
                persons = persons.without(*person).unwrap();
                prop_assert!(persons.without(*person).is_none() && persons.with_shut(*person).is_none());
            }
            let persons = PersonKeys::from_sealed(&keys, &persons.to_sealed(&keys, &SystemRandomness).unwrap()).unwrap();
            for (at, person) in everybody.iter().enumerate() {
                let expected = (!goes(at)).then(|| person.to_bytes().to_vec());
                prop_assert_eq!(plain(&persons, &sealed[at]), expected);
                let again = persons.seal(&keys, *person, b"at", b"x", &SystemRandomness);
                prop_assert_eq!(again.is_err(), goes(at));
                prop_assert_eq!(persons.is_shut(*person), goes(at));
            }
        }
    }

    #[test]
    fn what_is_sealed_is_bound_to_its_place_its_person_and_its_store() {
        let keys = keys(7);
        let (one, other) = (CustomerId::from_bytes([1; 16]), CustomerId::from_bytes([2; 16]));
        let persons = PersonKeys::new(&SystemRandomness).unwrap();
        let sealed = persons.seal(&keys, one, b"at", b"secret", &SystemRandomness).unwrap();
        assert_eq!(plain(&persons, &sealed), Some(b"secret".to_vec()));
        assert!(persons.open(b"there", &sealed).is_err());
        let mut of_other = sealed.clone();
        of_other[9..25].copy_from_slice(&other.to_bytes());
        assert!(persons.open(b"at", &of_other).is_err());
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            // The form is looked at before.
            assert!(persons.open(b"at", &changed).is_err(), "byte {at}");
            assert!(persons.open(b"at", &sealed[..at]).is_err(), "cut at {at}");
        }
        let elsewhere = PersonKeys::new(&SystemRandomness).unwrap();
        assert_eq!(elsewhere.open(b"at", &sealed).err().map(|error| error.kind()), Some(ErrorKind::Denied));
    }

    #[test]
    fn the_whole_opens_under_its_master_secret_alone() {
        let persons = PersonKeys::new(&SystemRandomness).unwrap();
        let sealed = persons.to_sealed(&keys(1), &SystemRandomness).unwrap();
        assert!(PersonKeys::from_sealed(&keys(2), &sealed).is_err());
        assert_eq!(PersonKeys::from_sealed(&keys(1), &sealed).unwrap().version(), 1);
    }
}
