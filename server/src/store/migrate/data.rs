//! Creates required rows, and completes rows that the legacy service has written.

use sea_query::{Expr, ExprTrait as _, Order, Query};

use crate::account::{Field, former_fold, key};
use crate::store::schema::{Roles, Users};
use crate::store::users::{key_columns, keys};
use crate::store::{Engine, Role, StoreError, Tx};

const BATCH: u64 = 500;

pub async fn complete(tx: &mut Tx) -> Result<(), StoreError> {
    create_roles(tx).await?;
    fill_keys(tx).await
}

/// Fills in the present keys of rows whose keys of release 0.2, which stay, differ from them.
pub async fn fill_folds(tx: &mut Tx) -> Result<(), StoreError> {
    let mut last = 0;
    loop {
        commit_batch(tx).await?;
        let rows = names(tx, last).await?;
        let Some((id, ..)) = rows.last() else { return Ok(()) };
        last = *id;
        for (id, username, email) in &rows {
            for (field, text) in [(Field::Username, username), (Field::Email, email)] {
                if let Some(text) = text {
                    set_fold(tx, *id, field, text).await?;
                }
            }
        }
    }
}

async fn names(tx: &mut Tx, after: i32) -> Result<Vec<Names>, StoreError> {
    let select = Query::select()
        .columns([Users::Id, Users::Username, Users::Email])
        .from(Users::Table)
        .and_where(Expr::col(Users::Id).gt(after))
        .order_by(Users::Id, Order::Asc)
        .limit(BATCH)
        .to_owned();
    tx.fetch_all(&select).await
}

async fn set_fold(tx: &mut Tx, id: i32, field: Field, text: &str) -> Result<(), StoreError> {
    if key(field, text) == former_fold(text) {
        return Ok(());
    }
    let [_, (column, folded)] = keys(field, Some(text));
    let update =
        Query::update().table(Users::Table).value(column, folded).and_where(Expr::col(Users::Id).eq(id)).to_owned();
    tx.execute(&update).await.map(|_| ())
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
            for (field, value) in [(Field::Username, username), (Field::Email, email)] {
                let Some(value) = value else { continue };
                let [column, _] = key_columns(field);
                set_fold(tx, *id, field, value).await?;
                if !set_key(tx, *id, column, &former_fold(value)).await? {
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
