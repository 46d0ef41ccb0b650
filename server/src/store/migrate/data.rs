//! Creates required rows, and completes rows that the legacy service has written.

use sea_query::{Expr, ExprTrait as _, Order, Query};

use crate::account::{Field, key};
use crate::store::schema::{Roles, Users};
use crate::store::{Engine, Role, StoreError, Tx};

const BATCH: u64 = 500;

/// The columns of keys, and what each is made of.
const KEYS: [(Users, Field); 2] = [(Users::UsernameKey, Field::Username), (Users::EmailKey, Field::Email)];

pub async fn complete(tx: &mut Tx) -> Result<(), StoreError> {
    create_roles(tx).await?;
    fill_keys(tx).await
}

/// Replaces the keys of earlier releases, which folded case and domains less thoroughly. A row keeps its key if another
/// row has the new one: its user is found as before.
pub async fn renew_keys(tx: &mut Tx) -> Result<(), StoreError> {
    let mut last = 0;
    loop {
        commit_batch(tx).await?;
        let rows = with_keys(tx, last).await?;
        let Some((id, ..)) = rows.last() else { return Ok(()) };
        last = *id;
        for (id, username, email, username_key, email_key) in &rows {
            for ((column, field), (value, former)) in
                KEYS.into_iter().zip([(username, username_key), (email, email_key)])
            {
                let (Some(value), Some(former)) = (value, former) else { continue };
                let new = key(field, value);
                if new != *former && !set_key(tx, *id, column, &new).await? {
                    tracing::warn!(user_id = id, ?column, "two users have names or addresses that differ only in form");
                }
            }
        }
    }
}

type Keyed = (i32, Option<String>, Option<String>, Option<String>, Option<String>);

async fn with_keys(tx: &mut Tx, after: i32) -> Result<Vec<Keyed>, StoreError> {
    let select = Query::select()
        .columns([Users::Id, Users::Username, Users::Email, Users::UsernameKey, Users::EmailKey])
        .from(Users::Table)
        .and_where(Expr::col(Users::Id).gt(after))
        .order_by(Users::Id, Order::Asc)
        .limit(BATCH)
        .to_owned();
    tx.fetch_all(&select).await
}

/// Creates missing roles. The legacy service may have them under other ids, or twice.
async fn create_roles(tx: &mut Tx) -> Result<(), StoreError> {
    let select = Query::select().columns([Roles::Id, Roles::Name]).from(Roles::Table).to_owned();
    let mut found: Vec<(i32, Option<String>)> = tx.fetch_all(&select).await?;
    for role in Role::ALL {
        if found.iter().any(|(_, name)| name.as_deref() == Some(role.name())) {
            continue;
        }
        let next = found.iter().map(|(id, _)| *id).max().unwrap_or(0) + 1;
        let id = if found.iter().any(|(id, _)| *id == role.usual_id()) { next } else { role.usual_id() };
        let insert = Query::insert()
            .into_table(Roles::Table)
            .columns([Roles::Id, Roles::Name])
            .values_panic([id.into(), role.name().into()])
            .to_owned();
        tx.execute(&insert).await?;
        found.push((id, Some(role.name().into())));
    }
    Ok(())
}

/// Fills in missing keys. If two rows have the same folded key, the older gets it; the other is found only by its exact
/// name.
async fn fill_keys(tx: &mut Tx) -> Result<(), StoreError> {
    let (mut last, mut count) = (0, 0_u64);
    loop {
        commit_batch(tx).await?;
        let rows = without_key(tx, last).await?;
        let Some((id, ..)) = rows.last() else { return Ok(()) };
        last = *id;
        for (id, username, email) in &rows {
            for ((column, field), value) in KEYS.into_iter().zip([username, email]) {
                let Some(value) = value else { continue };
                if !set_key(tx, *id, column, &key(field, value)).await? {
                    tracing::warn!(user_id = id, ?column, "two users have names or addresses that differ only in case");
                }
            }
        }
        let before = count / 10_000;
        count += rows.len() as u64;
        if count / 10_000 > before {
            tracing::info!(count, "filling in the keys of users");
        }
    }
}

/// On MySQL, where schema changes have ended the transaction, makes each batch a transaction: flushing every row to
/// disk would take hours.
async fn commit_batch(tx: &mut Tx) -> Result<(), StoreError> {
    if tx.engine() == Engine::MySql {
        tx.raw("COMMIT").await?;
        tx.raw("START TRANSACTION").await?;
    }
    Ok(())
}

type Names = (i32, Option<String>, Option<String>);

async fn without_key(tx: &mut Tx, after: i32) -> Result<Vec<Names>, StoreError> {
    let is_missing = |value, key| Expr::col(value).is_not_null().and(Expr::col(key).is_null());
    let select = Query::select()
        .columns([Users::Id, Users::Username, Users::Email])
        .from(Users::Table)
        .and_where(Expr::col(Users::Id).gt(after))
        .and_where(is_missing(Users::Username, Users::UsernameKey).or(is_missing(Users::Email, Users::EmailKey)))
        .order_by(Users::Id, Order::Asc)
        .limit(BATCH)
        .to_owned();
    tx.fetch_all(&select).await
}

/// Sets a row's key unless another row has it, and returns whether this row has it now. It queries the key first,
/// because a violated constraint would abort a transaction on PostgreSQL; the lock excludes other migrations.
async fn set_key(tx: &mut Tx, id: i32, column: Users, key: &str) -> Result<bool, StoreError> {
    let owner = Query::select().column(Users::Id).from(Users::Table).and_where(Expr::col(column).eq(key)).to_owned();
    let owner: Option<(i32,)> = tx.fetch_optional(&owner).await?;
    if let Some((owner,)) = owner {
        return Ok(owner == id);
    }
    let update =
        Query::update().table(Users::Table).value(column, key).and_where(Expr::col(Users::Id).eq(id)).to_owned();
    tx.execute(&update).await.map(|_| true)
}
