//! The applications that are notified when a session ends (OpenID Connect Back-Channel Logout), and the outbox of what is still
//! to be sent.

use sc_auth_contract::time::UnixTime;
use sea_query::{Expr, ExprTrait as _, OnConflict, Order, Query, SelectStatement};
use sqlx::FromRow;

use super::schema::{LogoutOutbox, LogoutReceivers};
use super::{Store, StoreError, Tx};

/// The most rows of one user: whoever logs in and out again and again cannot fill the table, nor send an application more.
const MOST_OF_USER: u64 = 100;
/// The most rows of all users; the oldest are deleted first.
const MOST: u64 = 100_000;
/// The most rows to delete in one statement.
const BATCH: u64 = 500;

/// A logout to send to an application that the ended session had logged in to.
#[derive(Debug, Clone, FromRow)]
pub struct Logout {
    id: i64,
    pub sid: String,
    pub sub: String,
    /// The key of the declaration.
    pub client: String,
    /// The address that was declared when the user logged in to it.
    pub uri: String,
    #[sqlx(try_from = "i64")]
    pub created_at: UnixTime,
    #[sqlx(try_from = "i64")]
    due_at: UnixTime,
    pub attempts: i32,
}

/// An application to notify.
#[derive(Debug, FromRow)]
struct Receiver {
    sid: String,
    sub: String,
    client: String,
    uri: String,
}

/// Remembers that an application has logged in to a session.
pub(super) async fn remember(tx: &mut Tx, sid: &str, sub: &str, client: &str, uri: &str) -> Result<(), StoreError> {
    let insert = Query::insert()
        .into_table(LogoutReceivers::Table)
        .columns([LogoutReceivers::Sid, LogoutReceivers::Sub, LogoutReceivers::Client, LogoutReceivers::Uri])
        .values_panic([sid.into(), sub.into(), client.into(), uri.into()])
        .on_conflict(
            OnConflict::columns([LogoutReceivers::Sid, LogoutReceivers::Client])
                .update_column(LogoutReceivers::Uri)
                .to_owned(),
        )
        .to_owned();
    tx.execute_prepared(&insert).await.map(|_| ())
}

/// Moves the applications of ended sessions to the outbox.
pub(super) async fn notify(tx: &mut Tx, sids: &[String], now: UnixTime) -> Result<(), StoreError> {
    move_to_outbox(tx, Expr::col(LogoutReceivers::Sid).is_in(sids), now).await
}

/// The same for one application in all sessions of a user.
pub(super) async fn notify_client(tx: &mut Tx, sub: &str, client: &str, now: UnixTime) -> Result<(), StoreError> {
    let which = Expr::col(LogoutReceivers::Sub).eq(sub).and(Expr::col(LogoutReceivers::Client).eq(client));
    move_to_outbox(tx, which, now).await
}

async fn move_to_outbox(tx: &mut Tx, which: Expr, now: UnixTime) -> Result<(), StoreError> {
    let select = Query::select()
        .columns([LogoutReceivers::Sid, LogoutReceivers::Sub, LogoutReceivers::Client, LogoutReceivers::Uri])
        .from(LogoutReceivers::Table)
        .and_where(which.clone())
        .to_owned();
    let receivers: Vec<Receiver> = tx.fetch_varying(&select).await?;
    if receivers.is_empty() {
        return Ok(());
    }
    let delete = Query::delete().from_table(LogoutReceivers::Table).and_where(which).to_owned();
    tx.execute(&delete).await?;
    let mut subs: Vec<_> = receivers.iter().map(|receiver| receiver.sub.clone()).collect();
    subs.sort_unstable();
    subs.dedup();
    for receiver in receivers {
        add(tx, receiver, now).await?;
    }
    for sub in subs {
        drop_oldest(tx, &sub).await?;
    }
    Ok(())
}

async fn add(tx: &mut Tx, receiver: Receiver, now: UnixTime) -> Result<(), StoreError> {
    let insert = Query::insert()
        .into_table(LogoutOutbox::Table)
        .columns([
            LogoutOutbox::Sid,
            LogoutOutbox::Sub,
            LogoutOutbox::Client,
            LogoutOutbox::Uri,
            LogoutOutbox::CreatedAt,
            LogoutOutbox::DueAt,
        ])
        .values_panic([
            receiver.sid.into(),
            receiver.sub.into(),
            receiver.client.into(),
            receiver.uri.into(),
            now.seconds().into(),
            now.seconds().into(),
        ])
        .to_owned();
    tx.execute_prepared(&insert).await.map(|_| ())
}

async fn drop_oldest(tx: &mut Tx, sub: &str) -> Result<(), StoreError> {
    let select = Query::select()
        .column(LogoutOutbox::Id)
        .from(LogoutOutbox::Table)
        .and_where(Expr::col(LogoutOutbox::Sub).eq(sub))
        .order_by(LogoutOutbox::Id, Order::Desc)
        .limit(BATCH)
        .offset(MOST_OF_USER)
        .to_owned();
    let ids: Vec<(i64,)> = tx.fetch_all(&select).await?;
    if ids.is_empty() {
        return Ok(());
    }
    let ids = ids.into_iter().map(|(id,)| id);
    let delete =
        Query::delete().from_table(LogoutOutbox::Table).and_where(Expr::col(LogoutOutbox::Id).is_in(ids)).to_owned();
    tx.execute(&delete).await.map(|_| ())
}

impl Store {
    /// What is due, except for some clients; the longest due first.
    pub async fn due_logouts(&self, now: UnixTime, except: &[String], most: u64) -> Result<Vec<Logout>, StoreError> {
        let mut select = due(now);
        if !except.is_empty() {
            select.and_where(Expr::col(LogoutOutbox::Client).is_not_in(except));
        }
        self.fetch_varying(&select.limit(most).to_owned()).await
    }

    /// Claims a row until then. Returns `false` if another replica was faster.
    pub async fn claim_logout(&self, logout: &Logout, until: UnixTime) -> Result<bool, StoreError> {
        let claim = Query::update()
            .table(LogoutOutbox::Table)
            .value(LogoutOutbox::DueAt, until.seconds())
            .value(LogoutOutbox::Attempts, logout.attempts.saturating_add(1))
            .and_where(Expr::col(LogoutOutbox::Id).eq(logout.id))
            .and_where(Expr::col(LogoutOutbox::DueAt).eq(logout.due_at.seconds()))
            .and_where(Expr::col(LogoutOutbox::Attempts).eq(logout.attempts))
            .to_owned();
        Ok(self.execute(&claim).await? == 1)
    }

    /// Removes what was sent, or will never be.
    pub async fn remove_logout(&self, logout: &Logout) -> Result<(), StoreError> {
        let delete = Query::delete()
            .from_table(LogoutOutbox::Table)
            .and_where(Expr::col(LogoutOutbox::Id).eq(logout.id))
            .to_owned();
        self.execute(&delete).await.map(|_| ())
    }

    /// After a failure: sends this row and all others of the client not before `until`, so that a receiver that is down does
    /// not keep the others waiting.
    pub async fn postpone_logouts(&self, logout: &Logout, now: UnixTime, until: UnixTime) -> Result<(), StoreError> {
        let own = Query::update()
            .table(LogoutOutbox::Table)
            .value(LogoutOutbox::DueAt, until.seconds())
            .and_where(Expr::col(LogoutOutbox::Id).eq(logout.id))
            .to_owned();
        let others = Query::update()
            .table(LogoutOutbox::Table)
            .value(LogoutOutbox::DueAt, until.seconds())
            .and_where(Expr::col(LogoutOutbox::Client).eq(logout.client.as_str()))
            .and_where(Expr::col(LogoutOutbox::DueAt).lte(now.seconds()))
            .to_owned();
        self.execute(&own).await?;
        self.execute(&others).await.map(|_| ())
    }

    /// Forgets the applications that logged in first if there are more than `most`. Returns how many.
    pub async fn prune_receivers(&self, most: u64) -> Result<u64, StoreError> {
        let newest_of_too_many = Query::select()
            .column(LogoutReceivers::Id)
            .from(LogoutReceivers::Table)
            .order_by(LogoutReceivers::Id, Order::Desc)
            .offset(most)
            .limit(1)
            .to_owned();
        let Some((newest,)) = self.fetch_optional::<(i64,)>(&newest_of_too_many).await? else { return Ok(0) };
        let is_too_old = Expr::col(LogoutReceivers::Id).lte(newest);
        self.delete_where::<i64>(LogoutReceivers::Table, LogoutReceivers::Id, &is_too_old).await
    }

    /// Forgets a client: no further logout is sent to it.
    pub(super) async fn delete_logouts_of(&self, client: &str) -> Result<(), StoreError> {
        let is_receiver = Expr::col(LogoutReceivers::Client).eq(client);
        self.delete_where::<i64>(LogoutReceivers::Table, LogoutReceivers::Id, &is_receiver).await?;
        let is_waiting = Expr::col(LogoutOutbox::Client).eq(client);
        self.delete_where::<i64>(LogoutOutbox::Table, LogoutOutbox::Id, &is_waiting).await.map(|_| ())
    }

    /// Deletes what was not sent since `before`, and the oldest if there is too much. Returns how many rows.
    pub async fn sweep_logouts(&self, before: UnixTime) -> Result<u64, StoreError> {
        let (table, id, at) = (LogoutOutbox::Table, LogoutOutbox::Id, LogoutOutbox::CreatedAt);
        let newest_of_too_many = Query::select()
            .column(LogoutOutbox::CreatedAt)
            .from(LogoutOutbox::Table)
            .order_by(LogoutOutbox::CreatedAt, Order::Desc)
            .offset(MOST)
            .limit(1)
            .to_owned();
        let newest: Option<(i64,)> = self.fetch_optional(&newest_of_too_many).await?;
        let before = newest.map_or(before, |(newest,)| Ord::max(newest.into(), before));
        self.sweep::<i64>(table, id, at, before).await
    }
}

fn due(now: UnixTime) -> SelectStatement {
    Query::select()
        .columns([
            LogoutOutbox::Id,
            LogoutOutbox::Sid,
            LogoutOutbox::Sub,
            LogoutOutbox::Client,
            LogoutOutbox::Uri,
            LogoutOutbox::CreatedAt,
            LogoutOutbox::DueAt,
            LogoutOutbox::Attempts,
        ])
        .from(LogoutOutbox::Table)
        .and_where(Expr::col(LogoutOutbox::DueAt).lte(now.seconds()))
        .order_by(LogoutOutbox::DueAt, Order::Asc)
        .order_by(LogoutOutbox::Id, Order::Asc)
        .to_owned()
}
