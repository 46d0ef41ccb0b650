//! Imports and exports many users at once.

use std::collections::{HashMap, HashSet};

use sc_auth_contract::time::UnixTime;
use sea_query::{Expr, ExprTrait as _, LikeExpr, Order, Query};
use sqlx::FromRow;
use time::PrimitiveDateTime;

use super::schema::Users;
use super::user_groups;
use super::users::{Names, existing_names, insertion, lock_names, row, select_users};
use super::{ListedUser, NewEvent, NewUser, Store, StoreError, Tx};

/// A user with all data.
#[derive(Debug, FromRow)]
pub struct ExportedUser {
    #[sqlx(flatten)]
    pub user: ListedUser,
    pub password: Option<String>,
    pub created_at: Option<PrimitiveDateTime>,
}

/// The columns of a user that the legacy service's table also has.
#[derive(Debug, FromRow)]
pub struct OldRow {
    pub id: i32,
    pub uuid: Option<String>,
    pub username: Option<String>,
    pub email: Option<String>,
    pub password: Option<String>,
    pub name: Option<String>,
    pub role_id: Option<i32>,
    /// Whether the column is NULL. Its value is not read, because it may not be a valid time.
    pub no_created_at: bool,
    pub no_updated_at: bool,
}

/// A user of a file, with the number of its line.
type Numbered = (u64, NewUser);

impl Store {
    /// Creates all users of a batch except those whose names are taken, in one transaction. Returns the line numbers of
    /// the others, and the reasons. The event says how many users are new.
    pub async fn import(
        &self,
        batch: &[Numbered],
        event: &NewEvent,
        now: UnixTime,
    ) -> Result<Vec<(u64, String)>, StoreError> {
        self.transaction(|tx| {
            let (batch, event) = (batch.to_vec(), event.clone());
            Box::pin(async move {
                let count = batch.len();
                let refused = import(tx, batch, now).await?;
                if refused.len() < count {
                    tx.add_audit_event(&event.about((count - refused.len()) as u64, "user")).await?;
                }
                Ok(refused)
            })
        })
        .await
    }

    pub async fn export(&self, after: i32, limit: u64) -> Result<Vec<ExportedUser>, StoreError> {
        let select = select_users()
            .column((Users::Table, Users::Password))
            .column((Users::Table, Users::CreatedAt))
            .and_where(Expr::col((Users::Table, Users::Id)).gt(after))
            .order_by((Users::Table, Users::Id), Order::Asc)
            .limit(limit)
            .to_owned();
        self.fetch_all(&select).await
    }

    /// Users, readable before a migration too.
    pub async fn old_rows(&self, after: i32, limit: u64) -> Result<Vec<OldRow>, StoreError> {
        let select = Query::select()
            .columns([
                Users::Id,
                Users::Uuid,
                Users::Username,
                Users::Email,
                Users::Password,
                Users::Name,
                Users::RoleId,
            ])
            .expr_as(Expr::col(Users::CreatedAt).is_null(), "no_created_at")
            .expr_as(Expr::col(Users::UpdatedAt).is_null(), "no_updated_at")
            .from(Users::Table)
            .and_where(Expr::col(Users::Id).gt(after))
            .order_by(Users::Id, Order::Asc)
            .limit(limit)
            .to_owned();
        self.fetch_all(&select).await
    }

    /// The hashes of the next users after `after`, by id: `None` for one that begins with `ours`. A huge table is read in
    /// such slices: one statement for all would take longer than a connection may wait.
    pub async fn hash_slice(
        &self,
        ours: &str,
        after: i32,
        limit: u64,
    ) -> Result<Vec<(i32, Option<String>)>, StoreError> {
        let is_ours = Expr::col(Users::Password).like(beginning(ours));
        let imported = Expr::case(is_ours, Expr::val(None::<String>)).finally(Expr::col(Users::Password));
        let select = Query::select()
            .column(Users::Id)
            .expr_as(imported, "imported")
            .from(Users::Table)
            .and_where(Expr::col(Users::Id).gt(after))
            .and_where(Expr::col(Users::Password).is_not_null())
            .order_by(Users::Id, Order::Asc)
            .limit(limit)
            .to_owned();
        self.fetch_all(&select).await
    }
}

fn beginning(text: &str) -> LikeExpr {
    LikeExpr::new(format!("{text}%"))
}

async fn import(tx: &mut Tx, batch: Vec<Numbered>, now: UnixTime) -> Result<Vec<(u64, String)>, StoreError> {
    let users: Vec<_> = batch
        .into_iter()
        .map(|(number, user)| (number, Names::of(Some(&user.username), user.email.as_deref()), user))
        .collect();
    let keys = users.iter().flat_map(|(_, own, _)| own.keys().cloned()).collect();
    lock_names(tx).await?;
    let (mut names, mut addresses) = existing_names(tx, None, keys).await?;
    let mut uuids = existing(tx, Users::Uuid, users.iter().map(|(.., user)| user.uuid.clone()).collect()).await?;
    let (mut refused, mut rows, mut groups) = (Vec::new(), Vec::new(), Vec::new());
    for (number, own, user) in users {
        let problem = match own.taken(&names, &addresses) {
            Some((field, other)) if field == other => Some(format!("{} already exists", field.as_str())),
            Some((field, other)) => Some(format!("{} is the {} of another user", field.as_str(), other.as_str())),
            None => uuids.contains(&user.uuid).then(|| "uuid already exists".to_owned()),
        };
        if let Some(problem) = problem {
            refused.push((number, problem));
            continue;
        }
        names.extend(own.username().iter().cloned());
        addresses.extend(own.email().iter().cloned());
        uuids.insert(user.uuid.clone());
        if !user.groups.is_empty() {
            groups.push((user.uuid.clone(), user.groups.clone()));
        }
        rows.push(row(user, now));
    }
    if !rows.is_empty() {
        tx.execute(&insertion(rows)).await?;
        add_groups(tx, groups).await?;
    }
    Ok(refused)
}

/// Adds the groups of new users, by their uuids.
async fn add_groups(tx: &mut Tx, groups: Vec<(String, Vec<String>)>) -> Result<(), StoreError> {
    if groups.is_empty() {
        return Ok(());
    }
    let select = Query::select()
        .columns([Users::Uuid, Users::Id])
        .from(Users::Table)
        .and_where(Expr::col(Users::Uuid).is_in(groups.iter().map(|(uuid, _)| uuid.as_str())))
        .to_owned();
    let ids: HashMap<String, i32> = tx.fetch_varying::<(String, i32)>(&select).await?.into_iter().collect();
    let of_user = |(uuid, names): (String, Vec<String>)| {
        let id = ids.get(&uuid).copied();
        names.into_iter().filter_map(move |name| Some((id?, name)))
    };
    user_groups::add(tx, groups.into_iter().flat_map(of_user).collect()).await
}

async fn existing(tx: &mut Tx, column: Users, values: Vec<String>) -> Result<HashSet<String>, StoreError> {
    let select =
        Query::select().column(column).from(Users::Table).and_where(Expr::col(column).is_in(values)).to_owned();
    let rows: Vec<(Option<String>,)> = tx.fetch_varying(&select).await?;
    Ok(rows.into_iter().filter_map(|(value,)| value).collect())
}
