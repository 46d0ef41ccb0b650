//! Ends the grants of a user, and the least recently used beyond a limit.

use sc_auth_contract::time::UnixTime;
use sea_query::{Expr, ExprTrait as _, Func, Order, Query};

use super::audit::quantity;
use super::guard::{self, LockedUser};
use super::logouts;
use super::schema::{Grants, Sessions};
use super::{NewEvent, Store, StoreError, Tx};

/// The most grants that end at once.
const BATCH: u64 = 500;
/// The batches of one sweep.
const BATCHES: u64 = 20;
/// The most characters of an application in the detail of an event, which has 255.
const APPLICATION_MAX: usize = 240;

/// Ends the grants of a user, except those of one session. The applications are notified of sessions that had ended before.
pub(super) async fn of_user(
    tx: &mut Tx,
    user: &LockedUser,
    keep: Option<&str>,
    now: UnixTime,
) -> Result<(), StoreError> {
    let mut which = Expr::col(Grants::UserId).eq(user.id);
    if let Some(sid) = keep {
        which = which.and(Expr::col(Grants::Sid).ne(sid));
    }
    let (_, ended) = end(tx, which).await?;
    match &user.uuid {
        Some(uuid) => logouts::notify_former(tx, uuid, ended, now).await,
        None => Ok(()),
    }
}

/// Ends all grants of a user for one client. Returns how many, and the sessions in which it had tokens.
pub(super) async fn of_client(tx: &mut Tx, user_id: i32, client: &str) -> Result<(u64, Vec<String>), StoreError> {
    let which = Expr::col(Grants::UserId).eq(user_id).and(Expr::col(Grants::Client).eq(client));
    let (count, ended) = end(tx, which).await?;
    Ok((count, ended.into_iter().map(|(sid, _)| sid).collect()))
}

/// Returns how many there were, and the sessions and clients of those with tokens.
async fn end(tx: &mut Tx, which: Expr) -> Result<(u64, Vec<(String, String)>), StoreError> {
    let select = Query::select()
        .columns([Grants::Sid, Grants::Client])
        .distinct()
        .from(Grants::Table)
        .and_where(which.clone())
        .and_where(Expr::col(Grants::CodeUsedAt).is_not_null())
        .to_owned();
    let ended = tx.fetch_varying(&select).await?;
    let count = tx.execute(&Query::delete().from_table(Grants::Table).and_where(which).to_owned()).await?;
    Ok((count, ended))
}

/// Keeps the browsers' sessions and grants that a new hash of the user's password does not end. Those of an earlier password
/// stay ended.
pub(super) async fn keep_with_hash(tx: &mut Tx, user: &LockedUser, hash: &str) -> Result<(), StoreError> {
    let (former, new) = (user.password_digest(), guard::password_digest(hash));
    // In the order of `session_ends::end`.
    let sessions = Query::update()
        .table(Sessions::Table)
        .value(Sessions::PasswordDigest, new.as_str())
        .and_where(Expr::col(Sessions::UserId).eq(user.id))
        .and_where(Expr::col(Sessions::PasswordDigest).eq(former.clone()))
        .to_owned();
    tx.execute(&sessions).await?;
    let grants = Query::update()
        .table(Grants::Table)
        .value(Grants::PasswordDigest, new)
        .and_where(Expr::col(Grants::UserId).eq(user.id))
        .and_where(Expr::col(Grants::PasswordDigest).eq(former))
        .to_owned();
    tx.execute(&grants).await.map(|_| ())
}

/// Ends the least recently used grants of a user for one client while there are more than `most`: those that have a refresh
/// token, or the others. Returns the event of that. Call this with the user's row locked.
pub(super) async fn least_used(
    tx: &mut Tx,
    user_id: i32,
    client: &str,
    has_refresh_token: bool,
    most: u64,
    event: &NewEvent,
) -> Result<Option<NewEvent>, StoreError> {
    let refresh_jti = Expr::col(Grants::RefreshJti);
    let select = Query::select()
        .column(Grants::Id)
        .from(Grants::Table)
        .and_where(Expr::col(Grants::UserId).eq(user_id))
        .and_where(Expr::col(Grants::Client).eq(client))
        .and_where(if has_refresh_token { refresh_jti.is_not_null() } else { refresh_jti.is_null() })
        .order_by_expr(used_at(), Order::Desc)
        .order_by(Grants::Id, Order::Desc)
        .limit(BATCH)
        .offset(most)
        .to_owned();
    let ids: Vec<(i64,)> = tx.fetch_all(&select).await?;
    if ids.is_empty() {
        return Ok(None);
    }
    let ids = ids.into_iter().map(|(id,)| id);
    let delete = Query::delete().from_table(Grants::Table).and_where(Expr::col(Grants::Id).is_in(ids)).to_owned();
    let count = tx.execute(&delete).await?;
    let event = ended(event, count);
    tx.add_audit_event(&event).await?;
    Ok(Some(event))
}

/// When a client last used a grant.
fn used_at() -> Expr {
    Func::coalesce([Expr::col(Grants::RotatedAt), Expr::col(Grants::CreatedAt)]).into()
}

/// The detail of `event` is the application, which may fill the column.
fn ended(event: &NewEvent, count: u64) -> NewEvent {
    let application: String = event.detail.iter().flat_map(|name| name.chars()).take(APPLICATION_MAX).collect();
    NewEvent { detail: Some(format!("{application}: {}", quantity(count, "grant"))), ..event.clone() }
}

impl Store {
    /// Ends grants of all users while there are more than `most`: first those without a refresh, then the others, and of each
    /// the oldest. Returns how many.
    pub async fn limit_grants(&self, most: u64, event: &NewEvent) -> Result<u64, StoreError> {
        let excess = self.count_grants_up_to(most + BATCH * BATCHES).await?.saturating_sub(most);
        let mut ended = 0;
        for is_refreshed in [false, true] {
            while ended < excess {
                let count = self.end_oldest(is_refreshed, Ord::min(excess - ended, BATCH), event).await?;
                if count == 0 {
                    break;
                }
                ended += count;
            }
        }
        Ok(ended)
    }

    async fn count_grants_up_to(&self, most: u64) -> Result<u64, StoreError> {
        let ids = Query::select().column(Grants::Id).from(Grants::Table).limit(most).to_owned();
        let select = Query::select().expr(Func::count(Expr::col(Grants::Id))).from_subquery(ids, "ids").to_owned();
        let count = self.fetch_optional::<(i64,)>(&select).await?.map_or(0, |(count,)| count);
        Ok(u64::try_from(count).unwrap_or(0))
    }

    async fn end_oldest(&self, is_refreshed: bool, count: u64, event: &NewEvent) -> Result<u64, StoreError> {
        let rotated_at = Expr::col(Grants::RotatedAt);
        let select = Query::select()
            .column(Grants::Id)
            .from(Grants::Table)
            .and_where(if is_refreshed { rotated_at.is_not_null() } else { rotated_at.is_null() })
            .order_by(Grants::Id, Order::Asc)
            .limit(count)
            .to_owned();
        let ids: Vec<(i64,)> = self.fetch_varying(&select).await?;
        if ids.is_empty() {
            return Ok(0);
        }
        let ids = ids.into_iter().map(|(id,)| id);
        let delete = Query::delete().from_table(Grants::Table).and_where(Expr::col(Grants::Id).is_in(ids)).to_owned();
        self.transaction(|tx| {
            let (delete, event) = (delete.clone(), event.clone());
            Box::pin(async move {
                let count = tx.execute(&delete).await?;
                tx.add_audit_event(&event.about(count, "grant")).await?;
                Ok(count)
            })
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use sqlx::{Connection as _, SqliteConnection};

    use crate::store::testing::{event, migrated};

    #[tokio::test]
    async fn grants_that_were_never_refreshed_end_first() {
        let (_folder, url, store) = migrated().await;
        let mut connection = SqliteConnection::connect(&url).await.unwrap();
        let rows = "INSERT INTO users (id, uuid, username, password, role_id) VALUES (1, 'u', 'u', 'x', 2);
            INSERT INTO grants (grant_id, user_id, sid, client, scopes, audiences, auth_time, created_at, expires_at, code_hash,
                redirect_uri, rotated_at) VALUES
                ('refreshed', 1, 's', 'c', '', '[]', 0, 0, 9, 'a', '', 5), ('old', 1, 's', 'c', '', '[]', 0, 0, 9, 'b', '', NULL),
                ('new', 1, 's', 'c', '', '[]', 0, 0, 9, 'c', '', NULL)";
        sqlx::raw_sql(rows).execute(&mut connection).await.unwrap();
        for (most, left) in [
            (3, vec!["refreshed", "old", "new"]),
            (2, vec!["refreshed", "new"]),
            (1, vec!["refreshed"]),
            (0, vec![]),
            (0, vec![]),
        ] {
            store.limit_grants(most, &event("grants_ended")).await.unwrap();
            let sql = "SELECT grant_id FROM grants ORDER BY id";
            let ids: Vec<String> = sqlx::query_scalar(sql).fetch_all(&mut connection).await.unwrap();
            assert_eq!(ids, left, "{most}");
        }
        let sql = "SELECT detail FROM audit_events ORDER BY id";
        let details: Vec<String> = sqlx::query_scalar(sql).fetch_all(&mut connection).await.unwrap();
        assert_eq!(details, ["1 grant", "1 grant", "1 grant"]);
        connection.close().await.unwrap();
        store.close().await;
    }
}
