//! The pairs of issuer and audience that tokens were signed for. A token with one of these pairs stays valid until it
//! expires, so that a new host name or audience does not log users out.

use sc_auth_contract::time::UnixTime;
use sea_query::{Expr, ExprTrait as _, Iden, Query};
use sqlx::FromRow;

use super::{Store, StoreError};

#[derive(Iden, Clone, Copy)]
pub(super) enum TokenParties {
    Table,
    Id,
    Issuer,
    Audience,
    LastExp,
}

/// An issuer, its audience and the expiry of the last token that was signed for them.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Party {
    /// A digest of the other two, short enough for a primary key.
    pub id: String,
    pub issuer: String,
    /// JSON, like the claim `aud`.
    pub audience: String,
    #[sqlx(try_from = "i64")]
    pub last_exp: UnixTime,
}

impl Store {
    /// The pairs whose last token has not expired.
    pub async fn parties(&self, now: UnixTime) -> Result<Vec<Party>, StoreError> {
        let select = Query::select()
            .columns([TokenParties::Id, TokenParties::Issuer, TokenParties::Audience, TokenParties::LastExp])
            .from(TokenParties::Table)
            .and_where(Expr::col(TokenParties::LastExp).gt(now.seconds()))
            .to_owned();
        self.fetch_all(&select).await
    }

    /// Keeps a pair until `party.last_exp` at least.
    pub async fn keep_party(&self, party: &Party) -> Result<(), StoreError> {
        let extend = Query::update()
            .table(TokenParties::Table)
            .value(TokenParties::LastExp, party.last_exp.seconds())
            .and_where(Expr::col(TokenParties::Id).eq(party.id.as_str()))
            .and_where(Expr::col(TokenParties::LastExp).lt(party.last_exp.seconds()))
            .to_owned();
        if self.execute(&extend).await? > 0 {
            return Ok(());
        }
        // The pair does not exist, or another replica keeps it longer: then the insertion changes nothing.
        let insert = Query::insert()
            .into_table(TokenParties::Table)
            .columns([TokenParties::Id, TokenParties::Issuer, TokenParties::Audience, TokenParties::LastExp])
            .values_panic([
                party.id.as_str().into(),
                party.issuer.as_str().into(),
                party.audience.as_str().into(),
                party.last_exp.seconds().into(),
            ])
            .on_conflict(sea_query::OnConflict::column(TokenParties::Id).do_nothing_on([TokenParties::Id]).to_owned())
            .to_owned();
        self.execute(&insert).await.map(|_| ())
    }
}
