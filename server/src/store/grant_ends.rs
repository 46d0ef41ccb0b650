//! Ends grants together with what they depend on.

use sea_query::{Expr, ExprTrait as _, Query};

use super::schema::Grants;
use super::{StoreError, Tx};

/// Ends the grants of a session that somebody ended: those that are offline too.
pub(super) async fn of_session(tx: &mut Tx, user_id: i32, sid: &str) -> Result<(), StoreError> {
    let delete = Query::delete()
        .from_table(Grants::Table)
        .and_where(Expr::col(Grants::Sid).eq(sid))
        .and_where(Expr::col(Grants::UserId).eq(user_id))
        .to_owned();
    tx.execute_prepared(&delete).await.map(|_| ())
}

/// Ends the grants of a user, except those of one session.
pub(super) async fn of_user(tx: &mut Tx, user_id: i32, keep: Option<&str>) -> Result<(), StoreError> {
    let mut delete = Query::delete();
    delete.from_table(Grants::Table).and_where(Expr::col(Grants::UserId).eq(user_id));
    if let Some(sid) = keep {
        delete.and_where(Expr::col(Grants::Sid).ne(sid));
    }
    tx.execute(&delete).await.map(|_| ())
}
