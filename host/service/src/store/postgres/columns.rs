//! What a transaction writes, table by table, each in one statement.

use rfid_core::Result;
use sqlx::postgres::PgConnection;

use super::changing::{Net, kind_number, nanos};
use crate::record::{Act, Key, Outcome, Record, Visit};
use crate::seal::Blind;
use crate::store::Rows;
use crate::store::plan::{self, Written};

/// What happened.
#[derive(Default)]
pub(super) struct PastColumns {
    kinds: Vec<i16>,
    keys: Vec<Vec<u8>>,
    versions: Vec<i32>,
    commits: Vec<i64>,
    origins: Vec<Vec<u8>>,
    bodies: Vec<Option<Vec<u8>>>,
}

impl PastColumns {
    pub(super) fn push(&mut self, commit: i64, origin: &[u8], written: &Written) {
        self.kinds.push(kind_number(written.key.kind()));
        self.keys.push(written.key.to_bytes());
        self.versions.push(number_of(written.version));
        self.commits.push(commit);
        self.origins.push(origin.to_vec());
        self.bodies.push(written.bytes.clone());
    }

    pub(super) async fn write(self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        sqlx::query(
            "insert into past (kind, key, version, commit, origin, body) select * from \
             unnest($1::smallint[], $2::bytea[], $3::integer[], $4::bigint[], $5::bytea[], $6::bytea[])",
        )
        .bind(self.kinds)
        .bind(self.keys)
        .bind(self.versions)
        .bind(self.commits)
        .bind(self.origins)
        .bind(self.bodies)
        .execute(connection)
        .await
        .map(drop)
    }
}

/// A version as the database has it. None ever comes near the end of either.
fn number_of(version: u32) -> i32 {
    i32::try_from(version).unwrap_or(i32::MAX)
}

/// What led to records and leads to them now.
#[derive(Default)]
pub(super) struct Uniques {
    freed: Vec<Vec<u8>>,
    blinds: Vec<Vec<u8>>,
    kinds: Vec<i16>,
    keys: Vec<Vec<u8>>,
    lost_numbers: Vec<Vec<u8>>,
    lost_customers: Vec<Vec<u8>>,
    new_numbers: Vec<Vec<u8>>,
    new_customers: Vec<Vec<u8>>,
}

impl Uniques {
    pub(super) fn note(&mut self, rows: &Rows, key: &Key, net: &Net) {
        let after = net.after.as_ref().zip(net.written.bytes.as_deref());
        let of = |content: Option<(&Record, &[u8])>| {
            content.map_or(Vec::new(), |(record, bytes)| plan::blinds(rows, record, bytes))
        };
        let first = net.first.as_ref().map(|(record, bytes)| (record, bytes.as_slice()));
        let (before, now) = (of(first), of(after));
        let bytes = |blind: &Blind| blind.to_bytes().to_vec();
        self.freed.extend(before.iter().filter(|blind| !now.contains(blind)).map(bytes));
        for blind in now.iter().filter(|blind| !before.contains(blind)) {
            self.blinds.push(bytes(blind));
            self.kinds.push(kind_number(key.kind()));
            self.keys.push(key.to_bytes());
        }
        let number = |content: Option<(&Record, &[u8])>| {
            content.and_then(|(record, bytes)| rows.hide_id_number_beside(bytes, record))
        };
        let (before, now) = (number(first), number(after));
        if before == now {
            return;
        }
        if let Some(blind) = before {
            self.lost_numbers.push(bytes(&blind));
            self.lost_customers.push(key.to_bytes());
        }
        if let Some(blind) = now {
            self.new_numbers.push(bytes(&blind));
            self.new_customers.push(key.to_bytes());
        }
    }

    pub(super) async fn write(self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        if !self.freed.is_empty() {
            sqlx::query("delete from unique_value where blind = any($1)")
                .bind(self.freed)
                .execute(&mut *connection)
                .await?;
        }
        if !self.blinds.is_empty() {
            sqlx::query(
                "insert into unique_value (blind, kind, key) \
                 select * from unnest($1::bytea[], $2::smallint[], $3::bytea[])",
            )
            .bind(self.blinds)
            .bind(self.kinds)
            .bind(self.keys)
            .execute(&mut *connection)
            .await?;
        }
        if !self.lost_numbers.is_empty() {
            sqlx::query(
                "delete from id_number where (blind, customer) in \
                 (select * from unnest($1::bytea[], $2::bytea[]))",
            )
            .bind(self.lost_numbers)
            .bind(self.lost_customers)
            .execute(&mut *connection)
            .await?;
        }
        if !self.new_numbers.is_empty() {
            sqlx::query(
                "insert into id_number (blind, customer) select * from unnest($1::bytea[], $2::bytea[])",
            )
            .bind(self.new_numbers)
            .bind(self.new_customers)
            .execute(connection)
            .await?;
        }
        Ok(())
    }
}

/// Records as they are, but for visits.
#[derive(Default)]
pub(super) struct RecordColumns {
    kinds: Vec<i16>,
    keys: Vec<Vec<u8>>,
    versions: Vec<i32>,
    bodies: Vec<Option<Vec<u8>>>,
    owners: Vec<Option<Vec<u8>>>,
    times: Vec<Option<i64>>,
    branches: Vec<Option<String>>,
    are_open: Vec<bool>,
}

impl RecordColumns {
    pub(super) fn push(&mut self, key: &Key, net: &Net) -> Result<()> {
        let timed = net.after.as_ref().and_then(Record::timed);
        let owner = match &net.after {
            Some(Record::Card(card)) => Some(card.customer.to_bytes().to_vec()),
            _ => timed.as_ref().map(|timed| timed.of.to_bytes()),
        };
        self.kinds.push(kind_number(key.kind()));
        self.keys.push(key.to_bytes());
        self.versions.push(number_of(net.written.version));
        self.bodies.push(net.written.bytes.clone());
        self.owners.push(owner);
        self.times.push(timed.as_ref().map(|timed| nanos(timed.at)).transpose()?);
        self.are_open.push(timed.as_ref().is_some_and(|timed| timed.is_open));
        self.branches.push(timed.map(|timed| timed.branch.to_string()));
        Ok(())
    }

    pub(super) async fn write(self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        if self.keys.is_empty() {
            return Ok(());
        }
        sqlx::query(
            "insert into record (kind, key, version, body, owner, at, branch, is_open) select * from \
             unnest($1::smallint[], $2::bytea[], $3::integer[], $4::bytea[], $5::bytea[], $6::bigint[], \
             $7::text[], $8::boolean[]) \
             on conflict (kind, key) do update set version = excluded.version, body = excluded.body, \
             owner = excluded.owner, at = excluded.at, branch = excluded.branch, is_open = excluded.is_open",
        )
        .bind(self.kinds)
        .bind(self.keys)
        .bind(self.versions)
        .bind(self.bodies)
        .bind(self.owners)
        .bind(self.times)
        .bind(self.branches)
        .bind(self.are_open)
        .execute(connection)
        .await
        .map(drop)
    }
}

/// Visits as they are.
#[derive(Default)]
pub(super) struct VisitColumns {
    keys: Vec<Vec<u8>>,
    versions: Vec<i32>,
    bodies: Vec<Option<Vec<u8>>>,
    owners: Vec<Vec<u8>>,
    times: Vec<i64>,
    branches: Vec<String>,
    are_open: Vec<bool>,
    vip_classes: Vec<String>,
    account_managers: Vec<Option<Vec<u8>>>,
    refusals: Vec<Option<String>>,
    departures: Vec<Option<i64>>,
    greeted: Vec<Option<i64>>,
    greeted_by: Vec<Option<Vec<u8>>>,
    served: Vec<Option<i64>>,
    served_by: Vec<Option<Vec<u8>>>,
}

impl VisitColumns {
    pub(super) fn push(&mut self, key: &Key, net: &Net, visit: &Visit, at: i64) -> Result<()> {
        let when = |act: &Option<Act>| act.as_ref().map(|act| nanos(act.at)).transpose();
        let who = |act: &Option<Act>| act.as_ref().map(|act| act.by.to_bytes().to_vec());
        self.keys.push(key.to_bytes());
        self.versions.push(number_of(net.written.version));
        self.bodies.push(net.written.bytes.clone());
        self.owners.push(visit.customer.to_bytes().to_vec());
        self.times.push(at);
        self.branches.push(visit.branch.to_string());
        self.are_open.push(visit.departed_at.is_none() && net.after.is_some());
        self.vip_classes.push(visit.vip_class.to_string());
        self.account_managers.push(visit.account_manager.map(|staff| staff.to_bytes().to_vec()));
        self.refusals.push(match visit.outcome {
            Outcome::Recognised => None,
            Outcome::Refused(refusal) => Some(refusal.name().to_owned()),
        });
        self.departures.push(visit.departed_at.map(nanos).transpose()?);
        self.greeted.push(when(&visit.greeted)?);
        self.greeted_by.push(who(&visit.greeted));
        self.served.push(when(&visit.served)?);
        self.served_by.push(who(&visit.served));
        Ok(())
    }

    pub(super) async fn write(self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        if self.keys.is_empty() {
            return Ok(());
        }
        sqlx::query(
            "insert into visit (key, version, body, owner, at, branch, is_open, vip_class, \
             account_manager, refusal, departed, greeted, greeted_by, served, served_by) select * from \
             unnest($1::bytea[], $2::integer[], $3::bytea[], $4::bytea[], $5::bigint[], $6::text[], \
             $7::boolean[], $8::text[], $9::bytea[], $10::text[], $11::bigint[], $12::bigint[], \
             $13::bytea[], $14::bigint[], $15::bytea[]) \
             on conflict (key, at) do update set version = excluded.version, body = excluded.body, \
             owner = excluded.owner, branch = excluded.branch, is_open = excluded.is_open, \
             vip_class = excluded.vip_class, account_manager = excluded.account_manager, \
             refusal = excluded.refusal, departed = excluded.departed, greeted = excluded.greeted, \
             greeted_by = excluded.greeted_by, served = excluded.served, served_by = excluded.served_by",
        )
        .bind(self.keys)
        .bind(self.versions)
        .bind(self.bodies)
        .bind(self.owners)
        .bind(self.times)
        .bind(self.branches)
        .bind(self.are_open)
        .bind(self.vip_classes)
        .bind(self.account_managers)
        .bind(self.refusals)
        .bind(self.departures)
        .bind(self.greeted)
        .bind(self.greeted_by)
        .bind(self.served)
        .bind(self.served_by)
        .execute(connection)
        .await
        .map(drop)
    }
}
