//! The legacy service's tokens, one row each. Only a database that was taken over has them.

use sea_query::{Expr, ExprTrait as _, Query, SelectStatement, UpdateStatement};

use super::schema::Tokens;
use super::{Store, StoreError, Tx};

impl Store {
    /// Whether a token of that id, kind and user was issued and not revoked.
    pub async fn is_old_token_valid(&self, jti: &str, kind: &str, user_uuid: &str) -> Result<bool, StoreError> {
        if !self.has_old_tables() {
            return Ok(false);
        }
        let select = revocation(jti, kind, user_uuid);
        Ok(self.fetch_optional::<(Option<bool>,)>(&select).await? == Some((Some(false),)))
    }
}

/// Which of a user's old tokens to revoke.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Revoked {
    /// The one with this id.
    One(String),
    All,
}

pub(super) async fn revoke(tx: &mut Tx, revoked: Revoked, user_uuid: &str) -> Result<(), StoreError> {
    let mut revoke = revoke_old_tokens(user_uuid);
    if let Revoked::One(jti) = revoked {
        revoke.and_where(Expr::col(Tokens::Jti).eq(jti));
    }
    tx.execute(&revoke).await.map(|_| ())
}

/// Whether a token of the legacy service was revoked; the row must match its user and type too.
pub(super) fn revocation(jti: &str, kind: &str, user_uuid: &str) -> SelectStatement {
    Query::select()
        .column(Tokens::Revoked)
        .from(Tokens::Table)
        .and_where(Expr::col(Tokens::Jti).eq(jti))
        .and_where(Expr::col(Tokens::TokenType).eq(kind))
        .and_where(Expr::col(Tokens::UserUuid).eq(user_uuid))
        .to_owned()
}

/// Revokes all of a user's old tokens.
pub(super) fn revoke_old_tokens(user_uuid: &str) -> UpdateStatement {
    Query::update()
        .table(Tokens::Table)
        .value(Tokens::Revoked, true)
        .and_where(Expr::col(Tokens::UserUuid).eq(user_uuid))
        .to_owned()
}
