//! How a record stands in a store.

use std::sync::{Arc, PoisonError, RwLock};

use rfid_core::{Error, ErrorKind, Result};
use zeroize::Zeroizing;

use super::PhotoSize;
use crate::randomness::Randomness;
use crate::record::{CardId, CustomerId, IdNumber, Key, Kind, PhotoId, Record, Unique, Visit};
use crate::seal::persons::{self, Opened};
use crate::seal::{Blind, Keys, PersonKeys};

/// First byte of a visit beside which it stands sealed whose it is.
const LINKED: u8 = 3;

/// Turns records into bytes and back.
///
/// Customers, cards, staff, accounts, requests and exports are sealed for their place ([`Keys::seal`]);
/// branches, visits, duties and alarms name nobody and are JSON, so that a store may look into them for reports. Whose a visit is
/// and with which card stands before its JSON, sealed for its month:
///
/// | bytes | what |
/// |---|---|
/// | 1 | 3; of JSON alone it is a brace |
/// | 2 | length of what is sealed, big-endian |
/// | | customer, and card if there is one, sealed |
/// | | the visit of nobody, as JSON |
///
/// What is of a customer is sealed under the key of that person, once a store has put its [`PersonKeys`] in;
/// what was written before there were any stays under the master secret.
#[derive(Clone)]
pub struct Rows {
    keys: Arc<Keys>,
    randomness: Arc<dyn Randomness>,
    persons: Arc<RwLock<Option<Arc<PersonKeys>>>>,
}

impl std::fmt::Debug for Rows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Rows")
    }
}

impl Rows {
    /// Rows under these keys.
    pub fn new(keys: Arc<Keys>, randomness: Arc<dyn Randomness>) -> Self {
        Self { keys, randomness, persons: Arc::default() }
    }

    /// Puts in the keys of persons, which all clones have from then on.
    pub(super) fn set_persons(&self, persons: PersonKeys) {
        *self.persons.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(persons));
    }

    /// As before there were any.
    #[cfg(test)]
    pub(crate) fn unset_persons(&self) {
        *self.persons.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The keys of persons of now.
    pub(super) fn persons(&self) -> Option<Arc<PersonKeys>> {
        self.persons.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Seals what is no record for its place `at`.
    pub(super) fn seal_plain(&self, at: &[u8], plain: &[u8]) -> Result<Vec<u8>> {
        self.keys.seal(at, plain, self.randomness.as_ref())
    }

    /// What [`Rows::seal_plain`] has sealed for the same place.
    pub(super) fn open_sealed(&self, at: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        self.keys.open(at, sealed)
    }

    /// New keys of persons, for a store that has none.
    pub(super) fn make_persons(&self) -> Result<PersonKeys> {
        PersonKeys::new(self.randomness.as_ref())
    }

    /// Keys of persons as they are kept.
    pub(super) fn seal_persons(&self, persons: &PersonKeys) -> Result<Vec<u8>> {
        persons.to_sealed(&self.keys, self.randomness.as_ref())
    }

    /// The keys of persons that were kept so.
    pub(super) fn open_persons(&self, sealed: &[u8]) -> Result<PersonKeys> {
        PersonKeys::from_sealed(&self.keys, sealed)
    }

    /// Whether the key of this person is destroyed.
    pub(super) fn is_erased(&self, person: CustomerId) -> bool {
        self.persons().is_some_and(|persons| persons.is_erased(person))
    }

    /// Whether nothing of this person is written any more.
    pub(super) fn is_shut(&self, person: CustomerId) -> bool {
        self.persons().is_some_and(|persons| persons.is_shut(person))
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
        if let Record::Visit(visit) = record
            && let Some(bytes) = self.encode_visit(visit)?
        {
            return Ok(bytes);
        }
        let json = serde_json::to_vec(record)
            .map(Zeroizing::new)
            .map_err(|error| Error::new(ErrorKind::Internal, "encode").with_source(error))?;
        if !Self::seals(record.kind()) {
            return Ok(json.to_vec());
        }
        self.seal(record.sealed_for(), &place(&record.key()), &json)
    }

    /// A visit of somebody; none where it is nobody's, or where it is told so late that its month has no key
    /// any more: until the next run of the retention it is known whose that one was.
    fn encode_visit(&self, visit: &Visit) -> Result<Option<Vec<u8>>> {
        let Some(persons) = self.persons().filter(|_| !visit.customer.is_stand_in()) else {
            return Ok(None);
        };
        let mut link = visit.customer.to_bytes().to_vec();
        link.extend(visit.card.iter().flat_map(|card| card.to_bytes()));
        let place = place(&Key::Visit(visit.id));
        let sealed =
            persons.seal_in_month(&self.keys, visit.month(), &place, &link, self.randomness.as_ref())?;
        let Some(sealed) = sealed else { return Ok(None) };
        let json = serde_json::to_vec(&Record::Visit(visit.clone().of_nobody()))
            .map_err(|error| Error::new(ErrorKind::Internal, "encode").with_source(error))?;
        let len = u16::try_from(sealed.len()).map_err(|_| Error::new(ErrorKind::Internal, "encode"))?;
        Ok(Some([&[LINKED], len.to_be_bytes().as_slice(), &sealed, &json].concat()))
    }

    /// Puts in whose a visit is, as far as that is known.
    fn open_link(&self, mut visit: Visit, sealed: &[u8]) -> Result<Option<Visit>> {
        let Some(persons) = self.persons() else {
            return Err(Error::new(ErrorKind::Denied, "open").with_detail("the keys of persons are missing"));
        };
        let link = match persons.open_in_month(visit.month(), &place(&Key::Visit(visit.id)), sealed)? {
            Opened::Plain(link) => link,
            Opened::Erased => return Ok(Some(visit)),
        };
        let Some((customer, card)) = link.split_first_chunk::<16>() else { return Ok(None) };
        visit.customer = CustomerId::from_bytes(*customer);
        visit.card = match card {
            [] => None,
            card => match card.try_into() {
                Ok(card) => Some(CardId::from_bytes(card)),
                Err(_) => return Ok(None),
            },
        };
        Ok(Some(visit))
    }

    fn seal(&self, person: Option<CustomerId>, place: &[u8], plain: &[u8]) -> Result<Vec<u8>> {
        match (self.persons(), person) {
            (Some(persons), Some(person)) => {
                persons.seal(&self.keys, person, place, plain, self.randomness.as_ref())
            }
            _ => self.keys.seal(place, plain, self.randomness.as_ref()),
        }
    }

    fn open(&self, place: &[u8], sealed: &[u8]) -> Result<Opened> {
        if !persons::is_of_a_person(sealed) {
            return self.keys.open(place, sealed).map(Opened::Plain);
        }
        match self.persons() {
            Some(persons) => persons.open(place, sealed),
            None => Err(Error::new(ErrorKind::Denied, "open").with_detail("the keys of persons are missing")),
        }
    }

    /// The record of these bytes, which stood at `key`.
    ///
    /// # Errors
    /// As [`Rows::decode_kept`]; `Denied` when its person was erased.
    pub fn decode(&self, key: &Key, bytes: &[u8]) -> Result<Record> {
        self.decode_kept(key, bytes)?.ok_or_else(|| {
            Error::new(ErrorKind::Denied, "decode")
                .with_detail(format!("{key} is of a person who was erased, and nobody reads it any more"))
        })
    }

    /// The record of these bytes, which stood at `key`; none of a person who was erased. A visit of a month
    /// whose key is destroyed is nobody's.
    ///
    /// # Errors
    /// `Damaged` when they are no record, or that of another key; those of [`Keys::open`].
    pub fn decode_kept(&self, key: &Key, bytes: &[u8]) -> Result<Option<Record>> {
        let damaged =
            || Error::new(ErrorKind::Damaged, "decode").with_detail(format!("{key} cannot be read"));
        let (opened, link, json);
        if Self::seals(key.kind()) {
            opened = match self.open(&place(key), bytes)? {
                Opened::Plain(plain) => plain,
                Opened::Erased => return Ok(None),
            };
            (link, json) = (None, opened.as_slice());
        } else if let [LINKED, high, low, rest @ ..] = bytes {
            let len = u16::from_be_bytes([*high, *low]);
            let (sealed, rest) = rest.split_at_checked(len.into()).ok_or_else(damaged)?;
            (link, json) = (Some(sealed), rest);
        } else {
            (link, json) = (None, bytes);
        }
        // The text of a JSON error may quote what it read.
        let record: Record = serde_json::from_slice(json).map_err(|_| damaged())?;
        let record = match (record, link) {
            (record, _) if record.key() != *key => return Err(damaged()),
            (Record::Visit(visit), Some(link)) => self.open_link(visit, link)?.ok_or_else(damaged)?.into(),
            (_, Some(_)) => return Err(damaged()),
            (record, None) => record,
        };
        Ok(Some(record))
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
    /// The bytes of a photo of this customer in this form, sealed.
    ///
    /// # Errors
    /// Those of [`Keys::seal`].
    pub fn seal_photo(&self, id: PhotoId, of: CustomerId, size: PhotoSize, photo: &[u8]) -> Result<Vec<u8>> {
        self.seal(Some(of), &photo_place(id, size), photo)
    }

    /// The photo of these bytes; none of a person who was erased.
    ///
    /// # Errors
    /// Those of [`Keys::open`].
    pub fn open_photo(
        &self,
        id: PhotoId,
        size: PhotoSize,
        bytes: &[u8],
    ) -> Result<Option<Zeroizing<Vec<u8>>>> {
        match self.open(&photo_place(id, size), bytes)? {
            Opened::Plain(plain) => Ok(Some(plain)),
            Opened::Erased => Ok(None),
        }
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
    fn whose_a_visit_is_stands_sealed_beside_what_reports_want() {
        use crate::store::suite::{card, visit};
        let rows = rows();
        let came = Visit { card: Some(card(1, 1, 1).id), ..visit(1, 1, 7, true) };
        let key = Key::Visit(came.id);
        let plain = rows.encode(&came.clone().into()).unwrap();
        assert_eq!(plain.first(), Some(&b'{'));
        rows.set_persons(rows.make_persons().unwrap());
        // What was written before there were keys of persons is read on.
        assert_eq!(rows.decode(&key, &plain).unwrap(), came.clone().into());
        let bytes = rows.encode(&came.clone().into()).unwrap();
        let text = came.customer.to_string();
        assert!(!bytes.windows(text.len()).any(|part| part == text.as_bytes()));
        assert_eq!(rows.decode(&key, &bytes).unwrap(), came.clone().into());
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert_ne!(rows.decode(&key, &changed).ok(), Some(came.clone().into()), "byte {at}");
            assert!(rows.decode(&key, &bytes[..at]).is_err(), "cut at {at}");
        }
        let keys = rows.persons().unwrap().without_month(came.month()).unwrap();
        rows.set_persons(keys);
        assert_eq!(rows.decode(&key, &bytes).unwrap(), came.clone().of_nobody().into());
        assert_eq!(rows.encode(&came.into()).unwrap(), plain);
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
