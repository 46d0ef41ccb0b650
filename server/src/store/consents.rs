//! What users have consented to.

use sc_auth_contract::time::UnixTime;
use sea_query::{Expr, ExprTrait as _, Iden, OnConflict, Query};

use super::permissions::{Columns, Permissions};
use super::{Store, StoreError, Tx};

#[derive(Iden, Clone, Copy)]
pub(super) enum Consents {
    Table,
    Id,
    UserId,
    Client,
    Scopes,
    Audiences,
    GivenAt,
}

impl Store {
    /// What a user has allowed a client; `None` if nothing.
    pub async fn consent(&self, user_id: i32, client: &str) -> Result<Option<Permissions>, StoreError> {
        let select = Query::select()
            .columns([Consents::Scopes, Consents::Audiences])
            .from(Consents::Table)
            .and_where(Expr::col(Consents::UserId).eq(user_id))
            .and_where(Expr::col(Consents::Client).eq(client))
            .to_owned();
        let columns: Option<Columns> = self.fetch_optional(&select).await?;
        Ok(columns.map(Permissions::from))
    }

    /// Forgets the first consents while there are more than `most`. Returns how many.
    pub async fn limit_consents(&self, most: u64) -> Result<u64, StoreError> {
        self.keep_newest(Consents::Table, Consents::Id, most).await
    }

    /// Forgets what all users have allowed a client.
    pub(super) async fn delete_consents_of(&self, client: &str) -> Result<u64, StoreError> {
        let is_of_client = Expr::col(Consents::Client).eq(client);
        self.delete_where::<i64>(Consents::Table, Consents::Id, &is_of_client).await
    }
}

/// Returns how many were withdrawn.
pub(super) async fn withdraw(tx: &mut Tx, user_id: i32, client: &str) -> Result<u64, StoreError> {
    let delete = Query::delete()
        .from_table(Consents::Table)
        .and_where(Expr::col(Consents::UserId).eq(user_id))
        .and_where(Expr::col(Consents::Client).eq(client))
        .to_owned();
    tx.execute(&delete).await
}

/// Call this with the user's row locked.
pub(super) async fn give(
    tx: &mut Tx,
    user_id: i32,
    client: &str,
    allowed: &Permissions,
    now: UnixTime,
) -> Result<(), StoreError> {
    let Columns { scopes, audiences } = allowed.columns();
    let insert = Query::insert()
        .into_table(Consents::Table)
        .columns([Consents::UserId, Consents::Client, Consents::Scopes, Consents::Audiences, Consents::GivenAt])
        .values_panic([user_id.into(), client.into(), scopes.into(), audiences.into(), now.seconds().into()])
        .on_conflict(
            OnConflict::columns([Consents::UserId, Consents::Client])
                .update_columns([Consents::Scopes, Consents::Audiences, Consents::GivenAt])
                .to_owned(),
        )
        .to_owned();
    tx.execute_prepared(&insert).await.map(|_| ())
}

#[cfg(test)]
mod tests {
    use sqlx::{Connection as _, SqliteConnection};

    use crate::store::testing::migrated;

    #[tokio::test]
    async fn the_first_consents_are_forgotten_if_there_are_too_many() {
        let (_folder, url, store) = migrated().await;
        let mut connection = SqliteConnection::connect(&url).await.unwrap();
        let rows = "INSERT INTO users (id, uuid, username, password, role_id) VALUES (1, 'u', 'u', 'x', 2);
            INSERT INTO consents (user_id, client, scopes, given_at) VALUES
                (1, 'first', 'openid', 9), (1, 'second', 'openid', 1), (1, 'third', 'openid', 2)";
        sqlx::raw_sql(rows).execute(&mut connection).await.unwrap();
        for (most, forgotten, left) in
            [(3, 0, vec!["first", "second", "third"]), (2, 1, vec!["second", "third"]), (0, 2, vec![])]
        {
            assert_eq!(store.limit_consents(most).await.unwrap(), forgotten, "{most}");
            let sql = "SELECT client FROM consents ORDER BY id";
            let clients: Vec<String> = sqlx::query_scalar(sql).fetch_all(&mut connection).await.unwrap();
            assert_eq!(clients, left, "{most}");
        }
        connection.close().await.unwrap();
        store.close().await;
    }
}
