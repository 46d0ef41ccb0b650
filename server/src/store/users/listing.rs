//! Lists users.

use sea_query::{Expr, ExprTrait as _, Func, LikeExpr, Order, SelectStatement};

use super::super::schema::{Roles, Users};
use super::super::{Role, Store, StoreError};
use super::{ListedUser, User, key_columns, select_users};
use crate::account::{Field, NO_PASSWORD, domain_key, fold};

/// The users to list.
#[derive(Debug, Default, Clone)]
pub struct UserFilter {
    /// Part of a user name, a name or an address.
    pub text: Option<String>,
    pub role: Option<Role>,
    pub disabled: Option<bool>,
}

fn matching(filter: &UserFilter) -> SelectStatement {
    let mut select = select_users();
    if let Some(text) = &filter.text {
        let pattern = |text: &str| {
            let escaped = text.replace('!', "!!").replace('%', "!%").replace('_', "!_");
            LikeExpr::new(format!("%{escaped}%")).escape('!')
        };
        let folded = fold(text);
        let by_name = Func::lower(Expr::col((Users::Table, Users::Name)));
        let mut found = Expr::expr(by_name).like(pattern(&text.to_lowercase()));
        for column in [Field::Username, Field::Email].into_iter().flat_map(key_columns) {
            found = found.or(Expr::col((Users::Table, column)).like(pattern(&folded)));
        }
        for column in key_columns(Field::Email) {
            // One of them has the domain in Unicode, whichever form was given.
            found = found.or(Expr::col((Users::Table, column)).like(pattern(&in_unicode(&folded))));
        }
        select.and_where(found);
    }
    if let Some(role) = filter.role {
        select.and_where(Expr::col((Roles::Table, Roles::Name)).eq(role.name()));
    }
    if let Some(disabled) = filter.disabled {
        select.and_where(Expr::col((Users::Table, Users::Disabled)).eq(disabled));
    }
    select
}

/// An address, a domain, or the end of either, with the domain in Unicode.
fn in_unicode(folded: &str) -> String {
    match folded.rsplit_once('@') {
        Some((local, domain)) => format!("{local}@{}", domain_key(domain)),
        None if folded.contains("xn--") => domain_key(folded),
        None => folded.to_owned(),
    }
}

impl Store {
    /// The users with ids after `after`, in order of their id.
    pub async fn users(&self, filter: &UserFilter, after: i32, limit: u64) -> Result<Vec<ListedUser>, StoreError> {
        let select = matching(filter)
            .and_where(Expr::col((Users::Table, Users::Id)).gt(after))
            .order_by((Users::Table, Users::Id), Order::Asc)
            .limit(limit)
            .to_owned();
        self.fetch_varying(&select).await.or_else(StoreError::found_nothing)
    }

    pub async fn has_admin(&self) -> Result<bool, StoreError> {
        let filter = UserFilter { role: Some(Role::Admin), ..UserFilter::default() };
        let mut select = matching(&filter);
        // In rows of the legacy service these may be NULL: such users cannot log in.
        for column in [Users::Uuid, Users::Username, Users::Password] {
            select.and_where(Expr::col((Users::Table, column)).is_not_null());
        }
        select.and_where(Expr::col((Users::Table, Users::Password)).ne(NO_PASSWORD));
        Ok(self.fetch_optional::<User>(select.limit(1)).await?.is_some())
    }
}
