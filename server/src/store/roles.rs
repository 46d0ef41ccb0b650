//! Roles.

use sea_query::{Expr, ExprTrait as _, Func, Order, Query, SubQueryStatement};
use sqlx::FromRow;

use super::schema::Roles;
use super::{Store, StoreError};

/// The role of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Role {
    Admin,
    #[default]
    User,
}

impl Role {
    pub const ALL: [Self; 2] = [Self::Admin, Self::User];

    /// The id in a new database; a database that was taken over may have another one.
    pub const fn usual_id(self) -> i32 {
        match self {
            Self::Admin => 1,
            Self::User => 2,
        }
    }

    pub const fn name(self) -> &'static str {
        match self {
            Self::Admin => "Admin",
            Self::User => "User",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }

    /// If a database has the role twice, new users get the first.
    pub(super) fn id_query(self) -> Expr {
        let select = Query::select()
            .expr(Func::min(Expr::col(Roles::Id)))
            .from(Roles::Table)
            .and_where(Expr::col(Roles::Name).eq(self.name()))
            .to_owned();
        Expr::from(SubQueryStatement::from(select))
    }
}

/// A role, as returned to clients.
#[derive(Debug, FromRow)]
pub struct RoleInfo {
    pub id: i32,
    pub name: Option<String>,
}

impl Store {
    pub async fn roles(&self) -> Result<Vec<RoleInfo>, StoreError> {
        let select = Query::select()
            .columns([Roles::Id, Roles::Name])
            .from(Roles::Table)
            .order_by(Roles::Id, Order::Asc)
            .to_owned();
        self.fetch_all(&select).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_found_by_its_exact_name() {
        assert_eq!(Role::from_name("Admin"), Some(Role::Admin));
        assert_eq!(Role::from_name("admin"), None);
    }
}
