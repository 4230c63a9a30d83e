//! Customers from CSV.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use async_trait::async_trait;
use rfid_core::{Error, ErrorKind, Result};

use super::table::{Column, Row, Table};
use super::{Faults, ImportFault, Progress, filled, origin};
use crate::record::{Consent, CustomerId, Number, Record, StaffId, Unique};
use crate::rights::Action;
use crate::service::customers::{check_customer, finish};
use crate::service::{Caller, ConsentDraft, CustomerDraft, Fault, FieldFault, Service};
use crate::store::Supply;

/// Columns of a file of customers, each with its Chinese name.
pub const CUSTOMER_COLUMNS: &[Column] = &[
    ("customer_number", "客户号"),
    ("name", "姓名"),
    ("id_number", "身份证号"),
    ("employer", "工作单位"),
    ("vip_class", "VIP等级"),
    ("usual_business", "常办业务"),
    ("branch", "网点"),
    ("account_manager", "客户经理"),
    ("notes", "备注"),
    ("consent", "识别同意"),
];

const NEEDED: &[&str] = &["customer_number", "name", "vip_class", "branch"];

pub(super) async fn import(
    service: &Service,
    caller: &Caller,
    file: &Path,
    dry_run: bool,
    mut progress: impl FnMut(Progress) + Send,
) -> Result<u64, ImportFault> {
    service.may_import(caller, Action::ChangeCustomers).await?;
    let mut known = Known::default();
    let mut faults = Faults::default();
    let mut numbers: HashSet<Number> = HashSet::new();
    let mut count = 0;
    let mut table = Table::open(file, CUSTOMER_COLUMNS, NEEDED)?;
    while let Some(portion) = table.next().await? {
        portion.wrong.into_iter().for_each(|(line, what)| faults.add(line, what));
        for row in &portion.rows {
            count += 1;
            let (draft, mut wrong) = draft(row);
            let checked = check_customer(&draft, &mut wrong);
            known.check(service, caller, &draft, &mut wrong).await?;
            if let Some((number, _)) = checked {
                if !numbers.insert(number.clone()) {
                    wrong.push(FieldFault::new("customer_number", "stands in this file twice"));
                } else if service.store().find(&Unique::CustomerNumber(number)).await?.is_some() {
                    wrong.push(FieldFault::new("customer_number", "there is such a customer already"));
                }
            }
            faults.add_all(row.line, wrong);
        }
        progress(Progress::Checking(portion.done, portion.of));
    }
    drop(numbers);
    faults.end()?;
    if dry_run {
        return Ok(count);
    }
    let table = Table::open(file, CUSTOMER_COLUMNS, NEEDED)?;
    let mut supply = Customers { service, caller, table, known, progress };
    service.note_import(caller, "customer.import", count).await?;
    service.store().load(origin(service, caller), &mut supply).await.map_err(ImportFault::Store)
}

/// A customer from a row; what is wrong with the words that only a file has.
fn draft(row: &Row) -> (CustomerDraft, Vec<FieldFault>) {
    let mut wrong = Vec::new();
    let consent = match row.get("consent").trim() {
        "" | "not_asked" | "未询问" => ConsentDraft::NotAsked,
        "given" | "是" | "同意" => ConsentDraft::Given,
        "opted_out" | "否" | "不同意" => ConsentDraft::OptedOut,
        _ => {
            wrong.push(FieldFault::new("consent", "is given (是), opted_out (否) or empty"));
            ConsentDraft::NotAsked
        }
    };
    let text = |column| row.get(column).trim();
    let draft = CustomerDraft {
        customer_number: text("customer_number").into(),
        name: text("name").into(),
        id_number: filled(row, "id_number").map(Into::into),
        employer: text("employer").into(),
        vip_class: text("vip_class").to_owned(),
        usual_business: text("usual_business").into(),
        branch: text("branch").to_owned(),
        account_manager: filled(row, "account_manager"),
        notes: text("notes").into(),
        consent,
    };
    (draft, wrong)
}

/// Branches and staff that were asked for once.
#[derive(Default)]
struct Known {
    branches: HashMap<String, bool>,
    staff: HashMap<String, Option<StaffId>>,
}

impl Known {
    async fn check(
        &mut self,
        service: &Service,
        caller: &Caller,
        draft: &CustomerDraft,
        wrong: &mut Vec<FieldFault>,
    ) -> Result<()> {
        if !self.branches.contains_key(&draft.branch) {
            let is_there = there(service.branch(caller, &draft.branch).await)?.is_some();
            self.branches.insert(draft.branch.clone(), is_there);
        }
        if self.branches.get(&draft.branch) != Some(&true) {
            wrong.push(FieldFault::new("branch", "there is no such branch"));
        }
        if let Some(number) = &draft.account_manager {
            if !self.staff.contains_key(number) {
                let staff = there(service.staff_of_number(caller, number).await)?;
                self.staff.insert(number.clone(), staff.map(|staff| staff.record.id));
            }
            if self.staff.get(number).is_none_or(Option::is_none) {
                wrong.push(FieldFault::new("account_manager", "nobody has this staff number"));
            }
        }
        Ok(())
    }
}

/// What is there, if it is.
pub(super) fn there<T>(found: Result<T, Fault>) -> Result<Option<T>> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(Fault::NotFound(_)) => Ok(None),
        Err(Fault::Store(error)) => Err(error),
        Err(other) => Err(Error::new(ErrorKind::Denied, "import").with_detail(other.to_string())),
    }
}

/// The customers of a file in which everything was in order.
struct Customers<'a, P> {
    service: &'a Service,
    caller: &'a Caller,
    table: Table,
    known: Known,
    progress: P,
}

#[async_trait]
impl<P: FnMut(Progress) + Send> Supply for Customers<'_, P> {
    async fn next(&mut self) -> Result<Option<Vec<Record>>> {
        let Some(portion) = self.table.next().await? else { return Ok(None) };
        let mut records = Vec::with_capacity(portion.rows.len());
        for row in &portion.rows {
            let (draft, mut wrong) = draft(row);
            let checked = check_customer(&draft, &mut wrong);
            self.known.check(self.service, self.caller, &draft, &mut wrong).await?;
            let Some((number, id_number)) = checked.filter(|_| wrong.is_empty()) else {
                let detail = format!("line {}: the file has changed while it was imported", row.line);
                return Err(Error::new(ErrorKind::Config, "import").with_detail(detail));
            };
            let manager = draft.account_manager.as_ref().and_then(|number| *self.known.staff.get(number)?);
            let at = self.service.now();
            let consent = match draft.consent {
                ConsentDraft::NotAsked => Consent::NotAsked,
                ConsentDraft::Given => Consent::Given { at },
                ConsentDraft::OptedOut => Consent::OptedOut { at },
            };
            let id = CustomerId::from_bytes(self.service.new_id()?);
            records.push(finish(draft, id, number, id_number, manager, consent, None).into());
        }
        (self.progress)(Progress::Taking(portion.done, portion.of));
        Ok(Some(records))
    }
}
