//! Deletes expired rows, in small batches and on one replica at a time.

use std::time::Duration;

use sc_auth_contract::time::UnixTime;
use sea_query::{Expr, ExprTrait as _, Func, Iden, IntoIden, OnConflict, Order, Query};

use super::audit::{AuditEvents, Tier};
use super::failures::LoginFailures;
use super::heartbeats::ScAuthHeartbeats;
use super::networks::KnownNetworks;
use super::parties::TokenParties;
use super::schema::Sessions;
use super::session_ends::{self, EndedGrants};
use super::{Store, StoreError};

#[derive(Iden, Clone, Copy)]
enum Chores {
    Table,
    Id,
    DueAt,
}

/// The most rows to delete in one statement.
const BATCH: u64 = 500;
/// The batches of sessions to check in one sweep: about 600,000 sessions an hour.
const BATCHES: usize = 20;
/// The batches of audit events to change or delete in one sweep: more than all replicas can add in a minute.
const AUDIT_BATCHES: usize = 200;
/// The most counters of failures to keep, two for each name and network; the oldest are deleted first.
const MAX_FAILURES: u64 = 200_000;

impl Store {
    /// Claims a chore that is due; it is due again in `every` seconds. Returns whether the caller has claimed it.
    pub async fn claim_chore(&self, name: &str, now: UnixTime, every: Duration) -> Result<bool, StoreError> {
        let insert = Query::insert()
            .into_table(Chores::Table)
            .columns([Chores::Id, Chores::DueAt])
            .values_panic([name.into(), 0_i64.into()])
            .on_conflict(OnConflict::column(Chores::Id).do_nothing_on([Chores::Id]).to_owned())
            .to_owned();
        let claim = Query::update()
            .table(Chores::Table)
            .value(Chores::DueAt, (now + every).seconds())
            .and_where(Expr::col(Chores::Id).eq(name))
            .and_where(Expr::col(Chores::DueAt).lte(now.seconds()))
            .to_owned();
        let select = Query::select()
            .column(Chores::DueAt)
            .from(Chores::Table)
            .and_where(Expr::col(Chores::Id).eq(name))
            .to_owned();
        match self.fetch_optional::<(i64,)>(&select).await? {
            Some((due_at,)) if due_at > now.seconds() => return Ok(false),
            Some(_) => {}
            None => {
                self.execute(&insert).await?;
            }
        }
        Ok(self.execute(&claim).await? == 1)
    }

    /// Checks the next few thousand sessions after the id `after`, and deletes the expired ones. Returns the id to
    /// continue after, which is 0 after the last session, and how many were deleted.
    pub async fn sweep_sessions(&self, after: i64, now: UnixTime) -> Result<(i64, u64), StoreError> {
        let (mut after, mut deleted) = (after, 0);
        for _ in 0..BATCHES {
            let select = Query::select()
                .columns([Sessions::Id, Sessions::ExpiresAt])
                .from(Sessions::Table)
                .and_where(Expr::col(Sessions::Id).gt(after))
                .order_by(Sessions::Id, Order::Asc)
                .limit(BATCH)
                .to_owned();
            let rows: Vec<(i64, i64)> = self.fetch_all(&select).await?;
            let Some((last, _)) = rows.last() else { return Ok((0, deleted)) };
            after = *last;
            let expired = rows.iter().filter(|(_, expires_at)| *expires_at <= now.seconds()).map(|(id, _)| *id);
            deleted += self.end_expired(expired.collect(), now).await?;
        }
        Ok((after, deleted))
    }

    async fn end_expired(&self, ids: Vec<i64>, now: UnixTime) -> Result<u64, StoreError> {
        if ids.is_empty() {
            return Ok(0);
        }
        self.transaction(|tx| {
            // A browser may have extended one meanwhile.
            let expired = session_ends::among(ids.clone()).add(Expr::col(Sessions::ExpiresAt).lte(now.seconds()));
            Box::pin(async move { session_ends::end(tx, expired, EndedGrants::Online, now).await })
        })
        .await
    }

    /// Deletes events older than `before`, which have the smallest ids.
    pub async fn sweep_audit_events(&self, before: UnixTime) -> Result<u64, StoreError> {
        let mut deleted = 0;
        loop {
            let select = Query::select()
                .columns([AuditEvents::Id, AuditEvents::At])
                .from(AuditEvents::Table)
                .order_by(AuditEvents::Id, Order::Asc)
                .limit(BATCH)
                .to_owned();
            let rows: Vec<(i64, i64)> = self.fetch_all(&select).await?;
            let old: Vec<_> = rows.iter().filter(|(_, at)| *at <= before.seconds()).map(|(id, _)| *id).collect();
            let is_last = old.len() < rows.len() || rows.is_empty();
            deleted += self.delete_all(AuditEvents::Table, AuditEvents::Id, old).await?;
            if is_last {
                return Ok(deleted);
            }
        }
    }

    /// Gives the events of earlier releases a tier, 100,000 in one sweep.
    pub async fn sort_audit_events(&self, tier: fn(&str, &str) -> Tier) -> Result<(), StoreError> {
        for _ in 0..AUDIT_BATCHES {
            let select = Query::select()
                .columns([AuditEvents::Id, AuditEvents::Event, AuditEvents::Outcome])
                .from(AuditEvents::Table)
                .and_where(Expr::col(AuditEvents::Tier).is_null())
                .limit(BATCH)
                .to_owned();
            let rows: Vec<(i64, String, String)> = self.fetch_all(&select).await?;
            for wanted in Tier::ALL {
                let of_tier = rows.iter().filter(|(_, event, outcome)| tier(event, outcome) == wanted);
                self.set_tier(of_tier.map(|(id, ..)| *id).collect(), wanted).await?;
            }
            if (rows.len() as u64) < BATCH {
                break;
            }
        }
        Ok(())
    }

    async fn set_tier(&self, ids: Vec<i64>, tier: Tier) -> Result<(), StoreError> {
        if ids.is_empty() {
            return Ok(());
        }
        let update = Query::update()
            .table(AuditEvents::Table)
            .value(AuditEvents::Tier, tier.number())
            .and_where(Expr::col(AuditEvents::Id).is_in(ids))
            .to_owned();
        self.execute_varying(&update).await.map(|_| ())
    }

    /// Deletes events while there are more than `most`: the lowest tier first, and of each the oldest. What Admins and
    /// commands do is neither counted nor deleted.
    pub async fn prune_audit_events(&self, most: u64) -> Result<u64, StoreError> {
        let mut excess = self.count_events_below(Tier::Administration).await?.saturating_sub(most);
        let mut deleted = 0;
        for _ in 0..AUDIT_BATCHES {
            if excess == 0 {
                break;
            }
            let select = Query::select()
                .column(AuditEvents::Id)
                .from(AuditEvents::Table)
                .and_where(Expr::col(AuditEvents::Tier).lt(Tier::Administration.number()))
                .order_by(AuditEvents::Tier, Order::Asc)
                .order_by(AuditEvents::Id, Order::Asc)
                .limit(Ord::min(excess, BATCH))
                .to_owned();
            let ids: Vec<(i64,)> = self.fetch_all(&select).await?;
            if ids.is_empty() {
                break;
            }
            excess -= ids.len() as u64;
            let ids = ids.into_iter().map(|(id,)| id).collect();
            deleted += self.delete_all(AuditEvents::Table, AuditEvents::Id, ids).await?;
        }
        Ok(deleted)
    }

    async fn count_events_below(&self, tier: Tier) -> Result<u64, StoreError> {
        let select = Query::select()
            .expr(Func::count(Expr::col(AuditEvents::Id)))
            .from(AuditEvents::Table)
            .and_where(Expr::col(AuditEvents::Tier).lt(tier.number()))
            .to_owned();
        let count = self.fetch_optional::<(i64,)>(&select).await?.map_or(0, |(count,)| count);
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// Deletes failures older than `before`, and the oldest if there are too many.
    pub async fn sweep_failures(&self, before: UnixTime) -> Result<u64, StoreError> {
        let newest_of_too_many = Query::select()
            .column(LoginFailures::LastFailedAt)
            .from(LoginFailures::Table)
            .order_by(LoginFailures::LastFailedAt, Order::Desc)
            .offset(MAX_FAILURES)
            .limit(1)
            .to_owned();
        let newest: Option<(i64,)> = self.fetch_optional(&newest_of_too_many).await?;
        let before = newest.map_or(before, |(newest,)| Ord::max(newest.into(), before));
        let (table, id, at) = (LoginFailures::Table, LoginFailures::Id, LoginFailures::LastFailedAt);
        self.sweep::<String>(table, id, at, before).await
    }

    /// Deletes networks without a login since `before`.
    pub async fn sweep_networks(&self, before: UnixTime) -> Result<u64, StoreError> {
        let (table, id, at) = (KnownNetworks::Table, KnownNetworks::Id, KnownNetworks::LastLoginAt);
        self.sweep::<String>(table, id, at, before).await
    }

    /// Deletes pairs of issuer and audience whose last token has expired.
    pub async fn sweep_parties(&self, now: UnixTime) -> Result<u64, StoreError> {
        self.sweep::<String>(TokenParties::Table, TokenParties::Id, TokenParties::LastExp, now).await
    }

    /// Deletes heartbeats older than `before`.
    pub async fn sweep_heartbeats(&self, before: UnixTime) -> Result<u64, StoreError> {
        let (table, id, at) = (ScAuthHeartbeats::Table, ScAuthHeartbeats::Id, ScAuthHeartbeats::LastSeenAt);
        self.sweep::<String>(table, id, at, before).await
    }

    /// The number of sessions that have not expired.
    pub async fn count_sessions(&self, now: UnixTime) -> Result<i64, StoreError> {
        let select = Query::select()
            .expr(Func::count(Expr::col(Sessions::Id)))
            .from(Sessions::Table)
            .and_where(Expr::col(Sessions::ExpiresAt).gt(now.seconds()))
            .to_owned();
        Ok(self.fetch_optional::<(i64,)>(&select).await?.map_or(0, |(count,)| count))
    }

    /// Deletes the expired rows of a table.
    pub(super) async fn sweep<K>(
        &self,
        table: impl IntoIden + Copy,
        id: impl IntoIden + Copy,
        at: impl IntoIden + Copy,
        until: UnixTime,
    ) -> Result<u64, StoreError>
    where
        (K,): super::AnyRow,
        K: Into<sea_query::Expr>,
    {
        let is_expired = Expr::col(at.into_iden()).lte(until.seconds());
        self.delete_where::<K>(table, id, &is_expired).await
    }

    /// Deletes the rows that meet a condition, in batches by primary key: long locks would delay logins.
    pub(super) async fn delete_where<K>(
        &self,
        table: impl IntoIden + Copy,
        id: impl IntoIden + Copy,
        condition: &Expr,
    ) -> Result<u64, StoreError>
    where
        (K,): super::AnyRow,
        K: Into<sea_query::Expr>,
    {
        let mut total = 0;
        loop {
            let select = Query::select()
                .column(id.into_iden())
                .from(table.into_iden())
                .and_where(condition.clone())
                .limit(BATCH)
                .to_owned();
            let ids: Vec<(K,)> = self.fetch_all(&select).await?;
            let count = ids.len() as u64;
            total += self.delete_all(table, id, ids.into_iter().map(|(id,)| id).collect()).await?;
            if count < BATCH {
                return Ok(total);
            }
        }
    }

    /// Deletes the rows with the lowest ids while there are more than `most`. Returns how many.
    pub(super) async fn keep_newest(
        &self,
        table: impl IntoIden + Copy,
        id: impl IntoIden + Copy,
        most: u64,
    ) -> Result<u64, StoreError> {
        let newest_of_too_many = Query::select()
            .column(id.into_iden())
            .from(table.into_iden())
            .order_by(id.into_iden(), Order::Desc)
            .offset(most)
            .limit(1)
            .to_owned();
        let Some((newest,)) = self.fetch_optional::<(i64,)>(&newest_of_too_many).await? else { return Ok(0) };
        let is_too_old = Expr::col(id.into_iden()).lte(newest);
        self.delete_where::<i64>(table, id, &is_too_old).await
    }

    pub(super) async fn delete_all<K: Into<Expr>>(
        &self,
        table: impl IntoIden,
        id: impl IntoIden,
        ids: Vec<K>,
    ) -> Result<u64, StoreError> {
        if ids.is_empty() {
            return Ok(0);
        }
        let delete =
            Query::delete().from_table(table.into_iden()).and_where(Expr::col(id.into_iden()).is_in(ids)).to_owned();
        self.execute_varying(&delete).await
    }
}
