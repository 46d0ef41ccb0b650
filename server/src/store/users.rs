//! Users and their roles.

use sea_query::{Expr, ExprTrait as _, Iden, Order, Query, SelectStatement};
use serde::Serialize;
use sqlx::FromRow;
use time::{OffsetDateTime, PrimitiveDateTime};
use unicode_normalization::UnicodeNormalization as _;

use super::{Store, StoreError};

#[derive(Iden, Clone, Copy)]
pub(super) enum Users {
    Table,
    Id,
    Uuid,
    Email,
    Username,
    Password,
    Name,
    RoleId,
    CreatedAt,
    UpdatedAt,
    UsernameKey,
    EmailKey,
}

/// What a user may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Admin,
    User,
}

impl Role {
    pub const fn id(self) -> i32 {
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
        [Self::Admin, Self::User].into_iter().find(|role| role.name() == name)
    }

    pub fn from_id(id: i32) -> Option<Self> {
        [Self::Admin, Self::User].into_iter().find(|role| role.id() == id)
    }
}

/// A user as clients see one; the order of the fields is theirs too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, FromRow)]
pub struct User {
    #[serde(skip)]
    pub id: i32,
    pub name: Option<String>,
    pub email: Option<String>,
    pub role_id: i32,
    pub username: String,
    pub uuid: String,
}

/// A user who does not exist yet.
#[derive(Debug)]
pub struct NewUser {
    /// 32 hexadecimal digits.
    pub uuid: String,
    pub username: String,
    pub name: String,
    pub email: Option<String>,
    /// A PHC string.
    pub password_hash: String,
    pub role: Role,
}

/// What to change of a user; `None` leaves a column as it is.
#[derive(Debug, Default)]
pub struct Changes {
    pub name: Option<String>,
    pub email: Option<String>,
    pub password_hash: Option<String>,
    pub role: Option<Role>,
}

/// A user and the hash of that user's password, a PHC string.
#[derive(Debug, FromRow)]
pub struct Credentials {
    #[sqlx(flatten)]
    pub user: User,
    pub password: String,
}

/// The key under which a name is unique: compatibility form (NFKC), lower case, no space around it. The same on
/// all engines, whatever their collations say.
pub fn fold(name: &str) -> String {
    name.trim().nfkc().collect::<String>().to_lowercase().nfkc().collect()
}

/// Selects what [`User`] holds.
pub(super) fn columns(select: &mut SelectStatement) -> &mut SelectStatement {
    for column in [Users::Id, Users::Name, Users::Email, Users::RoleId, Users::Username, Users::Uuid] {
        select.column((Users::Table, column));
    }
    select
}

impl Store {
    /// # Errors
    /// [`StoreError::Taken`] where the name or the address belongs to another user.
    pub async fn create_user(&self, user: NewUser, now: OffsetDateTime) -> Result<(), StoreError> {
        let (username_key, email_key) = (fold(&user.username), user.email.as_deref().map(fold));
        let now = to_datetime(now);
        let mut insert = Query::insert();
        insert
            .into_table(Users::Table)
            .columns([
                Users::Uuid,
                Users::Email,
                Users::Username,
                Users::Password,
                Users::Name,
                Users::RoleId,
                Users::CreatedAt,
                Users::UpdatedAt,
                Users::UsernameKey,
                Users::EmailKey,
            ])
            .values_panic([
                user.uuid.into(),
                user.email.into(),
                user.username.into(),
                user.password_hash.into(),
                user.name.into(),
                user.role.id().into(),
                now.into(),
                now.into(),
                username_key.into(),
                email_key.into(),
            ]);
        self.execute(&insert).await.map(|_| ())
    }

    /// The user of that name with the hash of the password.
    pub async fn credentials(&self, username: &str) -> Result<Option<Credentials>, StoreError> {
        let select = columns(&mut Query::select())
            .column((Users::Table, Users::Password))
            .from(Users::Table)
            .and_where(Expr::col(Users::UsernameKey).eq(fold(username)))
            .to_owned();
        self.fetch_optional(&select).await
    }

    pub async fn user_by_username(&self, username: &str) -> Result<Option<User>, StoreError> {
        let select = columns(&mut Query::select())
            .from(Users::Table)
            .and_where(Expr::col(Users::UsernameKey).eq(fold(username)))
            .to_owned();
        self.fetch_optional(&select).await
    }

    /// All users, in order of their id.
    pub async fn users(&self) -> Result<Vec<User>, StoreError> {
        let select = columns(&mut Query::select()).from(Users::Table).order_by(Users::Id, Order::Asc).to_owned();
        self.fetch_all(&select).await
    }

    pub async fn has_admin(&self) -> Result<bool, StoreError> {
        let select = columns(&mut Query::select())
            .from(Users::Table)
            .and_where(Expr::col(Users::RoleId).eq(Role::Admin.id()))
            .limit(1)
            .to_owned();
        let user: Option<User> = self.fetch_optional(&select).await?;
        Ok(user.is_some())
    }

    /// Returns whether there is such a user.
    ///
    /// # Errors
    /// [`StoreError::Taken`] where the address belongs to another user.
    pub async fn change_user(&self, uuid: &str, changes: Changes, now: OffsetDateTime) -> Result<bool, StoreError> {
        let mut update = Query::update();
        update.table(Users::Table).value(Users::UpdatedAt, to_datetime(now)).and_where(Expr::col(Users::Uuid).eq(uuid));
        if let Some(name) = changes.name {
            update.value(Users::Name, name);
        }
        if let Some(email) = changes.email {
            update.value(Users::EmailKey, fold(&email)).value(Users::Email, email);
        }
        if let Some(hash) = changes.password_hash {
            update.value(Users::Password, hash);
        }
        if let Some(role) = changes.role {
            update.value(Users::RoleId, role.id());
        }
        Ok(self.execute(&update).await? > 0)
    }

    /// Deletes a user with all of that user's sessions. Returns whether there was one.
    pub async fn delete_user(&self, uuid: &str) -> Result<bool, StoreError> {
        let delete = Query::delete().from_table(Users::Table).and_where(Expr::col(Users::Uuid).eq(uuid)).to_owned();
        Ok(self.execute(&delete).await? > 0)
    }
}

/// The old service's columns hold UTC without saying so.
fn to_datetime(time: OffsetDateTime) -> PrimitiveDateTime {
    let utc = time.to_offset(time::UtcOffset::UTC);
    PrimitiveDateTime::new(utc.date(), utc.time())
        .replace_nanosecond(0)
        .unwrap_or_else(|_| PrimitiveDateTime::new(utc.date(), utc.time()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_look_alike_have_one_key() {
        for name in ["Alice", "ALICE", " alice ", "Ａｌｉｃｅ"] {
            assert_eq!(fold(name), "alice", "{name:?}");
        }
        assert_eq!(fold("JOSE\u{301}"), fold("josé"));
        assert_ne!(fold("alice"), fold("alicé"));
    }

    #[test]
    fn a_role_is_found_by_its_exact_name() {
        assert_eq!(Role::from_name("Admin"), Some(Role::Admin));
        assert_eq!(Role::from_name("admin"), None);
        assert_eq!(Role::from_id(2), Some(Role::User));
    }
}
