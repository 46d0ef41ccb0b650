//! What calls take, described. The rules themselves lie in the handlers, which answer with the words that old clients
//! know.

use utoipa::ToSchema;

#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
pub struct RegisterBody {
    /// A name that no other user has, whatever its case.
    #[schema(min_length = 3, max_length = 64)]
    username: String,
    /// The full name, for people.
    #[schema(min_length = 3, max_length = 125)]
    name: String,
    /// An address that no other user has, whatever its case.
    #[schema(format = Email, max_length = 120)]
    email: String,
    /// One that keeps to the rules for new passwords.
    #[schema(format = Password, max_length = 256)]
    password: String,
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
pub struct LoginBody {
    /// The user name.
    username: String,
    /// The password.
    #[schema(format = Password, max_length = 256)]
    password: String,
}

/// What is left out stays as it is.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
pub struct ChangeMeBody {
    /// The full name, for people.
    #[schema(nullable = false, min_length = 3, max_length = 125)]
    name: Option<String>,
    /// An address that no other user has, whatever its case.
    #[schema(nullable = false, format = Email, max_length = 120)]
    email: Option<String>,
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
pub struct ChangePasswordBody {
    /// The one from before.
    #[schema(format = Password)]
    old_password: String,
    /// One that keeps to the rules for new passwords.
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
    /// A name that no other user has, whatever its case.
    #[schema(min_length = 3, max_length = 64)]
    username: String,
    /// The full name, for people.
    #[schema(min_length = 3, max_length = 125)]
    name: String,
    /// An address that no other user has, whatever its case.
    #[schema(format = Email, max_length = 120)]
    email: String,
    /// One that keeps to the rules for new passwords.
    #[schema(format = Password, max_length = 256)]
    password: String,
    /// Which role the user has.
    role_name: RoleName,
}

/// What is left out stays as it is.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
pub struct ChangeUserBody {
    /// Whom it is about.
    uuid: String,
    /// The full name, for people.
    #[schema(nullable = false, min_length = 3, max_length = 125)]
    name: Option<String>,
    /// An address that no other user has, whatever its case.
    #[schema(nullable = false, format = Email, max_length = 120)]
    email: Option<String>,
    /// A new one, which ends all of the user's sessions.
    #[schema(nullable = false, format = Password, max_length = 256)]
    password: Option<String>,
    /// Which role the user has.
    #[schema(nullable = false)]
    role_name: Option<RoleName>,
    /// Whether the user is kept out, which ends all of the user's sessions.
    #[schema(nullable = false)]
    disabled: Option<bool>,
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
pub struct DeleteUserBody {
    /// Whom it is about.
    uuid: String,
}
