//! Which clients are declared. A client that is absent from a valid file for an hour loses its grants and consents; until
//! then, a mistake can be corrected.
//!
//! Each server records what its own file has. While two disagree, as when a changed file reaches them one after the other,
//! one ends the absence that the other has begun.

use std::time::Duration;

use sc_auth_contract::time::UnixTime;
use sea_query::{Expr, ExprTrait as _, Iden, OnConflict, Query, UpdateStatement};

use super::{Store, StoreError};

#[derive(Iden, Clone, Copy)]
enum DeclaredClients {
    Table,
    Id,
    AbsentSince,
    CheckedAt,
}

/// How long a client is absent before it loses its grants and consents.
const ABSENCE: Duration = Duration::from_hours(1);
/// If no server saw a valid file for this long, the hour starts again: the client may have been back.
const GAP: Duration = Duration::from_mins(5);
/// The most rows to change in one statement.
const ROWS: usize = 500;

impl Store {
    /// Records which clients a valid file has: `present` are their keys. `is_present` also knows those that the file has
    /// but that are refused.
    pub async fn note_clients(
        &self,
        present: &[String],
        is_present: impl Fn(&str) -> bool,
        now: UnixTime,
    ) -> Result<(), StoreError> {
        let select = Query::select()
            .columns([DeclaredClients::Id, DeclaredClients::AbsentSince])
            .from(DeclaredClients::Table)
            .to_owned();
        let known: Vec<(String, Option<i64>)> = self.fetch_all(&select).await?;
        let new = present.iter().filter(|key| !known.iter().any(|(known, _)| known == *key)).cloned();
        self.add_clients(new.collect(), now).await?;
        let (returned, absent): (Vec<_>, Vec<_>) = known.into_iter().partition(|(key, _)| is_present(key));
        let returned = returned.into_iter().filter(|(_, since)| since.is_some()).map(|(key, _)| key).collect();
        self.update_clients(&returning(), returned).await?;
        let absent: Vec<_> = absent.into_iter().map(|(key, _)| key).collect();
        self.update_clients(&beginning(now), absent.clone()).await?;
        self.update_clients(&continuing(now), absent).await
    }

    async fn add_clients(&self, keys: Vec<String>, now: UnixTime) -> Result<(), StoreError> {
        for keys in keys.chunks(ROWS) {
            let mut insert = Query::insert();
            insert.into_table(DeclaredClients::Table).columns([DeclaredClients::Id, DeclaredClients::CheckedAt]);
            for key in keys {
                insert.values_panic([key.as_str().into(), now.seconds().into()]);
            }
            // Another server may be faster.
            let conflict = OnConflict::column(DeclaredClients::Id).do_nothing_on([DeclaredClients::Id]).to_owned();
            self.execute_varying(insert.on_conflict(conflict)).await?;
        }
        Ok(())
    }

    async fn update_clients(&self, update: &UpdateStatement, keys: Vec<String>) -> Result<(), StoreError> {
        for keys in keys.chunks(ROWS) {
            let keys = keys.iter().map(String::as_str);
            let update = update.clone().and_where(Expr::col(DeclaredClients::Id).is_in(keys)).to_owned();
            self.execute_varying(&update).await?;
        }
        Ok(())
    }

    /// The clients that are absent for long enough, as far as that was seen a moment ago.
    pub async fn gone_clients(&self, now: UnixTime) -> Result<Vec<String>, StoreError> {
        let select = Query::select()
            .column(DeclaredClients::Id)
            .from(DeclaredClients::Table)
            .and_where(Expr::col(DeclaredClients::AbsentSince).lte((now - ABSENCE).seconds()))
            .and_where(Expr::col(DeclaredClients::CheckedAt).gt((now - GAP).seconds()))
            .to_owned();
        Ok(self.fetch_all::<(String,)>(&select).await?.into_iter().map(|(key,)| key).collect())
    }

    /// Deletes the grants, the consents and the logouts of an absent client. Returns how many grants there were.
    pub async fn end_client(&self, key: &str) -> Result<u64, StoreError> {
        let count = self.delete_grants_of(key).await?;
        self.delete_consents_of(key).await?;
        self.delete_logouts_of(key).await?;
        let delete = Query::delete()
            .from_table(DeclaredClients::Table)
            .and_where(Expr::col(DeclaredClients::Id).eq(key))
            .and_where(Expr::col(DeclaredClients::AbsentSince).is_not_null())
            .to_owned();
        self.execute(&delete).await?;
        Ok(count)
    }
}

fn returning() -> UpdateStatement {
    Query::update()
        .table(DeclaredClients::Table)
        .value(DeclaredClients::AbsentSince, Option::<i64>::None)
        .and_where(Expr::col(DeclaredClients::AbsentSince).is_not_null())
        .to_owned()
}

fn beginning(now: UnixTime) -> UpdateStatement {
    let is_new = Expr::col(DeclaredClients::AbsentSince).is_null();
    let is_forgotten = Expr::col(DeclaredClients::CheckedAt).lte((now - GAP).seconds());
    Query::update()
        .table(DeclaredClients::Table)
        .value(DeclaredClients::AbsentSince, now.seconds())
        .value(DeclaredClients::CheckedAt, now.seconds())
        .and_where(is_new.or(is_forgotten))
        .to_owned()
}

fn continuing(now: UnixTime) -> UpdateStatement {
    Query::update()
        .table(DeclaredClients::Table)
        .value(DeclaredClients::CheckedAt, now.seconds())
        .and_where(Expr::col(DeclaredClients::AbsentSince).is_not_null())
        .to_owned()
}
