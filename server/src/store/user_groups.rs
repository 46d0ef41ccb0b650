//! The groups of users. Applications get them as a claim, and may be for the members of some only.

use std::collections::HashMap;

use sea_query::{Expr, ExprTrait as _, Iden, Query};

use super::{Store, StoreError, Tx};

#[derive(Iden, Clone, Copy)]
enum UserGroups {
    Table,
    UserId,
    GroupName,
}

/// The most rows to insert in one statement.
const ROWS: usize = 2_000;

/// Groups by the id of their user; users without groups are missing.
pub type GroupsOfUsers = HashMap<i32, Vec<String>>;

impl Store {
    /// The groups of a user, in order of their names.
    pub async fn groups(&self, user_id: i32) -> Result<Vec<String>, StoreError> {
        let select = Query::select()
            .column(UserGroups::GroupName)
            .from(UserGroups::Table)
            .and_where(Expr::col(UserGroups::UserId).eq(user_id))
            .to_owned();
        let rows: Vec<(String,)> = self.fetch_all(&select).await?;
        let mut groups: Vec<_> = rows.into_iter().map(|(name,)| name).collect();
        // Here, because engines have different orders.
        groups.sort_unstable();
        Ok(groups)
    }

    /// The groups of the users of a page.
    pub async fn groups_of_users(&self, ids: impl Iterator<Item = i32>) -> Result<GroupsOfUsers, StoreError> {
        let ids: Vec<_> = ids.collect();
        let mut groups = GroupsOfUsers::new();
        if ids.is_empty() {
            return Ok(groups);
        }
        let select = Query::select()
            .columns([UserGroups::UserId, UserGroups::GroupName])
            .from(UserGroups::Table)
            .and_where(Expr::col(UserGroups::UserId).is_in(ids))
            .to_owned();
        let rows: Vec<(i32, String)> = self.fetch_varying(&select).await?;
        for (id, name) in rows {
            groups.entry(id).or_default().push(name);
        }
        for names in groups.values_mut() {
            names.sort_unstable();
        }
        Ok(groups)
    }
}

/// Replaces the groups of a user. Call this with the user's row locked.
pub(super) async fn set(tx: &mut Tx, user_id: i32, groups: &[String]) -> Result<(), StoreError> {
    let delete =
        Query::delete().from_table(UserGroups::Table).and_where(Expr::col(UserGroups::UserId).eq(user_id)).to_owned();
    tx.execute_prepared(&delete).await?;
    add(tx, groups.iter().map(|name| (user_id, name.clone())).collect()).await
}

/// Adds groups to users who do not have them.
pub(super) async fn add(tx: &mut Tx, rows: Vec<(i32, String)>) -> Result<(), StoreError> {
    for rows in rows.chunks(ROWS) {
        let mut insert = Query::insert();
        insert.into_table(UserGroups::Table).columns([UserGroups::UserId, UserGroups::GroupName]);
        for (user_id, name) in rows {
            insert.values_panic([(*user_id).into(), name.as_str().into()]);
        }
        tx.execute(&insert).await?;
    }
    Ok(())
}
