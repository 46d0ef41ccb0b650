//! The applications that are notified when a session ends (OpenID Connect Back-Channel Logout).

use std::collections::{BTreeSet, HashMap, HashSet};

use sc_auth_contract::time::UnixTime;
use sea_query::{Expr, ExprTrait as _, LockType, OnConflict, Order, Query};

use super::logout_limits::{ALL_SESSIONS, MAX_OF_USER};
use super::schema::{LogoutOutbox, LogoutReceivers};
use super::{Store, StoreError, Tx};

/// The most rows to move or delete in one statement.
const BATCH: usize = 500;

/// An application to notify of the end of a session.
#[derive(Debug, Clone)]
struct Receiver {
    sid: String,
    sub: String,
    client: String,
}

/// Adds an application that has logged in to a session, and is notified when it ends.
pub(super) async fn add_receiver(tx: &mut Tx, sid: &str, sub: &str, client: &str) -> Result<(), StoreError> {
    let insert = Query::insert()
        .into_table(LogoutReceivers::Table)
        .columns([LogoutReceivers::Sid, LogoutReceivers::Sub, LogoutReceivers::Client])
        .values_panic([sid.into(), sub.into(), client.into()])
        .on_conflict(
            OnConflict::columns([LogoutReceivers::Sid, LogoutReceivers::Client])
                .do_nothing_on([LogoutReceivers::Id])
                .to_owned(),
        )
        .to_owned();
    tx.execute_prepared(&insert).await.map(|_| ())
}

/// Notifies the applications of ended sessions.
pub(super) async fn notify(tx: &mut Tx, sids: &[String], now: UnixTime) -> Result<(), StoreError> {
    let receivers = take_receivers(tx, Expr::col(LogoutReceivers::Sid).is_in(sids)).await?;
    add(tx, receivers, now).await
}

/// Notifies one application of the ends of all sessions in which a user is logged in to it, and of further ones, in which it
/// still had grants.
pub(super) async fn notify_client(
    tx: &mut Tx,
    sub: &str,
    client: &str,
    further: Vec<String>,
    now: UnixTime,
) -> Result<(), StoreError> {
    let which = Expr::col(LogoutReceivers::Sub).eq(sub).and(Expr::col(LogoutReceivers::Client).eq(client));
    let mut sids: BTreeSet<_> = further.into_iter().collect();
    sids.extend(take_receivers(tx, which).await?.into_iter().map(|receiver| receiver.sid));
    notify_former(tx, sub, sids.into_iter().map(|sid| (sid, client.to_owned())), now).await
}

/// Notifies the applications that still had grants of sessions that had ended before.
pub(super) async fn notify_former(
    tx: &mut Tx,
    sub: &str,
    sids_and_clients: impl IntoIterator<Item = (String, String)>,
    now: UnixTime,
) -> Result<(), StoreError> {
    let receiver = |(sid, client)| Receiver { sid, sub: sub.to_owned(), client };
    add(tx, sids_and_clients.into_iter().map(receiver).collect(), now).await
}

/// Reads and deletes receivers. The rows are locked: another transaction that ends one of these sessions waits, and then finds
/// them gone.
async fn take_receivers(tx: &mut Tx, which: Expr) -> Result<Vec<Receiver>, StoreError> {
    let select = Query::select()
        .columns([LogoutReceivers::Id, LogoutReceivers::Sid, LogoutReceivers::Sub, LogoutReceivers::Client])
        .from(LogoutReceivers::Table)
        .and_where(which)
        .order_by(LogoutReceivers::Id, Order::Asc)
        .limit(BATCH as u64)
        .lock(LockType::Update)
        .to_owned();
    let mut taken = Vec::new();
    loop {
        let rows: Vec<(i64, String, String, String)> = tx.fetch_varying(&select).await?;
        let is_last = rows.len() < BATCH;
        if !rows.is_empty() {
            let is_read = Expr::col(LogoutReceivers::Id).is_in(rows.iter().map(|(id, ..)| *id));
            tx.execute(&Query::delete().from_table(LogoutReceivers::Table).and_where(is_read).to_owned()).await?;
        }
        taken.extend(rows.into_iter().map(|(_, sid, sub, client)| Receiver { sid, sub, client }));
        if is_last {
            return Ok(taken);
        }
    }
}

/// Adds rows to the outbox; see [`merged`].
async fn add(tx: &mut Tx, receivers: Vec<Receiver>, now: UnixTime) -> Result<(), StoreError> {
    for receivers in merged(receivers).chunks(BATCH) {
        let mut insert = Query::insert();
        insert.into_table(LogoutOutbox::Table).columns([
            LogoutOutbox::Sid,
            LogoutOutbox::Sub,
            LogoutOutbox::Client,
            LogoutOutbox::CreatedAt,
            LogoutOutbox::DueAt,
        ]);
        for Receiver { sid, sub, client } in receivers.iter().cloned() {
            insert.values_panic([sid.into(), sub.into(), client.into(), now.seconds().into(), now.seconds().into()]);
        }
        tx.execute(&insert).await?;
    }
    Ok(())
}

/// If there are too many of a user, those of one application become one for all sessions of the user.
fn merged(mut receivers: Vec<Receiver>) -> Vec<Receiver> {
    let (mut of_user, mut of_client) = (HashMap::<_, u64>::new(), HashMap::<_, u64>::new());
    for Receiver { sub, client, .. } in receivers.iter().cloned() {
        *of_user.entry(sub.clone()).or_default() += 1;
        *of_client.entry((sub, client)).or_default() += 1;
    }
    let mut seen = HashSet::new();
    receivers.retain_mut(|receiver| {
        let key = (receiver.sub.clone(), receiver.client.clone());
        let are_too_many = of_user.get(&receiver.sub).is_some_and(|count| *count > MAX_OF_USER);
        if !are_too_many || of_client.get(&key) == Some(&1) {
            return true;
        }
        ALL_SESSIONS.clone_into(&mut receiver.sid);
        seen.insert(key)
    });
    receivers
}

impl Store {
    /// Forgets the applications that logged in first if there are more than `most`. Returns how many.
    pub async fn limit_logout_receivers(&self, most: u64) -> Result<u64, StoreError> {
        self.keep_newest(LogoutReceivers::Table, LogoutReceivers::Id, most).await
    }

    /// Forgets a client: no further logout is sent to it.
    pub(super) async fn delete_logouts_of(&self, client: &str) -> Result<(), StoreError> {
        let is_receiver = Expr::col(LogoutReceivers::Client).eq(client);
        self.delete_where::<i64>(LogoutReceivers::Table, LogoutReceivers::Id, &is_receiver).await?;
        let is_waiting = Expr::col(LogoutOutbox::Client).eq(client);
        self.delete_where::<i64>(LogoutOutbox::Table, LogoutOutbox::Id, &is_waiting).await.map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_many_ends_at_once_are_one_for_each_application() {
        let of = |sub: &str, client: &str, number: u64| Receiver {
            sid: number.to_string(),
            sub: sub.to_owned(),
            client: client.to_owned(),
        };
        let few: Vec<_> = (0..MAX_OF_USER).map(|number| of("few", "a", number)).collect();
        let many = (0..MAX_OF_USER).map(|number| of("many", if number % 2 == 0 { "a" } else { "b" }, number));
        let all = merged(few.iter().cloned().chain(many).chain([of("many", "c", 1)]).collect());
        assert_eq!(all.len(), few.len() + 3);
        let last: Vec<_> = all[few.len()..].iter().map(|row| (row.sid.as_str(), row.client.as_str())).collect();
        assert_eq!(last, [("", "a"), ("", "b"), ("1", "c")]);
    }
}
