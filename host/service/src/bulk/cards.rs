//! Cards from CSV: those that come encoded from a factory.

use std::collections::HashSet;
use std::path::Path;

use async_trait::async_trait;
use rfid_core::{Error, ErrorKind, Result, TagId};

use super::customers::there;
use super::table::{Column, Row, Table};
use super::{Faults, ImportFault, Progress, filled, origin};
use crate::record::{CardId, CardState, CustomerId, LocalDate, Record, Unique};
use crate::rights::Action;
use crate::service::cards::check_card;
use crate::service::{Caller, CardDraft, FieldFault, Service};
use crate::store::Supply;

/// Columns of a file of cards, each with its Chinese name.
pub const CARD_COLUMNS: &[Column] = &[
    ("customer_number", "客户号"),
    ("epc_hex", "EPC"),
    ("uid_hex", "UID"),
    ("valid_from", "生效日期"),
    ("valid_until", "失效日期"),
    ("branches", "可用网点"),
    ("state", "状态"),
];

const NEEDED: &[&str] = &["customer_number", "valid_from", "valid_until"];

pub(super) async fn import(
    service: &Service,
    caller: &Caller,
    file: &Path,
    dry_run: bool,
    mut progress: impl FnMut(Progress) + Send,
) -> Result<u64, ImportFault> {
    service.may_import(caller, Action::RequestCards).await?;
    let branches: HashSet<String> = match service.branches(caller).await {
        Ok(branches) => branches
            .into_iter()
            .filter(|stored| !stored.record.closed)
            .map(|stored| stored.record.code.to_string())
            .collect(),
        Err(fault) => {
            return Err(ImportFault::File(
                Error::new(ErrorKind::Io, "import").with_detail(fault.to_string()),
            ));
        }
    };
    let mut faults = Faults::default();
    let mut tags: HashSet<TagId> = HashSet::new();
    let mut count = 0;
    let mut table = Table::open(file, CARD_COLUMNS, NEEDED)?;
    while let Some(portion) = table.next().await? {
        portion.wrong.into_iter().for_each(|(line, what)| faults.add(line, what));
        for row in &portion.rows {
            count += 1;
            let mut wrong = Vec::new();
            if let Some((draft, state)) = draft(row, &mut wrong) {
                // The ids are made when it is taken in.
                let nobody = (CardId::from_bytes([0; 16]), CustomerId::from_bytes([0; 16]));
                let card = check_card(&draft, nobody.0, nobody.1, state, &mut wrong);
                for tag in card.iter().flat_map(|card| card.tags()) {
                    let field = Unique::CardTag(tag).field();
                    if !tags.insert(tag) {
                        wrong.push(FieldFault::new(field, "stands in this file twice"));
                    } else if service.store().find(&Unique::CardTag(tag)).await?.is_some() {
                        wrong.push(FieldFault::new(field, "is on another card already"));
                    }
                }
                if draft.branches.iter().flatten().any(|code| !branches.contains(code)) {
                    wrong.push(FieldFault::new("branches", "there is no such branch"));
                }
            }
            if customer(service, row).await?.is_none() {
                wrong.push(FieldFault::new("customer_number", "there is no such customer"));
            }
            faults.add_all(row.line, wrong);
        }
        progress(Progress::Checking(portion.done, portion.of));
    }
    drop(tags);
    faults.end()?;
    if dry_run {
        return Ok(count);
    }
    let table = Table::open(file, CARD_COLUMNS, NEEDED)?;
    let mut supply = Cards { service, table, progress };
    service.note_import(caller, "card.import", count).await?;
    service.store().load(origin(service, caller), &mut supply).await.map_err(ImportFault::Store)
}

async fn customer(service: &Service, row: &Row) -> Result<Option<CustomerId>> {
    there(service.known_customer(row.get("customer_number").trim()).await)
}

/// States in which a card can come from elsewhere. What is destroyed with two names is so here.
fn imported() -> impl Iterator<Item = CardState> {
    CardState::ALL.into_iter().filter(|state| !matches!(state, CardState::Spoilt | CardState::Destroyed))
}

/// A card from a row, and its state.
fn draft(row: &Row, wrong: &mut Vec<FieldFault>) -> Option<(CardDraft, CardState)> {
    let mut day = |column: &'static str| match row.get(column).trim().parse::<LocalDate>() {
        Ok(day) => Some(day),
        Err(what) => {
            wrong.push(FieldFault::new(column, what));
            None
        }
    };
    let (valid_from, valid_until) = (day("valid_from"), day("valid_until"));
    let state = match filled(row, "state") {
        None => Some(CardState::Active),
        Some(text) => imported().find(|state| state.name() == text),
    };
    if state.is_none() {
        let names: Vec<&str> = imported().map(CardState::name).collect();
        wrong.push(FieldFault::new("state", format!("is one of {}", names.join(", "))));
    }
    let branches = filled(row, "branches")
        .map(|text| text.split([';', '；']).map(|code| code.trim().to_owned()).collect::<Vec<_>>());
    let draft = CardDraft {
        epc_hex: filled(row, "epc_hex"),
        uid_hex: filled(row, "uid_hex"),
        valid_from: valid_from?,
        valid_until: valid_until?,
        branches,
    };
    Some((draft, state?))
}

/// The cards of a file in which everything was in order.
struct Cards<'a, P> {
    service: &'a Service,
    table: Table,
    progress: P,
}

#[async_trait]
impl<P: FnMut(Progress) + Send> Supply for Cards<'_, P> {
    async fn next(&mut self) -> Result<Option<Vec<Record>>> {
        let Some(portion) = self.table.next().await? else { return Ok(None) };
        let mut records = Vec::with_capacity(portion.rows.len());
        for row in &portion.rows {
            let mut wrong = Vec::new();
            let customer = customer(self.service, row).await?;
            let id = CardId::from_bytes(self.service.new_id()?);
            let card = draft(row, &mut wrong)
                .zip(customer)
                .and_then(|((draft, state), customer)| check_card(&draft, id, customer, state, &mut wrong));
            let Some(card) = card else {
                let detail = format!("line {}: the file or the customers have changed meanwhile", row.line);
                return Err(Error::new(ErrorKind::Config, "import").with_detail(detail));
            };
            records.push(card.into());
        }
        (self.progress)(Progress::Taking(portion.done, portion.of));
        Ok(Some(records))
    }
}
