//! Receivers of logouts and grants without their session, which a server of release 0.2 has ended: it knows nothing of
//! applications, which are notified later.

use sc_auth_contract::time::UnixTime;
use sea_query::{Expr, ExprTrait as _, Order, Query, SelectStatement};

use super::schema::{Grants, LogoutReceivers, Sessions};
use super::session_ends::{EndedGrants, end_grants};
use super::{Store, StoreError, Tx};

/// The most rows to look at in one statement.
const BATCH: u64 = 500;
/// The batches of one sweep.
const BATCHES: usize = 20;

impl Store {
    /// Checks the next few thousand receivers after the id `after`, and ends what applications got in sessions that no longer
    /// exist. Returns the id to continue after, which is 0 after the last one.
    pub async fn end_orphaned(&self, after: i64, now: UnixTime) -> Result<i64, StoreError> {
        let mut after = after;
        for _ in 0..BATCHES {
            let rows: Vec<(i64, String, Option<i64>)> = self.fetch_all(&receivers_with_sessions(after)).await?;
            let Some((last, ..)) = rows.last() else { return Ok(0) };
            after = *last;
            let orphaned = rows.into_iter().filter(|(.., session)| session.is_none()).map(|(_, sid, _)| sid);
            let sids: Vec<_> = orphaned.collect();
            if !sids.is_empty() {
                self.transaction(|tx| {
                    let sids = sids.clone();
                    Box::pin(async move { end_all(tx, &sids, now).await })
                })
                .await?;
            }
        }
        Ok(after)
    }
}

fn receivers_with_sessions(after: i64) -> SelectStatement {
    let of_session = Expr::col((Sessions::Table, Sessions::Sid)).equals((LogoutReceivers::Table, LogoutReceivers::Sid));
    Query::select()
        .column((LogoutReceivers::Table, LogoutReceivers::Id))
        .column((LogoutReceivers::Table, LogoutReceivers::Sid))
        .expr_as(Expr::col((Sessions::Table, Sessions::Id)), "session_id")
        .from(LogoutReceivers::Table)
        .left_join(Sessions::Table, of_session)
        .and_where(Expr::col((LogoutReceivers::Table, LogoutReceivers::Id)).gt(after))
        .order_by((LogoutReceivers::Table, LogoutReceivers::Id), Order::Asc)
        .limit(BATCH)
        .to_owned()
}

/// Detached grants stay: an application that exchanges its code after the end of the session is notified of the end too.
async fn end_all(tx: &mut Tx, sids: &[String], now: UnixTime) -> Result<(), StoreError> {
    let delete = Query::delete()
        .from_table(Grants::Table)
        .and_where(Expr::col(Grants::Sid).is_in(sids))
        .and_where(Expr::col(Grants::IsDetached).eq(false))
        .to_owned();
    tx.execute(&delete).await?;
    end_grants(tx, sids, EndedGrants::Online, now).await
}
