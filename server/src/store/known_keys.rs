//! Which keys servers had here. Where none of a server's keys is among them, and sessions live that were signed with
//! others, the keys were lost; a rotation or a revocation leaves some of them.

use sea_query::{Expr, ExprTrait as _, Iden, OnConflict, Query};

use super::sessions::Sessions;
use super::{Store, StoreError};

#[derive(Iden, Clone, Copy)]
enum ScAuthKeys {
    Table,
    Id,
    FirstSeenAt,
}

impl Store {
    /// Whether sessions live whose keys are gone, as far as `kids` are all that there are. Where nothing was lost,
    /// `kids` are known from now on. `now` is in seconds since 1970-01-01 UTC.
    pub async fn are_keys_lost(&self, kids: &[String], now: i64) -> Result<bool, StoreError> {
        let select = Query::select().column(ScAuthKeys::Id).from(ScAuthKeys::Table).to_owned();
        let known: Vec<(String,)> = self.fetch_all(&select).await?;
        let is_known = |kid: &&String| known.iter().any(|(known,)| known == *kid);
        let has_known = kids.iter().any(|kid| is_known(&kid));
        if !has_known && self.has_session(kids, now, false).await? {
            // A server of release 0.2 has noted no keys; then it is lost unless one session at least is ours.
            if !known.is_empty() || !self.has_session(kids, now, true).await? {
                return Ok(true);
            }
        }
        for kid in kids.iter().filter(|kid| !is_known(kid)) {
            let insert = Query::insert()
                .into_table(ScAuthKeys::Table)
                .columns([ScAuthKeys::Id, ScAuthKeys::FirstSeenAt])
                .values_panic([kid.as_str().into(), now.into()])
                .on_conflict(OnConflict::column(ScAuthKeys::Id).do_nothing_on([ScAuthKeys::Id]).to_owned())
                .to_owned();
            self.execute(&insert).await?;
        }
        Ok(false)
    }

    /// Whether a session lives whose refresh token was signed with one of `kids`, or with none of them.
    async fn has_session(&self, kids: &[String], now: i64, with: bool) -> Result<bool, StoreError> {
        let kid = Expr::col(Sessions::RefreshKid);
        let is_in = if with { kid.is_in(kids) } else { kid.is_not_in(kids) };
        let select = Query::select()
            .column(Sessions::Id)
            .from(Sessions::Table)
            .and_where(Expr::col(Sessions::ExpiresAt).gt(now))
            // Sessions that an old service's token began were signed with none of our keys.
            .and_where(Expr::col(Sessions::RefreshKid).ne(""))
            .and_where(is_in)
            .limit(1)
            .to_owned();
        Ok(!self.fetch_varying::<(i64,)>(&select).await?.is_empty())
    }
}
