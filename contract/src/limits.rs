//! Limits that the custom resource and the server both enforce.

/// The fewest characters of a user name.
pub const USERNAME_MIN: usize = 3;
/// The most characters of a user name.
pub const USERNAME_MAX: usize = 64;
/// The most characters of an e-mail address.
pub const EMAIL_MAX: usize = 120;
/// The most characters of a password.
pub const PASSWORD_MAX: u16 = 256;
/// The longest lifetime of an access token, in seconds: 1 day.
pub const ACCESS_TOKEN_TTL_MAX: u64 = 86_400;
/// The longest lifetime of a refresh token and of a session, in seconds: 366 days.
pub const SESSION_TTL_MAX: u64 = 31_622_400;
/// The most keys of a keys file.
pub const KEYS_MAX: usize = 64;
