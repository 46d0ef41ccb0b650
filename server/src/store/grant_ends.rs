//! Ends the grants of a session or a user, and the oldest beyond a limit.

use sea_query::{Expr, ExprTrait as _, Order, Query};

use super::schema::Grants;
use super::{NewEvent, StoreError, Tx};

/// The most grants that end at once.
const BATCH: u64 = 500;
/// The most characters of an application in the detail of an event, which has 255.
const APPLICATION_MAX: usize = 240;

/// Ends the grants of a user, except those of one session.
pub(super) async fn of_user(tx: &mut Tx, user_id: i32, keep: Option<&str>) -> Result<(), StoreError> {
    let mut delete = Query::delete();
    delete.from_table(Grants::Table).and_where(Expr::col(Grants::UserId).eq(user_id));
    if let Some(sid) = keep {
        delete.and_where(Expr::col(Grants::Sid).ne(sid));
    }
    tx.execute(&delete).await.map(|_| ())
}

/// Ends all grants of a user for one client.
pub(super) async fn of_client(tx: &mut Tx, user_id: i32, client: &str) -> Result<u64, StoreError> {
    let delete = Query::delete()
        .from_table(Grants::Table)
        .and_where(Expr::col(Grants::UserId).eq(user_id))
        .and_where(Expr::col(Grants::Client).eq(client))
        .to_owned();
    tx.execute(&delete).await
}

/// Ends the oldest grants of a user for one client while there are more than `most`: those that have a refresh token, or
/// the others. Call this with the user's row locked.
pub(super) async fn oldest(
    tx: &mut Tx,
    user_id: i32,
    client: &str,
    has_refresh_token: bool,
    most: u64,
    event: &NewEvent,
) -> Result<(), StoreError> {
    let refresh_jti = Expr::col(Grants::RefreshJti);
    let select = Query::select()
        .column(Grants::Id)
        .from(Grants::Table)
        .and_where(Expr::col(Grants::UserId).eq(user_id))
        .and_where(Expr::col(Grants::Client).eq(client))
        .and_where(if has_refresh_token { refresh_jti.is_not_null() } else { refresh_jti.is_null() })
        .order_by(Grants::Id, Order::Desc)
        .limit(BATCH)
        .offset(most)
        .to_owned();
    let ids: Vec<(i64,)> = tx.fetch_all(&select).await?;
    if ids.is_empty() {
        return Ok(());
    }
    let ids = ids.into_iter().map(|(id,)| id);
    let delete = Query::delete().from_table(Grants::Table).and_where(Expr::col(Grants::Id).is_in(ids)).to_owned();
    let count = tx.execute(&delete).await?;
    tx.add_audit_event(&ended(event, count)).await
}

/// The detail of `event` is the application, which may fill the column.
fn ended(event: &NewEvent, count: u64) -> NewEvent {
    let application: String = event.detail.iter().flat_map(|name| name.chars()).take(APPLICATION_MAX).collect();
    let grants = if count == 1 { "grant" } else { "grants" };
    NewEvent { detail: Some(format!("{application}: {count} {grants}")), ..event.clone() }
}
