//! Users and their roles.

mod change;
mod create;
mod listing;
mod taken;

use sc_auth_contract::time::UnixTime;
use sea_query::{Expr, ExprTrait as _, Func, InsertStatement, Query, SelectStatement};
use sqlx::FromRow;
use time::PrimitiveDateTime;

use super::schema::{Roles, Users};
use super::{Role, Store, StoreError};
use crate::account::{Field, fold, former_fold, forms, key, uuid_forms};
use crate::clock::to_calendar;
pub(super) use change::end_sessions;
pub use listing::UserFilter;
pub use taken::Names;
pub(super) use taken::{existing_names, lock_names};

/// A user, as returned to clients: existing clients expect this order of the fields.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
#[cfg_attr(test, derive(Default))]
pub struct User<Uuid = String> {
    pub id: i32,
    pub name: Option<String>,
    pub email: Option<String>,
    pub role_id: Option<i32>,
    /// `None` only in a row of the legacy service.
    pub username: Option<String>,
    pub uuid: Uuid,
    pub role_name: Option<String>,
    pub disabled: bool,
    /// The address that was verified; it may be a former one.
    pub verified_email: Option<String>,
}

/// A user in a list. A row of the legacy service may have no uuid; such a user cannot log in.
pub type ListedUser = User<Option<String>>;

impl User {
    /// The user name, or nothing.
    pub fn username(&self) -> &str {
        self.username.as_deref().unwrap_or_default()
    }

    pub fn role(&self) -> Role {
        self.role_name.as_deref().and_then(Role::from_name).unwrap_or(Role::User)
    }
}

impl<Uuid> User<Uuid> {
    /// Whether the present address is verified.
    pub fn is_email_verified(&self) -> bool {
        self.email.is_some() && self.email == self.verified_email
    }
}

/// A user who does not exist yet.
#[derive(Debug, Clone, Default)]
pub struct NewUser {
    /// 32 hexadecimal digits.
    pub uuid: String,
    pub username: String,
    pub name: Option<String>,
    pub email: Option<String>,
    pub is_email_verified: bool,
    pub password_hash: String,
    pub role: Role,
    pub disabled: bool,
    /// Names of groups, each once.
    pub groups: Vec<String>,
    /// When the user was created, if that was earlier than now.
    pub created_at: Option<UnixTime>,
}

/// Changes of a user; `None` leaves a column unchanged.
#[derive(Debug, Default, Clone)]
pub struct Changes {
    pub name: Option<String>,
    pub email: Option<String>,
    /// Whether the address is verified. Without it, a new address is not.
    pub email_verified: Option<bool>,
    pub password_hash: Option<String>,
    pub role: Option<Role>,
    pub disabled: Option<bool>,
    /// All groups of the user, each once.
    pub groups: Option<Vec<String>>,
    /// The session that a new password does not end: the one that sets it.
    pub keep_session: Option<String>,
}

impl Changes {
    /// Whether an Admin would lose that role or the ability to log in.
    fn takes_power(&self) -> bool {
        self.role == Some(Role::User) || self.disabled == Some(true)
    }

    fn ends_sessions(&self) -> bool {
        self.password_hash.is_some() || self.disabled == Some(true)
    }

    /// The columns to change, with their values.
    fn columns(&self) -> impl Iterator<Item = (Users, Expr)> {
        let text = |text: &Option<String>| text.as_deref().map(Expr::from);
        let columns = [
            (Users::Name, text(&self.name)),
            (Users::Email, text(&self.email)),
            (Users::Password, text(&self.password_hash)),
            (Users::RoleId, self.role.map(Role::id_query)),
            (Users::Disabled, self.disabled.map(Expr::from)),
        ];
        let keys = self.email.as_deref().map(|email| keys(Field::Email, Some(email)));
        columns.into_iter().filter_map(|(column, value)| Some((column, value?))).chain(keys.into_iter().flatten())
    }
}

/// A user and the hash of that user's password; a row of the legacy service may have none.
#[derive(Debug, FromRow)]
pub struct Credentials {
    #[sqlx(flatten)]
    pub user: User,
    pub password: Option<String>,
    /// Grows when the user's failed logins are cleared: to the time in seconds since 1970-01-01 UTC where the password
    /// was reset on the command line, else by one.
    pub login_epoch: i64,
    username_key: Option<String>,
    username_fold: Option<String>,
}

impl Credentials {
    /// Whether another service, or a server of release 0.2, has written the row without its keys.
    fn lacks_keys(&self) -> bool {
        let name = self.user.username();
        self.username_key.is_none() || (self.username_fold.is_none() && fold(name) != former_fold(name))
    }
}

/// The columns of the keys of a name or an address, with their values: the key of release 0.2, and the present one if it
/// is another.
pub(super) fn keys(field: Field, text: Option<&str>) -> [(Users, Expr); 2] {
    let former = text.map(former_fold);
    let folded = text.map(|text| key(field, text)).filter(|key| former.as_ref() != Some(key));
    let [key, fold] = key_columns(field);
    [(key, former.into()), (fold, folded.into())]
}

pub(super) const fn key_columns(field: Field) -> [Users; 2] {
    match field {
        Field::Username => [Users::UsernameKey, Users::UsernameFold],
        Field::Email => [Users::EmailKey, Users::EmailFold],
    }
}

/// Selects the columns of [`User`].
pub(super) fn columns(select: &mut SelectStatement) -> &mut SelectStatement {
    for column in [
        Users::Id,
        Users::Name,
        Users::Email,
        Users::RoleId,
        Users::Username,
        Users::Uuid,
        Users::Disabled,
        Users::VerifiedEmail,
    ] {
        select.column((Users::Table, column));
    }
    select.expr_as(Expr::col((Roles::Table, Roles::Name)), "role_name").left_join(Roles::Table, of_user())
}

/// Joins users with their roles.
fn of_user() -> Expr {
    Expr::col((Roles::Table, Roles::Id)).equals((Users::Table, Users::RoleId))
}

pub(super) fn select_users() -> SelectStatement {
    columns(Query::select().from(Users::Table)).to_owned()
}

/// Rows that the legacy service has written have no key yet: they match by the name itself.
fn by_username(username: &str) -> SelectStatement {
    let key = Expr::col((Users::Table, Users::UsernameKey));
    let has_fold = Expr::col((Users::Table, Users::UsernameFold)).eq(fold(username));
    let by_name = key.clone().is_null().and(Expr::col((Users::Table, Users::Username)).eq(username));
    select_users()
        .column((Users::Table, Users::Password))
        .column((Users::Table, Users::UsernameKey))
        .column((Users::Table, Users::UsernameFold))
        .column((Users::Table, Users::LoginEpoch))
        .and_where(key.is_in([fold(username), former_fold(username)]).or(has_fold).or(by_name))
        .and_where(Expr::col((Users::Table, Users::Uuid)).is_not_null())
        .to_owned()
}

/// The users with a key of an address. It can be the key of a former address, which a server of release 0.2 wrote.
fn by_address(address: &str) -> SelectStatement {
    let (former, present) = (former_fold(address), key(Field::Email, address));
    let has_fold = Expr::col((Users::Table, Users::EmailFold)).eq(present.as_str());
    let has_key = Expr::col((Users::Table, Users::EmailKey)).is_in([former, present]);
    select_users()
        .and_where(has_key.or(has_fold))
        .and_where(Expr::col((Users::Table, Users::Uuid)).is_not_null())
        .to_owned()
}

/// The rows of the legacy service with an address, which have no key. Only its tables have an index that serves this.
fn by_address_without_key(address: &str) -> SelectStatement {
    select_users()
        .and_where(Expr::col((Users::Table, Users::Email)).eq(address))
        .and_where(Expr::col((Users::Table, Users::EmailKey)).is_null())
        .and_where(Expr::col((Users::Table, Users::Uuid)).is_not_null())
        .to_owned()
}

fn by_uuid(uuid: &str) -> SelectStatement {
    select_users().and_where(Expr::col((Users::Table, Users::Uuid)).eq(uuid)).to_owned()
}

/// The legacy service's column may be ASCII: MySQL refuses to compare it with other characters.
pub(super) fn may_be_uuid(text: &str) -> bool {
    text.is_ascii()
}

impl Store {
    /// The user of that name with the hash of the password.
    pub async fn credentials(&self, username: &str) -> Result<Option<Credentials>, StoreError> {
        let mut found: Vec<Credentials> =
            self.fetch_all(&by_username(username)).await.or_else(StoreError::found_nothing)?;
        // An exact match takes precedence over one that differs in case or form, and one that an earlier release would
        // have found over others.
        let former = former_fold(username);
        found.sort_by_key(|found| {
            (found.user.username() != username, found.username_key.as_deref() != Some(former.as_str()))
        });
        let found = found.into_iter().next();
        if let Some(found) = found.as_ref().filter(|found| found.lacks_keys()) {
            self.complete_keys(&found.user).await?;
        }
        Ok(found)
    }

    /// Fills in the missing keys of a row, unless another row has them.
    async fn complete_keys(&self, user: &User) -> Result<(), StoreError> {
        let names = [(Field::Username, &user.username), (Field::Email, &user.email)];
        for (column, value) in names.into_iter().flat_map(|(field, text)| keys(field, text.as_deref())) {
            let update = Query::update()
                .table(Users::Table)
                .value(column, value)
                .and_where(Expr::col(Users::Id).eq(user.id))
                .to_owned();
            match self.execute(&update).await {
                Ok(_) | Err(StoreError::Taken(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    pub async fn user_by_username(&self, username: &str) -> Result<Option<User>, StoreError> {
        Ok(self.credentials(username).await?.map(|found| found.user))
    }

    /// The name of the user with an e-mail address.
    pub async fn username_of_address(&self, address: &str) -> Result<Option<String>, StoreError> {
        let present = key(Field::Email, address);
        let has_it =
            |user: &User| user.email.as_deref().is_some_and(|email| forms(Field::Email, email).contains(&present));
        let mut found: Vec<User> = self.fetch_all(&by_address(address)).await.or_else(StoreError::found_nothing)?;
        found.retain(has_it);
        if found.is_empty() && self.has_old_tables() {
            found = self.fetch_all(&by_address_without_key(address)).await.or_else(StoreError::found_nothing)?;
        }
        let exact_first = |user: &User| (user.email.as_deref() != Some(address), user.id);
        Ok(found.into_iter().min_by_key(exact_first).and_then(|user| user.username))
    }

    pub async fn user_by_uuid(&self, uuid: &str) -> Result<Option<User>, StoreError> {
        if !may_be_uuid(uuid) {
            return Ok(None);
        }
        self.fetch_optional(&by_uuid(uuid)).await
    }

    /// The same for a uuid from a client, which may write it with dashes or in capitals.
    pub async fn user_by_any_uuid(&self, uuid: &str) -> Result<Option<User>, StoreError> {
        for form in uuid_forms(uuid) {
            if let Some(user) = self.user_by_uuid(&form).await? {
                return Ok(Some(user));
            }
        }
        Ok(None)
    }

    /// The number of users, counted up to `most`.
    pub async fn count_users(&self, most: u64) -> Result<u64, StoreError> {
        let ids = Query::select().column(Users::Id).from(Users::Table).limit(most).to_owned();
        let select = Query::select().expr(Func::count(Expr::col(Users::Id))).from_subquery(ids, "ids").to_owned();
        let count = self.fetch_optional::<(i64,)>(&select).await?.map_or(0, |(count,)| count);
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// The hash of a user's password.
    pub async fn password_hash(&self, user_id: i32) -> Result<Option<String>, StoreError> {
        let select = Query::select()
            .column(Users::Password)
            .from(Users::Table)
            .and_where(Expr::col(Users::Id).eq(user_id))
            .to_owned();
        Ok(self.fetch_optional::<(Option<String>,)>(&select).await?.and_then(|(hash,)| hash))
    }
}

/// The columns of a new row, with their values.
type Row = Vec<(Users, Expr)>;

pub(super) fn row(user: NewUser, now: UnixTime) -> Row {
    let keys = keys(Field::Username, Some(&user.username)).into_iter().chain(keys(Field::Email, user.email.as_deref()));
    let keys: Vec<_> = keys.collect();
    let verified = user.email.clone().filter(|_| user.is_email_verified);
    let mut row = vec![
        (Users::Uuid, user.uuid.into()),
        (Users::VerifiedEmail, verified.into()),
        (Users::Email, user.email.into()),
        (Users::Username, user.username.into()),
        (Users::Password, user.password_hash.into()),
        (Users::Name, user.name.into()),
        (Users::RoleId, user.role.id_query()),
        (Users::CreatedAt, to_datetime(user.created_at.unwrap_or(now)).into()),
        (Users::UpdatedAt, to_datetime(now).into()),
        (Users::Disabled, user.disabled.into()),
    ];
    row.extend(keys);
    row
}

pub(super) fn insertion(rows: Vec<Row>) -> InsertStatement {
    let mut insertion = Query::insert();
    insertion.into_table(Users::Table);
    for row in rows {
        let (columns, values): (Vec<_>, Vec<_>) = row.into_iter().unzip();
        insertion.columns(columns).values_panic(values);
    }
    insertion
}

/// The legacy service's columns contain UTC, without a time zone.
fn to_datetime(time: UnixTime) -> PrimitiveDateTime {
    let utc = to_calendar(time);
    PrimitiveDateTime::new(utc.date(), utc.time())
}

#[cfg(test)]
mod tests {
    use sea_query::SqliteQueryBuilder;
    use sqlx::{AssertSqlSafe, Connection as _, Row as _, SqliteConnection};

    use super::*;
    use crate::store::testing::migrated;

    #[tokio::test]
    async fn a_user_is_found_by_indexes_only() {
        let (_folder, url, store) = migrated().await;
        let mut connection = SqliteConnection::connect(&url).await.unwrap();
        for select in [by_address("some@example.com"), by_uuid("u")] {
            let sql = format!("EXPLAIN QUERY PLAN {}", select.to_string(SqliteQueryBuilder));
            let plan = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(&mut connection).await.unwrap();
            let steps: Vec<String> = plan.iter().map(|row| row.get("detail")).collect();
            assert!(!steps.iter().any(|step| step.starts_with("SCAN")), "{steps:?}");
        }
        connection.close().await.unwrap();
        store.close().await;
    }
}
