//! A card in one line of the processor's cache, with all that is asked of its customer.
//!
//! Among a million cards a lookup waits for memory and for little else: a line that comes from there takes
//! longer than everything that is done with it. So what many have in common stands here once and is numbered,
//! and what does not fit stands elsewhere.

use std::collections::HashMap;
use std::hash::Hash;

use rfid_core::{Name, TagId, TagIdKind, TagIdRef};

use crate::record::{AllowedBranches, Bearer, Card, CardId, CardState, CustomerId, LocalDate, StaffId};
use crate::store::Stored;

/// Bytes of an EPC of 96 bits.
const EPC: usize = 12;
/// Bytes of the longer UID that nearly all 13.56 MHz chips have.
const UID: usize = 7;

/// A card.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub(super) struct Line {
    pub(super) card: CardId,
    pub(super) customer: CustomerId,
    face: Face,
    version: u16,
    terms: u16,
    bearer: Standing,
    bearer_version: u16,
    manager: u16,
    class: u8,
}

// A place that is free says so without a byte of its own.
const _: () = assert!(size_of::<Option<Line>>() == 64);

/// What else there is of the card.
#[derive(Clone, Copy)]
enum Face {
    Here {
        epc: [u8; EPC],
        uid: [u8; UID],
        /// Length of the EPC in the upper half and of the UID in the lower; 0 of one that it does not bear.
        lengths: u8,
        state: CardState,
    },
    /// It does not fit. Its place goes by this hash.
    Elsewhere([u8; 4]),
}

/// Where what is known of the customer stands.
#[derive(Clone, Copy)]
enum Standing {
    Unknown,
    Here { agrees: bool, closed: bool },
    Elsewhere,
}

/// What is known of a customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) version: u32,
    class: u32,
    manager: u32,
    agrees: bool,
    closed: bool,
}

/// What a line says of the customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    Unknown,
    Here(Known),
    Elsewhere,
}

/// Where and when a card may be used.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Terms {
    from: LocalDate,
    until: LocalDate,
    branches: AllowedBranches,
}

/// Values that many have, each once, numbered as they came.
struct Numbered<T> {
    values: Vec<T>,
    numbers: HashMap<T, u32>,
}

impl<T> Default for Numbered<T> {
    fn default() -> Self {
        Self { values: Vec::new(), numbers: HashMap::new() }
    }
}

impl<T: Clone + Eq + Hash> Numbered<T> {
    /// The number of a value; `None` of a new one that would have more than `most`.
    fn number(&mut self, value: &T, most: u32) -> Option<u32> {
        if let Some(number) = self.numbers.get(value) {
            return Some(*number);
        }
        let number = u32::try_from(self.values.len()).ok().filter(|number| *number <= most)?;
        self.values.push(value.clone());
        self.numbers.insert(value.clone(), number);
        Some(number)
    }

    fn get(&self, number: impl Into<u32>) -> Option<&T> {
        self.values.get(number.into() as usize)
    }
}

/// What cards and customers have in common.
#[derive(Default)]
pub(super) struct Common {
    terms: Numbered<Terms>,
    classes: Numbered<Name>,
    managers: Numbered<StaffId>,
}

impl Common {
    /// No member of staff.
    const NOBODY: u32 = u32::MAX;

    pub(super) fn known(&mut self, version: u32, bearer: &Bearer) -> Known {
        let manager = bearer.account_manager.and_then(|id| self.managers.number(&id, Self::NOBODY - 1));
        Known {
            version,
            // Of neither are there as many as numbers.
            class: self.classes.number(&bearer.vip_class, u32::MAX).unwrap_or(u32::MAX),
            manager: manager.unwrap_or(Self::NOBODY),
            agrees: bearer.agrees,
            closed: bearer.closed,
        }
    }

    pub(super) fn bearer(&self, id: CustomerId, known: Known) -> Option<Stored<Bearer>> {
        let record = Bearer {
            id,
            vip_class: self.classes.get(known.class)?.clone(),
            account_manager: self.managers.get(known.manager).copied(),
            agrees: known.agrees,
            closed: known.closed,
        };
        Some(Stored { version: known.version, record })
    }
}

/// The tag by which a card is found first: its EPC, if it has one.
pub(super) fn first_tag(card: &Card) -> Option<TagId> {
    card.tags().find(|tag| tag.kind().is_epc()).or_else(|| card.tags().next())
}

/// Bytes of a tag of this kind, and how many, if there are no more than there is room for.
fn fitting<const ROOM: usize>(tag: Option<TagId>, kind: TagIdKind) -> Option<([u8; ROOM], u8)> {
    let mut room = [0; ROOM];
    let Some(tag) = tag else { return Some((room, 0)) };
    room.get_mut(..tag.bytes().len())?.copy_from_slice(tag.bytes());
    (tag.kind() == kind).then_some((room, u8::try_from(tag.bytes().len()).ok()?))
}

impl Line {
    /// Manager of a customer who has none.
    const NOBODY: u16 = u16::MAX;

    /// That of a card of which nothing is too long, too large or too rare.
    pub(super) fn of(version: u32, card: &Card, common: &mut Common) -> Option<Self> {
        let (epc, epc_length) = fitting(card.epc, TagIdKind::Epc)?;
        let (uid, uid_length) = fitting(card.uid, TagIdKind::Iso14443Uid)?;
        if card.replaced_by.is_some() || card.plastic.is_some() {
            return None;
        }
        let version = u16::try_from(version).ok()?;
        let branches = card.branches.clone();
        let terms = Terms { from: card.valid_from, until: card.valid_until, branches };
        let terms = u16::try_from(common.terms.number(&terms, u16::MAX.into())?).ok()?;
        let face = Face::Here { epc, uid, lengths: epc_length << 4 | uid_length, state: card.state };
        Some(Self { face, version, terms, ..Self::elsewhere(card, 0) })
    }

    /// That of a card which stands elsewhere.
    pub(super) fn elsewhere(card: &Card, hash: u32) -> Self {
        Self {
            card: card.id,
            customer: card.customer,
            face: Face::Elsewhere(hash.to_be_bytes()),
            version: 0,
            terms: 0,
            bearer: Standing::Unknown,
            bearer_version: 0,
            manager: Self::NOBODY,
            class: 0,
        }
    }

    /// EPC and UID.
    fn tags(&self) -> Option<[TagIdRef<'_>; 2]> {
        let Face::Here { epc, uid, lengths, .. } = &self.face else { return None };
        let (epc, uid) = (epc.get(..usize::from(lengths >> 4))?, uid.get(..usize::from(lengths & 15))?);
        let [epc_kind, uid_kind] = [TagIdKind::Epc, TagIdKind::Iso14443Uid];
        Some([TagIdRef { kind: epc_kind, bytes: epc }, TagIdRef { kind: uid_kind, bytes: uid }])
    }

    /// The tag by which it is found first, or the hash of that if the card stands elsewhere.
    pub(super) fn first_tag(&self) -> Result<TagIdRef<'_>, u32> {
        match (self.face, self.tags()) {
            (Face::Elsewhere(hash), _) => Err(u32::from_be_bytes(hash)),
            (_, Some([epc, uid])) if epc.bytes.is_empty() => Ok(uid),
            (_, Some([epc, _])) => Ok(epc),
            // No length is more than there is room for.
            (_, None) => Err(0),
        }
    }

    /// Whether the card bears a tag; the hash of the first one if it stands elsewhere.
    pub(super) fn bears(&self, tag: &TagId) -> Result<bool, u32> {
        let (epc, uid, lengths) = match &self.face {
            Face::Here { epc, uid, lengths, .. } => (epc, uid, lengths),
            Face::Elsewhere(hash) => return Err(u32::from_be_bytes(*hash)),
        };
        // As arrays: whatever compares slices may read ahead into the next line.
        Ok(match tag.kind() {
            kind @ TagIdKind::Epc => fitting(Some(*tag), kind) == Some((*epc, lengths >> 4)),
            kind @ TagIdKind::Iso14443Uid => fitting(Some(*tag), kind) == Some((*uid, lengths & 15)),
            _ => false,
        })
    }

    /// The card, unless it stands elsewhere.
    pub(super) fn card(&self, common: &Common) -> Option<Stored<Card>> {
        let Face::Here { state, .. } = self.face else { return None };
        // None is empty but one that it does not bear.
        let [epc, uid] = self.tags()?.map(|tag| TagId::new(tag.kind, tag.bytes).ok());
        let Terms { from, until, branches } = common.terms.get(self.terms)?;
        let record = Card {
            id: self.card,
            customer: self.customer,
            epc,
            uid,
            state,
            valid_from: *from,
            valid_until: *until,
            branches: branches.clone(),
            replaced_by: None,
            plastic: None,
        };
        Some(Stored { version: self.version.into(), record })
    }

    /// Notes what is known of the customer, and says whether it fits.
    pub(super) fn note(&mut self, known: Option<Known>) -> bool {
        let Some(Known { version, class, manager, agrees, closed }) = known else {
            self.bearer = Standing::Unknown;
            return true;
        };
        let manager = match manager {
            Common::NOBODY => Some(Self::NOBODY),
            manager => u16::try_from(manager).ok().filter(|manager| *manager != Self::NOBODY),
        };
        let (Some(manager), Ok(class), Ok(version)) = (manager, u8::try_from(class), u16::try_from(version))
        else {
            self.bearer = Standing::Elsewhere;
            return false;
        };
        self.bearer = Standing::Here { agrees, closed };
        (self.bearer_version, self.manager, self.class) = (version, manager, class);
        true
    }

    /// What it says of the customer.
    pub(super) fn said(&self) -> Said {
        match self.bearer {
            Standing::Unknown => Said::Unknown,
            Standing::Elsewhere => Said::Elsewhere,
            Standing::Here { agrees, closed } => {
                let manager = if self.manager == Self::NOBODY { Common::NOBODY } else { self.manager.into() };
                let (version, class) = (self.bearer_version.into(), self.class.into());
                Said::Here(Known { version, class, manager, agrees, closed })
            }
        }
    }
}
