//! How a record stands in a store.

use std::sync::Arc;

use rfid_core::{Error, ErrorKind, Result};
use zeroize::Zeroizing;

use super::PhotoSize;
use crate::randomness::Randomness;
use crate::record::{IdNumber, Key, Kind, PhotoId, Record, Unique};
use crate::seal::{Blind, Keys};

/// Turns records into bytes and back.
///
/// Customers, cards, staff, accounts, requests and exports are sealed for their place ([`Keys::seal`]);
/// branches, visits, duties and alarms name nobody and are JSON, so that a store may look into them for reports.
#[derive(Clone)]
pub struct Rows {
    keys: Arc<Keys>,
    randomness: Arc<dyn Randomness>,
}

impl std::fmt::Debug for Rows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Rows")
    }
}

impl Rows {
    /// Rows under these keys.
    pub fn new(keys: Arc<Keys>, randomness: Arc<dyn Randomness>) -> Self {
        Self { keys, randomness }
    }

    /// Whether records of this kind are sealed.
    pub const fn seals(kind: Kind) -> bool {
        matches!(
            kind,
            Kind::Customer | Kind::Card | Kind::Staff | Kind::Account | Kind::Request | Kind::Export
        )
    }

    /// The bytes of a record.
    ///
    /// # Errors
    /// Those of [`Keys::seal`].
    pub fn encode(&self, record: &Record) -> Result<Vec<u8>> {
        let json = serde_json::to_vec(record)
            .map(Zeroizing::new)
            .map_err(|error| Error::new(ErrorKind::Internal, "encode").with_source(error))?;
        if !Self::seals(record.kind()) {
            return Ok(json.to_vec());
        }
        self.keys.seal(&place(&record.key()), &json, self.randomness.as_ref())
    }

    /// The record of these bytes, which stood at `key`.
    ///
    /// # Errors
    /// `Damaged` when they are no record, or that of another key; those of [`Keys::open`].
    pub fn decode(&self, key: &Key, bytes: &[u8]) -> Result<Record> {
        let damaged =
            || Error::new(ErrorKind::Damaged, "decode").with_detail(format!("{key} cannot be read"));
        let opened;
        let json = if Self::seals(key.kind()) {
            opened = self.keys.open(&place(key), bytes)?;
            opened.as_slice()
        } else {
            bytes
        };
        // The text of a JSON error may quote what it read.
        let record: Record = serde_json::from_slice(json).map_err(|_| damaged())?;
        if record.key() == *key { Ok(record) } else { Err(damaged()) }
    }

    /// How what must be unique stands in a store beside these bytes of its record.
    pub fn hide_beside(&self, bytes: &[u8], unique: &Unique) -> Blind {
        self.keys.hide_beside(bytes, unique)
    }

    /// How it may stand there, whatever key it was written under.
    pub fn hidden(&self, unique: &Unique) -> Vec<Blind> {
        self.keys.hidden(unique)
    }

    /// How the ID number of a record stands in a store beside these bytes of the record, if it has
    /// one.
    pub fn hide_id_number_beside(&self, bytes: &[u8], record: &Record) -> Option<Blind> {
        let Record::Customer(customer) = record else { return None };
        customer.id_number.as_ref().map(|number| self.keys.hide_id_number_beside(bytes, number))
    }

    /// How an ID number may stand there, whatever key it was written under.
    pub fn hidden_id_number(&self, number: &IdNumber) -> Vec<Blind> {
        self.keys.hidden_id_number(number)
    }
}

impl Rows {
    /// The bytes of a photo in this form, sealed.
    ///
    /// # Errors
    /// Those of [`Keys::seal`].
    pub fn seal_photo(&self, id: PhotoId, size: PhotoSize, photo: &[u8]) -> Result<Vec<u8>> {
        self.keys.seal(&photo_place(id, size), photo, self.randomness.as_ref())
    }

    /// The photo of these bytes.
    ///
    /// # Errors
    /// Those of [`Keys::open`].
    pub fn open_photo(&self, id: PhotoId, size: PhotoSize, bytes: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        self.keys.open(&photo_place(id, size), bytes)
    }
}

#[cfg(feature = "postgres")]
impl Rows {
    /// Something that only these keys open, for a place where others may write under other keys.
    pub(super) fn proof_of_keys(&self) -> Result<Vec<u8>> {
        self.keys.seal(PROOF, PROOF, self.randomness.as_ref())
    }

    /// Whether such a proof was made under these keys, or under one of before.
    pub(super) fn accept_keys(&self, proof: &[u8]) -> Result<()> {
        self.keys.open(PROOF, proof).map(drop)
    }
}

#[cfg(feature = "postgres")]
const PROOF: &[u8] = b"proof of keys";

fn photo_place(id: PhotoId, size: PhotoSize) -> Vec<u8> {
    let mut place = b"photo ".to_vec();
    place.extend_from_slice(&id.to_bytes());
    place.push(match size {
        PhotoSize::Large => b'L',
        PhotoSize::Small => b'S',
    });
    place
}

/// What a sealed record is bound to.
fn place(key: &Key) -> Vec<u8> {
    let mut place = vec![key.kind() as u8];
    place.extend_from_slice(&key.to_bytes());
    place
}

#[cfg(test)]
mod tests {
    use rfid_core::UtcTime;

    use super::*;
    use crate::randomness::SystemRandomness;
    use crate::record::{Branch, Consent, Customer, CustomerId};

    fn rows() -> Rows {
        let keys = Keys::new(&Zeroizing::new([7; 32]), &[]).unwrap();
        Rows::new(Arc::new(keys), Arc::new(SystemRandomness))
    }

    fn customer(id: u8) -> Record {
        Record::from(Customer {
            id: CustomerId::from_bytes([id; 16]),
            number: "6001".parse().unwrap(),
            name: "张小明".into(),
            id_number: Some("11010519491231002X".parse().unwrap()),
            employer: "西州电力".into(),
            photo: None,
            vip_class: "gold".into(),
            usual_business: "理财".into(),
            branch: "hubin".into(),
            account_manager: None,
            notes: "".into(),
            consent: Consent::Given { at: UtcTime::from_nanos(1) },
            closed: false,
        })
    }

    #[test]
    fn nothing_personal_is_readable_in_a_row() {
        let (rows, record) = (rows(), customer(1));
        let bytes = rows.encode(&record).unwrap();
        for text in ["张小明", "11010519491231002X", "西州电力", "6001", "理财"] {
            assert!(!bytes.windows(text.len()).any(|part| part == text.as_bytes()), "{text}");
        }
        assert_eq!(rows.decode(&record.key(), &bytes).unwrap(), record);
        assert!(!format!("{record:?}").contains("张"));
    }

    #[test]
    fn a_row_in_the_place_of_another_is_damage() {
        let rows = rows();
        let bytes = rows.encode(&customer(1)).unwrap();
        assert_eq!(rows.decode(&customer(2).key(), &bytes).unwrap_err().kind(), ErrorKind::Damaged);
        let branch =
            |code: &str| Branch { code: code.into(), name: code.into(), position: None, closed: false };
        let bytes = rows.encode(&branch("a").into()).unwrap();
        assert_eq!(rows.decode(&Key::Branch("b".into()), &bytes).unwrap_err().kind(), ErrorKind::Damaged);
    }
}
