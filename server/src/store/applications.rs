//! The applications that have access to a user's account.

use std::collections::BTreeMap;

use sc_auth_contract::time::UnixTime;
use sea_query::{Expr, ExprTrait as _, Order, Query};
use sqlx::FromRow;

use super::consents::{self, Consents};
use super::permissions::{Columns, Permissions};
use super::schema::{Grants, Sessions, Users};
use super::{NewEvent, Store, StoreError, User, grant_ends, guard, logouts};

/// The most grants and consents of a user to look at.
const MAX_ROWS: u64 = 10_000;

/// An application, and what it may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Application {
    /// The key of its declaration.
    pub client: String,
    pub permissions: Permissions,
    pub since: UnixTime,
}

#[derive(Debug, FromRow)]
struct Row {
    client: String,
    #[sqlx(flatten)]
    permissions: Columns,
    #[sqlx(try_from = "i64")]
    since: UnixTime,
}

impl Store {
    /// Those that a user has allowed something, or that have tokens.
    pub async fn applications(&self, user_id: i32, now: UnixTime) -> Result<Vec<Application>, StoreError> {
        let Some(digest) = self.password_digest(user_id).await? else { return Ok(Vec::new()) };
        let grants = Query::select()
            .columns([Grants::Client, Grants::Scopes, Grants::Audiences])
            .expr_as(Expr::col(Grants::CreatedAt), "since")
            .from(Grants::Table)
            .and_where(Expr::col(Grants::UserId).eq(user_id))
            .and_where(Expr::col(Grants::ExpiresAt).gt(now.seconds()))
            .and_where(Expr::col(Grants::CodeUsedAt).is_not_null())
            .and_where(Expr::col(Grants::PasswordDigest).eq(digest))
            .and_where(has_session_or_outlives_it(now))
            .order_by(Grants::Id, Order::Asc)
            .limit(MAX_ROWS)
            .to_owned();
        let given = Query::select()
            .columns([Consents::Client, Consents::Scopes, Consents::Audiences])
            .expr_as(Expr::col(Consents::GivenAt), "since")
            .from(Consents::Table)
            .and_where(Expr::col(Consents::UserId).eq(user_id))
            .limit(MAX_ROWS)
            .to_owned();
        let mut rows: Vec<Row> = self.fetch_all(&grants).await?;
        rows.extend(self.fetch_all::<Row>(&given).await?);
        Ok(by_client(rows))
    }

    async fn password_digest(&self, user_id: i32) -> Result<Option<String>, StoreError> {
        let select = Query::select()
            .column(Users::Password)
            .from(Users::Table)
            .and_where(Expr::col(Users::Id).eq(user_id))
            .to_owned();
        let hash: Option<(Option<String>,)> = self.fetch_optional(&select).await?;
        Ok(hash.and_then(|(hash,)| hash).as_deref().map(guard::password_digest))
    }

    /// Ends all that an application got from a user, and what the user allows it. It is notified that its sessions have ended.
    /// Returns whether there was anything.
    pub async fn revoke_application(&self, user: &User, client: &str, event: &NewEvent) -> Result<bool, StoreError> {
        self.transaction(|tx| {
            let (id, sub, client, event) = (user.id, user.uuid.clone(), client.to_owned(), event.clone());
            Box::pin(async move {
                guard::lock_users(tx, id, None).await?;
                let (ended, sids) = grant_ends::of_client(tx, id, &client).await?;
                let withdrawn = consents::withdraw(tx, id, &client).await?;
                logouts::notify_client(tx, &sub, &client, sids, event.at).await?;
                if ended + withdrawn == 0 {
                    return Ok(false);
                }
                tx.add_audit_event(&event).await?;
                Ok(true)
            })
        })
        .await
    }
}

/// As [`super::Grant::is_live`] says.
fn has_session_or_outlives_it(now: UnixTime) -> Expr {
    let session = |is_live: bool| {
        let mut select = Query::select();
        select
            .expr(Expr::val(1))
            .from(Sessions::Table)
            .and_where(Expr::col((Sessions::Table, Sessions::Sid)).equals((Grants::Table, Grants::Sid)));
        if is_live {
            select.and_where(Expr::col((Sessions::Table, Sessions::ExpiresAt)).gt(now.seconds()));
        }
        Expr::exists(select)
    };
    let is = |column| Expr::col((Grants::Table, column)).eq(true);
    let outlives = is(Grants::IsOffline).and(is(Grants::IsDetached).or(session(false)));
    session(true).or(outlives)
}

fn by_client(rows: Vec<Row>) -> Vec<Application> {
    let mut found: BTreeMap<String, Application> = BTreeMap::new();
    for Row { client, permissions, since } in rows {
        let application = found.entry(client.clone()).or_insert_with(|| Application {
            client,
            permissions: Permissions::default(),
            since,
        });
        application.permissions.add(permissions.into());
        application.since = application.since.min(since);
    }
    found.into_values().collect()
}
