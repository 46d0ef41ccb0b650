//! The bodies of requests. The rules for their fields are in `account`.

use serde::Deserialize;
use utoipa::ToSchema;

use super::openapi::fields;
use crate::store::Role;

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
    #[schema(schema_with = fields::present_password)]
    pub password: String,
}

/// Fields that are left out keep their values.
#[derive(Deserialize, ToSchema)]
pub struct ChangeMeBody {
    #[schema(schema_with = fields::name, required = false)]
    pub name: Option<String>,
    #[schema(schema_with = fields::email, required = false)]
    pub email: Option<String>,
}

#[derive(Deserialize, ToSchema)]
pub struct ChangePasswordBody {
    #[schema(schema_with = fields::present_password)]
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
}

#[derive(Deserialize, ToSchema)]
pub struct DeleteUserBody {
    #[schema(schema_with = fields::user_uuid)]
    pub uuid: String,
}
