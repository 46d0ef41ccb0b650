//! Ends sessions: every end of a session goes through [`end`], with what applications got in it and with the rows that notify
//! them, in one transaction. Servers of release 0.2 delete only the sessions: `orphans.rs` finds what they leave.

use sc_auth_contract::time::UnixTime;
use sea_query::{Condition, Expr, ExprTrait as _, LockType, Order, Query};

use super::schema::{Grants, Sessions};
use super::{StoreError, Tx, logouts};

/// The most sessions that end with one statement: a user of an earlier release may have many.
const BATCH: u64 = 500;

/// The grants that end with a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndedGrants {
    /// Those without `offline_access`, and unused codes: the session has expired, or was logged out of.
    Online,
    /// All: somebody no longer trusts the session.
    All,
}

/// Ends the sessions that fulfil a condition. Returns how many.
///
/// Call this with the user's row locked, unless no request uses these sessions any more.
pub(super) async fn end(tx: &mut Tx, which: Condition, ends: EndedGrants, now: UnixTime) -> Result<u64, StoreError> {
    let mut total = 0;
    loop {
        let select = Query::select()
            .columns([Sessions::Id, Sessions::Sid, Sessions::CookieHash])
            .from(Sessions::Table)
            .cond_where(which.clone())
            .order_by(Sessions::Id, Order::Asc)
            .limit(BATCH)
            .lock(LockType::Update)
            .to_owned();
        let rows: Vec<(i64, String, Option<String>)> = tx.fetch_varying(&select).await?;
        if rows.is_empty() {
            return Ok(total);
        }
        let ids: Vec<_> = rows.iter().map(|(id, ..)| *id).collect();
        let delete =
            Query::delete().from_table(Sessions::Table).and_where(Expr::col(Sessions::Id).is_in(ids)).to_owned();
        total += tx.execute(&delete).await?;
        // Applications get nothing in other sessions.
        let is_last = (rows.len() as u64) < BATCH;
        let of_browsers = rows.into_iter().filter(|(.., cookie)| cookie.is_some()).map(|(_, sid, _)| sid);
        end_grants(tx, &of_browsers.collect::<Vec<_>>(), ends, now).await?;
        if is_last {
            return Ok(total);
        }
    }
}

/// Ends what applications got in sessions that have just ended.
pub(super) async fn end_grants(
    tx: &mut Tx,
    sids: &[String],
    ends: EndedGrants,
    now: UnixTime,
) -> Result<(), StoreError> {
    if sids.is_empty() {
        return Ok(());
    }
    let of_sessions = || Expr::col(Grants::Sid).is_in(sids);
    let mut delete = Query::delete();
    delete.from_table(Grants::Table).and_where(of_sessions());
    if ends == EndedGrants::Online {
        // A code is not yet anything that could be offline.
        let is_online = Expr::col(Grants::IsOffline).eq(false).or(Expr::col(Grants::CodeUsedAt).is_null());
        delete.and_where(is_online);
    }
    tx.execute(&delete).await?;
    if ends == EndedGrants::Online {
        let detach =
            Query::update().table(Grants::Table).value(Grants::IsDetached, true).and_where(of_sessions()).to_owned();
        tx.execute(&detach).await?;
    }
    // Now that the grants are deleted, `use_code` adds no receiver to these sessions any more.
    logouts::notify(tx, sids, now).await
}

/// One session of a user.
pub(super) fn one(user_id: i32, sid: &str) -> Condition {
    Condition::all().add(Expr::col(Sessions::Sid).eq(sid)).add(Expr::col(Sessions::UserId).eq(user_id))
}

/// All sessions of a user, except perhaps one.
pub(super) fn of_user(user_id: i32, keep: Option<&str>) -> Condition {
    let of_user = Condition::all().add(Expr::col(Sessions::UserId).eq(user_id));
    match keep {
        Some(sid) => of_user.add(Expr::col(Sessions::Sid).ne(sid)),
        None => of_user,
    }
}

/// The sessions that a user's old refresh tokens began: their id is that of the token. Any other session has an id of its
/// own.
pub(super) fn of_old_tokens(user_id: i32) -> Condition {
    of_user(user_id, None).add(Expr::col(Sessions::Sid).equals(Sessions::RefreshJti))
}

/// Those of these rows that also fulfil another condition.
pub(super) fn among(ids: Vec<i64>) -> Condition {
    Condition::all().add(Expr::col(Sessions::Id).is_in(ids))
}
