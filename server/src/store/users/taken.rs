//! Whether a name or an address belongs to another user already. The unique indexes refuse an equal key of release 0.2;
//! here also equal are the keys of this release, and a name and an address: a user could otherwise pass for the owner of
//! the address.

use std::collections::{BTreeSet, HashSet};

use sea_query::{Expr, ExprTrait as _, Query};

use super::super::error::UniqueField;
use super::super::schema::Users;
use super::super::{StoreError, Tx, identity};
use super::key_columns;
use crate::account::{Field, forms};

/// The keys of a user's names that nobody else may have.
#[derive(Debug, Default, Clone)]
pub struct Names {
    username: BTreeSet<String>,
    email: BTreeSet<String>,
}

impl Names {
    pub fn of(username: Option<&str>, email: Option<&str>) -> Self {
        let forms = |field, text: Option<&str>| text.map(|text| forms(field, text)).unwrap_or_default();
        Self { username: forms(Field::Username, username), email: forms(Field::Email, email) }
    }

    /// Whether one of these existing keys of names and addresses is equal, and to which of them.
    pub fn taken(&self, names: &HashSet<String>, addresses: &HashSet<String>) -> Option<(UniqueField, UniqueField)> {
        let among =
            |forms: &BTreeSet<String>, existing: &HashSet<String>| forms.iter().any(|key| existing.contains(key));
        [
            (UniqueField::Username, &self.username, UniqueField::Username, names),
            (UniqueField::Email, &self.email, UniqueField::Email, addresses),
            (UniqueField::Username, &self.username, UniqueField::Email, addresses),
            (UniqueField::Email, &self.email, UniqueField::Username, names),
        ]
        .into_iter()
        .find_map(|(own, forms, other, existing)| among(forms, existing).then_some((own, other)))
    }

    pub const fn username(&self) -> &BTreeSet<String> {
        &self.username
    }

    pub const fn email(&self) -> &BTreeSet<String> {
        &self.email
    }

    pub fn keys(&self) -> impl Iterator<Item = &String> {
        self.username.union(&self.email)
    }
}

/// Lets one transaction at a time look for names and add some, until it ends: no index spans names and addresses, and a
/// key of this release need not be unique. Call this before anything else: all transactions take this lock first, so
/// that none waits for it with a lock that its owner needs.
pub async fn lock_names(tx: &mut Tx) -> Result<(), StoreError> {
    identity::lock(tx).await
}

/// The keys of names and of addresses, among these, that users other than `own_id` have.
pub async fn existing_names(
    tx: &mut Tx,
    own_id: Option<i32>,
    keys: Vec<String>,
) -> Result<(HashSet<String>, HashSet<String>), StoreError> {
    let (mut names, mut addresses) = (HashSet::new(), HashSet::new());
    for (field, text, found) in
        [(Field::Username, Users::Username, &mut names), (Field::Email, Users::Email, &mut addresses)]
    {
        let [unique, other] = key_columns(field);
        for (column, is_unique) in [(unique, true), (other, false)] {
            let mut select = Query::select();
            select.columns([column, text]).from(Users::Table).and_where(Expr::col(column).is_in(keys.clone()));
            if let Some(id) = own_id {
                select.and_where(Expr::col(Users::Id).ne(id));
            }
            let rows: Vec<(String, Option<String>)> = tx.fetch_varying(&select).await?;
            found.extend(
                rows.into_iter()
                    .filter(|(key, text)| is_unique || is_key(field, text.as_deref(), key))
                    .map(|(key, _)| key),
            );
        }
    }
    Ok((names, addresses))
}

/// Whether the row's key belongs to its text. A server of release 0.2 that changes an address leaves the present key of
/// the former one.
fn is_key(field: Field, text: Option<&str>, key: &str) -> bool {
    text.is_some_and(|text| forms(field, text).contains(key))
}

/// Call this after [`lock_names`].
///
/// # Errors
/// [`StoreError::Taken`] if another user than `own_id` has the name or the address, as a name or as an address.
pub async fn refuse_taken(
    tx: &mut Tx,
    own_id: Option<i32>,
    username: Option<&str>,
    email: Option<&str>,
) -> Result<(), StoreError> {
    let names = Names::of(username, email);
    let (taken, addresses) = existing_names(tx, own_id, names.keys().cloned().collect()).await?;
    match names.taken(&taken, &addresses) {
        Some((field, _)) => Err(StoreError::Taken(field)),
        None => Ok(()),
    }
}
