//! The bodies of requests, and users and roles in answers. The rules for the fields are in `account`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::changed::{ChangedField, ChangedFields};
use crate::account::{EMAIL, Rule, groups};
use crate::store::{Changes, ListedUser, Role, RoleInfo, User};

#[derive(Deserialize, ToSchema)]
pub struct RegisterBody {
    #[schema(schema_with = fields::username)]
    pub username: String,
    #[schema(schema_with = fields::name)]
    pub name: String,
    #[schema(schema_with = fields::email)]
    pub email: String,
    #[schema(schema_with = fields::new_password)]
    pub password: String,
}

#[derive(Deserialize, ToSchema)]
pub struct LoginBody {
    #[schema(schema_with = fields::submitted_username)]
    pub username: String,
    #[schema(schema_with = fields::submitted_password)]
    pub password: String,
}

/// Fields that are left out keep their values.
#[derive(Deserialize, ToSchema)]
pub struct ChangeMeBody {
    #[schema(schema_with = fields::name, required = false)]
    pub name: Option<String>,
    #[schema(schema_with = fields::email, required = false)]
    pub email: Option<String>,
    #[schema(schema_with = fields::password_for_address, required = false)]
    pub password: Option<String>,
}

impl ChangeMeBody {
    /// `rule` is that of the name.
    pub fn fields(&self, rule: Rule) -> ChangedFields<'_> {
        let Self { name, email, password: _ } = self;
        ChangedFields(vec![
            ChangedField::text("name", name.as_deref(), rule),
            ChangedField::text("email", email.as_deref(), EMAIL),
        ])
    }

    pub fn changes(self) -> Changes {
        let Self { name, email, password: _ } = self;
        Changes { name, email, ..Changes::default() }
    }
}

#[derive(Deserialize, ToSchema)]
pub struct ChangePasswordBody {
    #[schema(schema_with = fields::current_password)]
    pub old_password: String,
    #[schema(schema_with = fields::new_password)]
    pub new_password: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
pub enum RoleName {
    Admin,
    User,
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::Admin => Self::Admin,
            RoleName::User => Self::User,
        }
    }
}

#[derive(Deserialize, ToSchema)]
pub struct CreateUserBody {
    #[schema(schema_with = fields::username)]
    pub username: String,
    #[schema(schema_with = fields::name)]
    pub name: String,
    #[schema(schema_with = fields::email)]
    pub email: String,
    #[schema(schema_with = fields::new_password)]
    pub password: String,
    /// The user's role.
    pub role_name: RoleName,
}

/// Fields that are left out keep their values.
#[derive(Deserialize, ToSchema)]
pub struct ChangeUserBody {
    #[schema(schema_with = fields::user_uuid)]
    pub uuid: String,
    #[schema(schema_with = fields::name, required = false)]
    pub name: Option<String>,
    #[schema(schema_with = fields::email, required = false)]
    pub email: Option<String>,
    /// A new password, which ends all of the user's sessions.
    #[schema(schema_with = fields::reset_password, required = false)]
    pub password: Option<String>,
    /// The user's role.
    #[schema(nullable = false)]
    pub role_name: Option<RoleName>,
    /// Whether the user cannot log in. `true` ends all of the user's sessions.
    #[schema(nullable = false)]
    pub disabled: Option<bool>,
    /// Whether the e-mail address is verified. A new address is not, unless the same request says so.
    #[schema(nullable = false)]
    pub email_verified: Option<bool>,
    /// All groups of the user, which applications get as a claim.
    #[schema(schema_with = fields::groups, required = false)]
    pub groups: Option<Vec<String>>,
}

impl ChangeUserBody {
    /// The uuid of the user, and what to change.
    pub fn split(self) -> (String, UserChangesBody) {
        let Self { uuid, name, email, password, role_name, disabled, email_verified, groups } = self;
        (uuid, UserChangesBody { name, email, password, role_name, disabled, email_verified, groups })
    }
}

/// Changes of the user in the path. Fields that are left out keep their values.
#[derive(Deserialize, ToSchema)]
pub struct UserChangesBody {
    #[schema(schema_with = fields::name, required = false)]
    pub name: Option<String>,
    #[schema(schema_with = fields::email, required = false)]
    pub email: Option<String>,
    /// A new password, which ends all of the user's sessions.
    #[schema(schema_with = fields::reset_password, required = false)]
    pub password: Option<String>,
    /// The user's role.
    #[schema(nullable = false)]
    pub role_name: Option<RoleName>,
    /// Whether the user cannot log in. `true` ends all of the user's sessions.
    #[schema(nullable = false)]
    pub disabled: Option<bool>,
    /// Whether the e-mail address is verified. A new address is not, unless the same request says so.
    #[schema(nullable = false)]
    pub email_verified: Option<bool>,
    /// All groups of the user, which applications get as a claim.
    #[schema(schema_with = fields::groups, required = false)]
    pub groups: Option<Vec<String>>,
}

impl UserChangesBody {
    /// `rule` is that of the name. The password has rules of its own.
    pub fn fields(&self, rule: Rule) -> ChangedFields<'_> {
        let Self { name, email, password, role_name, disabled, email_verified, groups } = self;
        ChangedFields(vec![
            ChangedField::text("name", name.as_deref(), rule),
            ChangedField::text("email", email.as_deref(), EMAIL),
            ChangedField::other("password", password.is_some()),
            ChangedField::other("role_name", role_name.is_some()),
            ChangedField::other("disabled", disabled.is_some()),
            ChangedField::other("email_verified", email_verified.is_some()),
            ChangedField::other("groups", groups.is_some()),
        ])
    }

    pub fn changes(self, password_hash: Option<String>) -> Changes {
        let Self { name, email, password: _, role_name, disabled, email_verified, groups } = self;
        let (role, groups) = (role_name.map(Role::from), groups.map(groups::unique));
        Changes { name, email, email_verified, password_hash, role, disabled, groups, keep_session: None }
    }
}

#[derive(Deserialize, ToSchema)]
pub struct DeleteUserBody {
    #[schema(schema_with = fields::user_uuid)]
    pub uuid: String,
}

/// A user as clients see one; the order of the fields is theirs too.
#[derive(Serialize, ToSchema)]
#[schema(as = User)]
pub struct AccountView {
    #[schema(example = "Alice Smith")]
    name: Option<String>,
    #[schema(example = "alice@example.com")]
    email: Option<String>,
    #[schema(example = 2)]
    role_id: Option<i32>,
    /// `None` only in a row of the legacy service.
    #[schema(example = "alice")]
    username: Option<String>,
    #[schema(example = "0123456789abcdef0123456789abcdef")]
    uuid: String,
}

impl From<User> for AccountView {
    fn from(user: User) -> Self {
        let User { id: _, name, email, role_id, username, uuid, role_name: _, disabled: _, verified_email: _ } = user;
        Self { name, email, role_id, username, uuid }
    }
}

/// A user with the fields that only Admins see.
#[derive(Serialize, ToSchema)]
pub struct UserView {
    #[serde(flatten)]
    user: AccountView,
    #[schema(example = "User")]
    role_name: Option<String>,
    disabled: bool,
    email_verified: bool,
    #[schema(example = json!(["staff"]))]
    groups: Vec<String>,
}

impl UserView {
    pub fn new(user: User, groups: Vec<String>) -> Self {
        let (role_name, email_verified) = (user.role_name.clone(), user.is_email_verified());
        Self { role_name, disabled: user.disabled, email_verified, groups, user: user.into() }
    }
}

/// A user in a list. A row of the legacy service may have no uuid; such a user cannot log in. Existing clients expect the
/// first five fields, and no others of a user who has nothing to show there.
#[derive(Serialize, ToSchema)]
#[schema(as = ListedUser)]
pub struct ListedView {
    #[schema(example = "Alice Smith")]
    name: Option<String>,
    #[schema(example = "alice@example.com")]
    email: Option<String>,
    #[schema(example = 2)]
    role_id: Option<i32>,
    #[schema(example = "alice")]
    username: Option<String>,
    #[schema(example = "0123456789abcdef0123456789abcdef")]
    uuid: Option<String>,
    /// Missing if it is not verified.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false, example = true)]
    email_verified: bool,
    /// Missing if the user has none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false, example = json!(["staff"]))]
    groups: Vec<String>,
}

impl ListedView {
    pub fn new(user: ListedUser, groups: Vec<String>) -> Self {
        let email_verified = user.is_email_verified();
        let ListedUser { id: _, name, email, role_id, username, uuid, role_name: _, disabled: _, verified_email: _ } =
            user;
        Self { name, email, role_id, username, uuid, email_verified, groups }
    }
}

/// A role as clients see one.
#[derive(Serialize, ToSchema)]
#[schema(as = RoleInfo)]
pub struct RoleView {
    id: i32,
    #[schema(example = "Admin")]
    name: Option<String>,
}

impl From<RoleInfo> for RoleView {
    fn from(RoleInfo { id, name }: RoleInfo) -> Self {
        Self { id, name }
    }
}

/// The fields of requests, described. Their limits are those that the server enforces.
mod fields {
    use sc_auth_contract::groups::{GROUP_MAX, GROUPS_MAX};
    use serde_json::json;
    use utoipa::openapi::{ArrayBuilder, KnownFormat, ObjectBuilder, Schema, SchemaFormat, Type};

    use crate::account::{self, Rule};

    fn text(description: &str, example: &str) -> ObjectBuilder {
        ObjectBuilder::new().schema_type(Type::String).description(Some(description)).examples([example])
    }

    fn with_rule(text: ObjectBuilder, rule: Rule) -> ObjectBuilder {
        text.min_length((rule.min > 0).then_some(rule.min)).max_length(Some(rule.max))
    }

    fn password(description: &str, max: usize) -> Schema {
        let text = text(description, "correct horse battery staple").max_length(Some(max));
        text.format(Some(SchemaFormat::KnownFormat(KnownFormat::Password))).build().into()
    }

    pub fn username() -> Schema {
        with_rule(text("The user name, unique regardless of case.", "alice"), account::USERNAME).build().into()
    }

    pub fn submitted_username() -> Schema {
        with_rule(text("The user name.", "alice"), account::CREDENTIAL).build().into()
    }

    pub fn name() -> Schema {
        // The minimum is a setting.
        let text = text("The full name, by default of 3 characters or more.", "Alice Smith");
        with_rule(text, account::NAME.at_least(0)).build().into()
    }

    pub fn email() -> Schema {
        let text = text("The e-mail address, unique regardless of case.", "alice@example.com");
        let format = Some(SchemaFormat::KnownFormat(KnownFormat::Email));
        with_rule(text, account::EMAIL).format(format).build().into()
    }

    pub fn new_password() -> Schema {
        password("A password that meets the rules for new passwords.", account::PASSWORD_MAX)
    }

    pub fn reset_password() -> Schema {
        password("A new password, which ends all of the user's sessions.", account::PASSWORD_MAX)
    }

    pub fn submitted_password() -> Schema {
        password("The user's password.", account::RAW_PASSWORD_MAX)
    }

    pub fn password_for_address() -> Schema {
        password("The current password, required with a new e-mail address.", account::RAW_PASSWORD_MAX)
    }

    pub fn current_password() -> Schema {
        password("The current password.", account::RAW_PASSWORD_MAX)
    }

    pub fn groups() -> Schema {
        let name = ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).max_length(Some(GROUP_MAX));
        let groups = ArrayBuilder::new().items(name).max_items(Some(GROUPS_MAX)).examples([json!(["staff"])]);
        let text = "All groups of the user, which applications get as a claim. Names have no commas, and do not begin with `system:`.";
        groups.description(Some(text)).build().into()
    }

    pub fn user_uuid() -> Schema {
        text("The uuid of the user.", "0123456789abcdef0123456789abcdef").build().into()
    }
}
