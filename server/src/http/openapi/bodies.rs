//! What calls take, described. The rules themselves lie in the handlers, which answer with the words that old clients
//! know.

use utoipa::ToSchema;

#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
pub struct RegisterBody {
    #[schema(min_length = 3, max_length = 64)]
    username: String,
    #[schema(min_length = 3, max_length = 125)]
    name: String,
    #[schema(format = Email, max_length = 120)]
    email: String,
    #[schema(format = Password, max_length = 256)]
    password: String,
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
pub struct LoginBody {
    username: String,
    #[schema(format = Password, max_length = 256)]
    password: String,
}

/// What is left out stays as it is.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
pub struct ChangeMeBody {
    #[schema(nullable = false, min_length = 3, max_length = 125)]
    name: Option<String>,
    #[schema(nullable = false, format = Email, max_length = 120)]
    email: Option<String>,
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
pub struct ChangePasswordBody {
    #[schema(format = Password)]
    old_password: String,
    #[schema(format = Password, max_length = 256)]
    new_password: String,
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
pub enum RoleName {
    Admin,
    User,
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
pub struct CreateUserBody {
    #[schema(min_length = 3, max_length = 64)]
    username: String,
    #[schema(min_length = 3, max_length = 125)]
    name: String,
    #[schema(format = Email, max_length = 120)]
    email: String,
    #[schema(format = Password, max_length = 256)]
    password: String,
    role_name: RoleName,
}

/// What is left out stays as it is.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
pub struct ChangeUserBody {
    uuid: String,
    #[schema(nullable = false, min_length = 3, max_length = 125)]
    name: Option<String>,
    #[schema(nullable = false, format = Email, max_length = 120)]
    email: Option<String>,
    /// Ends all of the user's sessions.
    #[schema(nullable = false, format = Password, max_length = 256)]
    password: Option<String>,
    #[schema(nullable = false)]
    role_name: Option<RoleName>,
    /// Ends all of the user's sessions.
    #[schema(nullable = false)]
    disabled: Option<bool>,
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
pub struct DeleteUserBody {
    uuid: String,
}
