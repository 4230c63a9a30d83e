//! An approved card onto plastic: encoded, read back, handed over.
//!
//! The number of a card is kept before it is written anywhere, so a host that ends half-way leaves a card
//! that says which number may stand on which chip. The same chip laid on again gets the same number;
//! another chip gets another number, and the one before is never used again. So no two chips ever bear
//! one number.

use rfid_core::epc::{Epc, Scheme};
use rfid_core::{Error, ErrorKind, TagId, TagIdKind};

use super::super::fault::Fault;
use super::super::grant::Mode;
use super::super::rule::Rule;
use super::super::{Caller, Service};
use super::desk::{CardDesk, DeskFault, DeskTrouble, EncodePlan, OnDesk, Steps};
use crate::randomness;
use crate::record::{
    Card, CardId, CardState, Hand, Key, Proposal, Record, Request, RequestId, RequestState, Unique,
};
use crate::rights::Action;
use crate::store::Stored;

/// Numbers that are tried until one is free: with eleven digits each try is free but for a chance of one in
/// a thousand, with a hundred million cards.
const TRIES: usize = 16;
/// Digits of a company prefix and a service reference together.
const DIGITS: usize = 17;

impl Service {
    /// Encodes the card of an approved request at a desk.
    ///
    /// # Errors
    /// `NotFound`, `Rule` where it is not approved, lapsed, or another card lies there that bears a
    /// number already; `Desk` where the card or a reader refuses, after which it can be tried again.
    pub async fn encode_card(
        &self,
        caller: &Caller,
        id: RequestId,
        desk: &str,
    ) -> Result<Stored<Request>, Fault> {
        self.encode_card_telling(caller, id, desk, &Steps::unheard()).await
    }

    pub(super) async fn encode_card_telling(
        &self,
        caller: &Caller,
        id: RequestId,
        desk: &str,
        steps: &Steps,
    ) -> Result<Stored<Request>, Fault> {
        let (request, card) = self.card_to_issue(caller, id, RequestState::Approved).await?;
        let lies = self.desk()?.look(desk, steps).await.map_err(Fault::Desk)?;
        let (request, card) = self.reserved(caller, request, card, &lies).await?;
        let epc = card.record.epc.ok_or_else(|| unreadable("the card has no EPC"))?;
        let plan = EncodePlan { uid: lies.uid, epc, number: number_of(&epc)? };
        let encoded = match self.desk()?.encode(desk, &plan, steps).await {
            Ok(encoded) => encoded,
            Err(fault) => {
                self.note_refusal(
                    caller,
                    "card.encode",
                    Some(&Key::Card(card.record.id)),
                    fault.error.kind().label(),
                )
                .await?;
                return Err(Fault::Desk(fault));
            }
        };
        if (encoded.epc, encoded.uid) != (plan.epc, plan.uid) || encoded.number.as_ref() != Some(&plan.number)
        {
            let detail = "what was read back is not what was written: lay the card on again, alone";
            let error = Error::new(ErrorKind::Protocol, "encode").with_detail(detail);
            return Err(Fault::Desk(DeskFault::new(DeskTrouble::NotAsWritten, error)));
        }
        let record = card.record.handled(Hand::of(&caller.actor));
        let (version, record) = (card.version, Card { state: CardState::Issued, ..record });
        let others = vec![Stored { version, record: Record::from(record) }];
        let next = Request {
            state: RequestState::Encoded,
            decided: Some(self.signature_of(&request, caller)),
            ..request.record
        };
        self.put_with(caller, "card.encode", next, request.version, others).await
    }

    /// Reads an encoded card at a desk, whose number must be the one that was written; from then on it may
    /// be used, and a card in whose place it comes may not.
    ///
    /// # Errors
    /// `NotFound`, `Rule` where it is another card; `Desk`; `Conflict`; `Store`.
    pub async fn verify_card(
        &self,
        caller: &Caller,
        id: RequestId,
        desk: &str,
    ) -> Result<Stored<Request>, Fault> {
        self.verify_card_telling(caller, id, desk, &Steps::unheard()).await
    }

    pub(super) async fn verify_card_telling(
        &self,
        caller: &Caller,
        id: RequestId,
        desk: &str,
        steps: &Steps,
    ) -> Result<Stored<Request>, Fault> {
        let (request, card) = self.card_to_issue(caller, id, RequestState::Encoded).await?;
        let lies = self.desk()?.look(desk, steps).await.map_err(Fault::Desk)?;
        let is_it = card.record.uid.is_none_or(|uid| uid == lies.uid)
            && card.record.epc.is_none_or(|epc| epc == lies.epc)
            && card.record.tags().next().is_some();
        if !is_it {
            self.note_refusal(caller, "card.verify", Some(&Key::Card(card.record.id)), "another card")
                .await?;
            return Err(Rule::AnotherCard.into());
        }
        let mut others = Vec::new();
        if let Proposal::IssueCard { replaces: Some(old), .. } = &request.record.proposal {
            let old: Stored<Card> = self.get(Key::Card(*old), "card").await?;
            if old.record.state.may_become(CardState::Replaced) {
                let replaced_by = Some(card.record.id);
                let record = Card { state: CardState::Replaced, replaced_by, ..old.record };
                others.push(Stored { version: old.version, record: Record::from(record) });
            }
        }
        // What may be used is not spoilt any more: who had it in hand stands in its history.
        let record = Card { state: CardState::Active, plastic: None, ..card.record };
        let version = card.version;
        others.push(Stored { version, record: Record::from(record) });
        let done = Request { state: RequestState::Done, ..request.record };
        self.put_with(caller, "card.verify", done, request.version, others).await
    }

    /// The request and its card, if the caller may bring it onto plastic and it is that far.
    pub(super) async fn card_to_issue(
        &self,
        caller: &Caller,
        id: RequestId,
        state: RequestState,
    ) -> Result<(Stored<Request>, Stored<Card>), Fault> {
        let may = self.may_as(caller, Action::EncodeCards, Mode::Do).await?;
        let found: Option<Stored<Request>> = self.find(Key::Request(id)).await?;
        let reached = found.filter(|request| may.in_branch(&request.record.branch).is_some());
        let Some(request) = reached else {
            return Err(self.nothing(caller, Action::EncodeCards, "request").await);
        };
        let Proposal::IssueCard { card, .. } = &request.record.proposal else {
            return Err(Rule::NoNewCard.into());
        };
        if request.record.state != state || self.has_lapsed(&request.record) {
            let has_lapsed = self.has_lapsed(&request.record);
            let rule = if has_lapsed { Rule::Lapsed } else { Rule::NotAtThisStep(request.record.state) };
            return Err(rule.into());
        }
        let card: Stored<Card> = self.get(Key::Card(*card), "card").await?;
        Ok((request, card))
    }

    /// The card with a number kept for what lies on the desk.
    async fn reserved(
        &self,
        caller: &Caller,
        request: Stored<Request>,
        card: Stored<Card>,
        lies: &OnDesk,
    ) -> Result<(Stored<Request>, Stored<Card>), Fault> {
        if card.record.uid == Some(lies.uid) && card.record.epc.is_some() {
            return Ok((request, card));
        }
        for tag in [lies.uid, lies.epc] {
            if self.store.find(&Unique::CardTag(tag)).await?.is_some() {
                return Err(Rule::CardTaken.into());
            }
        }
        let epc = self.free_epc().await?;
        if card.record.uid.is_none() {
            let reserved = Card { epc: Some(epc), uid: Some(lies.uid), ..card.record };
            let reserved = reserved.handled(Hand::of(&caller.actor));
            let card = self.put(caller, "card.reserve", reserved, card.version).await?;
            return Ok((request, card));
        }
        // Another chip than the one that the number was kept for: that one is spoilt, with its number.
        let (request, new) = self.spoilt(caller, request, card, Some((epc, lies.uid))).await?;
        Ok((request, new))
    }

    /// Gives up the card of a request that lay on a desk, and is not fit to be handed over: another one gets
    /// another number, and the plastic waits until somebody else has seen it destroyed.
    ///
    /// # Errors
    /// `NotFound`, `Rule` where the request is not that far, or its card never lay on a desk;
    /// `Conflict`; `Store`.
    pub async fn spoil_card(&self, caller: &Caller, id: RequestId) -> Result<Stored<Request>, Fault> {
        let encoded = self.card_to_issue(caller, id, RequestState::Encoded).await;
        let (request, card) = match encoded {
            Err(Fault::Rule(_)) => self.card_to_issue(caller, id, RequestState::Approved).await?,
            other => other?,
        };
        if card.record.plastic.is_none() {
            return Err(Rule::NeverOnDesk.into());
        }
        Ok(self.spoilt(caller, request, card, None).await?.0)
    }

    /// Puts a new card, with these numbers or without any yet, in the place of one that is spoilt.
    async fn spoilt(
        &self,
        caller: &Caller,
        request: Stored<Request>,
        card: Stored<Card>,
        numbers: Option<(TagId, TagId)>,
    ) -> Result<(Stored<Request>, Stored<Card>), Fault> {
        let Proposal::IssueCard { customer, draft, replaces, .. } = request.record.proposal.clone() else {
            return Err(Fault::NotFound("card"));
        };
        let id = CardId::from_bytes(self.new_id()?);
        let (epc, uid) = numbers.unzip();
        let state = CardState::Approved;
        let new = Card { id, epc, uid, state, replaced_by: None, plastic: None, ..card.record.clone() };
        let new = if uid.is_some() { new.handled(Hand::of(&caller.actor)) } else { new };
        let spoilt = Card { replaced_by: Some(id), ..card.record.given_up(self.signature(caller)) };
        let proposal = Proposal::IssueCard { customer, card: id, draft, replaces };
        let next = Request { proposal, state: RequestState::Approved, ..request.record };
        let others = vec![
            Stored { version: card.version, record: Record::from(spoilt) },
            Stored { version: 0, record: Record::from(new.clone()) },
        ];
        let request = self.put_with(caller, "card.spoilt", next, request.version, others).await?;
        Ok((request, Stored { version: 1, record: new }))
    }

    /// A GSRN-96 that no card bears (protocols/epc-tds.md): random, so that it says nothing.
    pub(super) async fn free_epc(&self) -> Result<TagId, Fault> {
        let prefix = &self.issuing.company_prefix;
        let digits = DIGITS.saturating_sub(prefix.len());
        for _ in 0..TRIES {
            let bytes: [u8; 8] = randomness::bytes(self.randomness.as_ref())?;
            let reference = u64::from_be_bytes(bytes) % 10u64.pow(u32::try_from(digits).unwrap_or(0));
            let parts = vec![prefix.clone(), format!("{reference:0digits$}")];
            let epc = Epc::new(Scheme::Gsrn96, 0, parts).map_err(|fault| {
                let detail = format!("issuing.company_prefix makes no EPC: {fault}");
                Error::new(ErrorKind::Config, "encode").with_detail(detail)
            })?;
            let tag = TagId::new(TagIdKind::Epc, epc.bits().bytes())
                .map_err(|_| unreadable("an EPC has a length that no tag has"))?;
            if self.store.find(&Unique::CardTag(tag)).await?.is_none() {
                return Ok(tag);
            }
        }
        Err(Fault::NotAllowed("no free number was found: the company prefix is nearly used up".to_owned()))
    }

    pub(super) fn desk(&self) -> Result<&dyn CardDesk, Fault> {
        self.desk.as_deref().ok_or(Fault::Rule(Rule::NoDesk))
    }

    /// The decision stands; from when a card is encoded its second limit runs.
    fn signature_of(&self, request: &Stored<Request>, caller: &Caller) -> crate::record::Signature {
        let now = self.signature(caller);
        match &request.record.decided {
            Some(decided) => crate::record::Signature { at: now.at, ..decided.clone() },
            None => now,
        }
    }
}

/// The number that stands in the chip: the digits of the EPC's GSRN without its check digit.
fn number_of(epc: &TagId) -> Result<String, Fault> {
    let decoded = Epc::decode(epc.bytes()).map_err(|_| unreadable("the card's EPC is none of ours"))?;
    let digits: String = decoded.parts().concat();
    let number: u64 = digits.parse().map_err(|_| unreadable("the card's EPC is none of ours"))?;
    Ok(number.to_string())
}

fn unreadable(what: &str) -> Fault {
    Error::new(ErrorKind::Damaged, "encode").with_detail(what.to_owned()).into()
}
