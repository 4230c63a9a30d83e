//! Everything that is asked.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use rfid_core::{Error, ErrorKind, Result, TagId};
use sqlx::Row as _;
use sqlx::postgres::{PgPool, PgRow};
use tokio::sync::mpsc;

use super::changing::{bound, key_of, kind_number, stray, version_of};
use super::connecting::{Condition, failed, to_its_end};
use crate::record::{
    Bearer, Card, Customer, CustomerId, IdNumber, Key, Kind, PhotoId, Record, Unique, Visit,
};
use crate::seal::Blind;
use crate::store::erasing::kept_version;
use crate::store::plan::Written;
use crate::store::{
    Among, Happened, Holder, LATEST_VISITS, Listing, Origin, Past, PhotoSize, Place, Rows, Stored,
};

/// Commits of the journal that are read at once, and ahead of whoever reads them.
const JOURNALED_AT_ONCE: i64 = 256;

/// A commit as it stands there.
struct Page {
    number: i64,
    origin: Origin,
    changes: Vec<Written>,
}

/// Reads the database.
#[derive(Clone)]
pub(super) struct Reading {
    pool: PgPool,
    rows: Rows,
    condition: Condition,
}

impl Reading {
    pub(super) fn new(pool: PgPool, rows: Rows, condition: Condition) -> Self {
        Self { pool, rows, condition }
    }

    pub(super) fn pool(&self) -> &PgPool {
        &self.pool
    }

    pub(super) fn rows(&self) -> &Rows {
        &self.rows
    }

    /// Asks, to the end.
    async fn ask<T, F>(&self, op: &'static str, question: impl FnOnce(Self) -> F) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let outcome = to_its_end(op, question(self.clone())).await;
        self.condition.note(&outcome);
        outcome
    }

    /// A record; none of somebody who was erased since it was read.
    fn stored(&self, key: &Key, version: i32, body: &[u8]) -> Result<Option<Stored>> {
        let version = version_of(version)?;
        Ok(self.rows.decode_kept(key, body)?.map(|record| Stored { version, record }))
    }

    /// The same of a row that begins with key, version and body.
    fn stored_in(&self, kind: Kind, row: &PgRow) -> Result<Option<Stored>> {
        let read = failed("get");
        let key = key_of(kind_number(kind), row.try_get(0).map_err(&read)?)?;
        self.stored(&key, row.try_get(1).map_err(&read)?, row.try_get(2).map_err(&read)?)
    }

    pub(super) async fn get(&self, keys: Vec<Key>) -> Result<Vec<Option<Stored>>> {
        self.ask("get", |this| async move {
            let (visits, others): (Vec<&Key>, Vec<&Key>) =
                keys.iter().partition(|key| key.kind() == Kind::Visit);
            let mut found = Vec::new();
            if !others.is_empty() {
                let rows = sqlx::query(
                    "select key, version, body, kind from record where body is not null \
                     and (kind, key) in (select * from unnest($1::smallint[], $2::bytea[]))",
                )
                .bind(others.iter().map(|key| kind_number(key.kind())).collect::<Vec<_>>())
                .bind(others.iter().map(|key| key.to_bytes()).collect::<Vec<_>>())
                .fetch_all(&this.pool)
                .await
                .map_err(failed("get"))?;
                for row in &rows {
                    let kind: i16 = row.try_get(3).map_err(failed("get"))?;
                    let key = key_of(kind, row.try_get(0).map_err(failed("get"))?)?;
                    found.extend(this.stored_in(key.kind(), row)?);
                }
            }
            if !visits.is_empty() {
                let rows = sqlx::query(
                    "select key, version, body from visit where body is not null and key = any($1)",
                )
                .bind(visits.iter().map(|key| key.to_bytes()).collect::<Vec<_>>())
                .fetch_all(&this.pool)
                .await
                .map_err(failed("get"))?;
                for row in &rows {
                    found.extend(this.stored_in(Kind::Visit, row)?);
                }
            }
            let by_key: std::collections::HashMap<Key, Stored> =
                found.into_iter().map(|stored| (stored.record.key(), stored)).collect();
            Ok(keys.iter().map(|key| by_key.get(key).cloned()).collect())
        })
        .await
    }

    pub(super) async fn find(&self, unique: &Unique) -> Result<Option<Stored>> {
        let blinds = bytes_of(self.rows.hidden(unique));
        self.ask("find", |this| async move {
            let row = sqlx::query(
                "select r.key, r.version, r.body, r.kind from unique_value u \
                 join record r on (r.kind, r.key) = (u.kind, u.key) \
                 where u.blind = any($1) and r.body is not null",
            )
            .bind(blinds)
            .fetch_optional(&this.pool)
            .await
            .map_err(failed("find"))?;
            let Some(row) = row else { return Ok(None) };
            let key =
                key_of(row.try_get(3).map_err(failed("find"))?, row.try_get(0).map_err(failed("find"))?)?;
            this.stored_in(key.kind(), &row)
        })
        .await
    }

    /// One question, whatever the number of tags.
    pub(super) async fn holders(&self, tags: &[TagId]) -> Result<Vec<Option<Holder>>> {
        let hidden: Vec<Vec<Vec<u8>>> =
            tags.iter().map(|tag| bytes_of(self.rows.hidden(&Unique::CardTag(*tag)))).collect();
        self.ask("find", |this| async move {
            let rows = sqlx::query(
                "select card.key, card.version, card.body, holder.key, holder.version, holder.body, u.blind \
                 from unique_value u \
                 join record card on card.kind = u.kind and card.key = u.key \
                 join record holder on holder.kind = 2 and holder.key = card.owner \
                 where u.blind = any($1) and u.kind = 3 and card.body is not null and holder.body is not null",
            )
            .bind(hidden.concat())
            .fetch_all(&this.pool)
            .await
            .map_err(failed("find"))?;
            let mut holders = Vec::new();
            for row in &rows {
                let read = failed("find");
                let Some(card) = this.stored_in(Kind::Card, row)? else { continue };
                let customer = key_of(kind_number(Kind::Customer), row.try_get(3).map_err(&read)?)?;
                let customer = this.stored(
                    &customer,
                    row.try_get(4).map_err(&read)?,
                    row.try_get(5).map_err(&read)?,
                )?;
                let Some(customer) = customer else { continue };
                let holder = card.typed().zip(customer.typed::<Customer>());
                let (card, Stored { version, record }) = holder.ok_or_else(|| stray("record"))?;
                let customer = Stored { version, record: Bearer::of(&record) };
                let blind: Vec<u8> = row.try_get(6).map_err(&read)?;
                holders.push((blind, Holder { card, customer }));
            }
            let holder = |blinds: &Vec<Vec<u8>>| {
                holders.iter().find(|(blind, _)| blinds.contains(blind)).map(|(_, holder)| holder.clone())
            };
            Ok(hidden.iter().map(holder).collect())
        })
        .await
    }

    pub(super) async fn customers_with_id_number(&self, number: &IdNumber) -> Result<Vec<Stored<Customer>>> {
        let blinds = bytes_of(self.rows.hidden_id_number(number));
        self.ask("find", |this| async move {
            let rows = sqlx::query(
                "select r.key, r.version, r.body from id_number i join record r on r.kind = 2 and \
                 r.key = i.customer where i.blind = any($1) and r.body is not null order by r.key",
            )
            .bind(blinds)
            .fetch_all(&this.pool)
            .await
            .map_err(failed("find"))?;
            this.typed_in(Kind::Customer, &rows)
        })
        .await
    }

    pub(super) async fn cards_of(&self, customer: CustomerId) -> Result<Vec<Stored<Card>>> {
        self.ask("find", |this| async move {
            let rows = sqlx::query(
                "select key, version, body from record where kind = 3 and owner = $1 and body is not null",
            )
            .bind(customer.to_bytes().to_vec())
            .fetch_all(&this.pool)
            .await
            .map_err(failed("find"))?;
            let mut cards: Vec<Stored<Card>> = this.typed_in(Kind::Card, &rows)?;
            cards.sort_by_key(|stored| std::cmp::Reverse((stored.record.valid_from, stored.record.id)));
            Ok(cards)
        })
        .await
    }

    /// One question, whatever the number of customers.
    pub(super) async fn visits_of(&self, customers: &[CustomerId]) -> Result<Vec<Arc<[Stored<Visit>]>>> {
        let asked: Vec<Vec<u8>> = customers.iter().map(|customer| customer.to_bytes().to_vec()).collect();
        let limit = i64::try_from(LATEST_VISITS).unwrap_or(i64::MAX);
        let visits: Vec<Stored<Visit>> = self
            .ask("list", |this| async move {
                let rows = sqlx::query(
                    "select latest.key, latest.version, latest.body \
                     from (select distinct unnest($1::bytea[]) as owner) as asked \
                     cross join lateral (select key, version, body, at from visit \
                     where owner = asked.owner and body is not null order by at desc, key desc limit $2) as latest \
                     order by latest.at desc, latest.key desc",
                )
                .bind(asked)
                .bind(limit)
                .fetch_all(&this.pool)
                .await
                .map_err(failed("list"))?;
                this.typed_in(Kind::Visit, &rows)
            })
            .await?;
        let mut of_each: HashMap<CustomerId, Vec<Stored<Visit>>> = HashMap::new();
        for visit in visits {
            of_each.entry(visit.record.customer).or_default().push(visit);
        }
        let latest = |customer| of_each.get(customer).map(|visits| visits.as_slice().into());
        Ok(customers.iter().map(|customer| latest(customer).unwrap_or_default()).collect())
    }

    fn typed_in<T: TryFrom<Record>>(&self, kind: Kind, rows: &[PgRow]) -> Result<Vec<Stored<T>>> {
        let typed = |stored: Stored| stored.typed().ok_or_else(|| stray("record"));
        let one = |row| self.stored_in(kind, row).transpose().map(|stored| stored.and_then(typed));
        rows.iter().filter_map(one).collect()
    }

    pub(super) async fn list(
        &self,
        listing: Listing,
        after: Option<Place>,
        limit: usize,
    ) -> Result<Vec<Stored>> {
        let sql = match (listing.kind, &listing.among) {
            (Kind::Visit, Among::All) => lists::VISITS,
            (Kind::Visit, Among::Branch(_)) => lists::VISITS_OF_BRANCH,
            (Kind::Visit, Among::Of(Key::Customer(_))) => lists::VISITS_OF_OWNER,
            (Kind::Visit, Among::Open) => lists::OPEN_VISITS,
            (Kind::Visit, Among::OpenIn(_)) => lists::OPEN_VISITS_OF_BRANCH,
            (Kind::Duty | Kind::Alarm | Kind::Request | Kind::Export, among) => match among {
                Among::All => lists::RECORDS,
                Among::Branch(_) => lists::RECORDS_OF_BRANCH,
                Among::Open => lists::OPEN_RECORDS,
                Among::OpenIn(_) => lists::OPEN_RECORDS_OF_BRANCH,
                Among::Of(of) => match (listing.kind, of) {
                    (Kind::Duty | Kind::Request | Kind::Export, Key::Staff(_))
                    | (Kind::Alarm, Key::Card(_))
                    | (Kind::Request, Key::Customer(_)) => lists::RECORDS_OF_OWNER,
                    _ => return Ok(Vec::new()),
                },
            },
            _ => return Ok(Vec::new()),
        };
        let (owner, branch) = match &listing.among {
            Among::All | Among::Open => (None, None),
            Among::Branch(branch) | Among::OpenIn(branch) => (None, Some(branch.to_string())),
            Among::Of(key) => (Some(key.to_bytes()), None),
        };
        let (behind_at, behind_key) = match &after {
            Some(place) => (bound(place.at), place.key.to_bytes()),
            // No key is as long, so this is behind everything at this time.
            None => (i64::MAX, vec![0xff; 300]),
        };
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.ask("list", |this| async move {
            let rows = sqlx::query(sql)
                .bind(kind_number(listing.kind))
                .bind(bound(listing.from))
                .bind(bound(listing.until))
                .bind(behind_at)
                .bind(behind_key)
                .bind(limit)
                .bind(owner)
                .bind(branch)
                .fetch_all(&this.pool)
                .await
                .map_err(failed("list"))?;
            rows.iter().filter_map(|row| this.stored_in(listing.kind, row).transpose()).collect()
        })
        .await
    }

    pub(super) async fn scan(&self, kind: Kind, after: Option<&Key>, limit: usize) -> Result<Vec<Stored>> {
        let behind = match after {
            Some(key) if key.kind() == kind => key.to_bytes(),
            Some(key) if key.kind() > kind => return Ok(Vec::new()),
            // Nothing has an empty key.
            _ => Vec::new(),
        };
        let sql = if kind == Kind::Visit {
            "select key, version, body from visit where body is not null and key > $1 and $3::smallint = 4 \
             order by key limit $2"
        } else {
            "select key, version, body from record where kind = $3 and body is not null and key > $1 \
             order by key limit $2"
        };
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.ask("scan", |this| async move {
            let rows = sqlx::query(sql)
                .bind(behind)
                .bind(limit)
                .bind(kind_number(kind))
                .fetch_all(&this.pool)
                .await
                .map_err(failed("scan"))?;
            rows.iter().filter_map(|row| this.stored_in(kind, row).transpose()).collect()
        })
        .await
    }

    pub(super) async fn count(&self, kind: Kind) -> Result<u64> {
        let sql = if kind == Kind::Visit {
            "select count(*) from visit where body is not null and $1::smallint = 4"
        } else {
            "select count(*) from record where kind = $1 and body is not null"
        };
        self.ask("count", |this| async move {
            let row = sqlx::query(sql)
                .bind(kind_number(kind))
                .fetch_one(&this.pool)
                .await
                .map_err(failed("count"))?;
            let count: i64 = row.try_get(0).map_err(failed("count"))?;
            u64::try_from(count).map_err(|_| stray("a count"))
        })
        .await
    }

    pub(super) async fn history(&self, key: Key, before: Option<u32>, limit: usize) -> Result<Vec<Past>> {
        let before = before.and_then(|version| i32::try_from(version).ok()).unwrap_or(i32::MAX);
        // One more, which holds what was before the last.
        let wanted = i64::try_from(limit.saturating_add(1)).unwrap_or(i64::MAX);
        self.ask("history", |this| async move {
            let rows = sqlx::query(
                "select version, origin, body from past where kind = $1 and key = $2 and version < $3 \
                 order by version desc limit $4",
            )
            .bind(kind_number(key.kind()))
            .bind(key.to_bytes())
            .bind(before)
            .bind(wanted)
            .fetch_all(&this.pool)
            .await
            .map_err(failed("history"))?;
            let mut read = Vec::new();
            for row in &rows {
                let told = failed("history");
                let origin = origin_of(row.try_get(1).map_err(&told)?)?;
                let body: Option<Vec<u8>> = row.try_get(2).map_err(&told)?;
                let record = match body {
                    Some(body) => match this.rows.decode_kept(&key, &body)? {
                        Some(record) => Some(record),
                        // A version of somebody who was erased.
                        None => continue,
                    },
                    None => None,
                };
                read.push((version_of(row.try_get(0).map_err(&told)?)?, origin, record));
            }
            Ok(Past::from_versions(read, limit))
        })
        .await
    }

    /// What is committed while it is read may be in it.
    pub(super) async fn journal(&self) -> Result<mpsc::Receiver<Result<Happened>>> {
        let (happened, receiver) = mpsc::channel(usize::try_from(JOURNALED_AT_ONCE).unwrap_or(1));
        let this = self.clone();
        tokio::spawn(async move {
            let (mut behind, mut forgotten) = (-1, HashSet::new());
            loop {
                let page = match this.journal_behind(behind).await {
                    Ok(page) => this.kept(page, &mut forgotten),
                    Err(error) => Err(error),
                };
                match page {
                    Ok(page) if page.is_empty() => return,
                    Ok(page) => {
                        for (number, commit) in page {
                            behind = number;
                            // All of it may have been of somebody who was erased.
                            if !commit.changes.is_empty() && happened.send(Ok(commit)).await.is_err() {
                                return;
                            }
                        }
                    }
                    Err(error) => {
                        // Nobody may be there any more who wants to know.
                        let _ = happened.send(Err(error)).await;
                        return;
                    }
                }
            }
        });
        Ok(receiver)
    }

    /// Commits as the journal tells them.
    fn kept(&self, page: Vec<Page>, forgotten: &mut HashSet<Key>) -> Result<Vec<(i64, Happened)>> {
        let mut version = |written| kept_version(&self.rows, written, forgotten).transpose();
        let commit = |Page { number, origin, changes }: Page| {
            let changes = changes.into_iter().filter_map(&mut version).collect::<Result<_>>()?;
            Ok((number, Happened { origin, changes }))
        };
        page.into_iter().map(commit).collect()
    }

    async fn journal_behind(&self, behind: i64) -> Result<Vec<Page>> {
        self.ask("journal", |this| async move {
            let rows = sqlx::query(
                "select commit, kind, key, version, origin, body from past where commit in \
                 (select distinct commit from past where commit > $1 order by commit limit $2) \
                 order by commit, kind, key, version",
            )
            .bind(behind)
            .bind(JOURNALED_AT_ONCE)
            .fetch_all(&this.pool)
            .await
            .map_err(failed("journal"))?;
            let mut page: Vec<Page> = Vec::new();
            for row in &rows {
                let told = failed("journal");
                let number: i64 = row.try_get(0).map_err(&told)?;
                let key = key_of(row.try_get(1).map_err(&told)?, row.try_get(2).map_err(&told)?)?;
                let version = version_of(row.try_get(3).map_err(&told)?)?;
                let written = Written { key, version, bytes: row.try_get(5).map_err(&told)? };
                match page.last_mut() {
                    Some(last) if last.number == number => last.changes.push(written),
                    _ => {
                        let origin = origin_of(row.try_get(4).map_err(&told)?)?;
                        page.push(Page { number, origin, changes: vec![written] });
                    }
                }
            }
            Ok(page)
        })
        .await
    }

    pub(super) async fn photo(&self, id: PhotoId, size: PhotoSize) -> Result<Option<Vec<u8>>> {
        let sql = match size {
            PhotoSize::Large => "select large from photo where id = $1",
            PhotoSize::Small => "select small from photo where id = $1",
        };
        self.ask("get photo", |this| async move {
            let row = sqlx::query(sql)
                .bind(id.to_bytes().to_vec())
                .fetch_optional(&this.pool)
                .await
                .map_err(failed("get photo"))?;
            let Some(row) = row else { return Ok(None) };
            let sealed: Vec<u8> = row.try_get(0).map_err(failed("get photo"))?;
            Ok(this.rows.open_photo(id, size, &sealed)?.map(|photo| photo.to_vec()))
        })
        .await
    }

    pub(super) async fn photos(&self, after: Option<PhotoId>, limit: usize) -> Result<Vec<PhotoId>> {
        let behind = after.map_or(Vec::new(), |id| id.to_bytes().to_vec());
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.ask("list photos", |this| async move {
            let rows = sqlx::query("select id from photo where id > $1 order by id limit $2")
                .bind(behind)
                .bind(limit)
                .fetch_all(&this.pool)
                .await
                .map_err(failed("list photos"))?;
            let id = |row: &PgRow| {
                let id: Vec<u8> = row.try_get(0).map_err(failed("list photos"))?;
                id.try_into().map(PhotoId::from_bytes).map_err(|_| stray("photo"))
            };
            rows.iter().map(id).collect()
        })
        .await
    }
}

fn bytes_of(blinds: Vec<Blind>) -> Vec<Vec<u8>> {
    blinds.into_iter().map(|blind| blind.to_bytes().to_vec()).collect()
}

fn origin_of(json: Vec<u8>) -> Result<Origin> {
    // Its text may quote what it read.
    serde_json::from_slice(&json)
        .map_err(|_| Error::new(ErrorKind::Damaged, "history").with_detail("an origin cannot be read"))
}

/// Lists, the latest first: each has the same parameters, so that one call binds them all.
mod lists {
    macro_rules! list {
        ($($name:ident: $table:literal $where:literal;)*) => {$(
            pub(super) const $name: &str = concat!(
                "select key, version, body from ", $table,
                " where body is not null and ", $where,
                " and at >= $2 and at < $3 and (at, key) < ($4, $5) and $1::smallint > 0",
                " and ($7::bytea is null or true) and ($8::text is null or true)",
                " order by at desc, key desc limit $6"
            );
        )*};
    }
    list! {
        VISITS: "visit" "true";
        VISITS_OF_BRANCH: "visit" "branch = $8";
        VISITS_OF_OWNER: "visit" "owner = $7";
        OPEN_VISITS: "visit" "is_open";
        OPEN_VISITS_OF_BRANCH: "visit" "is_open and branch = $8";
        RECORDS: "record" "kind = $1";
        RECORDS_OF_BRANCH: "record" "kind = $1 and branch = $8";
        RECORDS_OF_OWNER: "record" "kind = $1 and owner = $7";
        OPEN_RECORDS: "record" "kind = $1 and is_open";
        OPEN_RECORDS_OF_BRANCH: "record" "kind = $1 and is_open and branch = $8";
    }
}
