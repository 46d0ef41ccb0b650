//! What stands behind the question mark, described.

use utoipa::IntoParams;

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only described")]
pub struct UserParameters {
    /// How many at most; without it, all of them.
    #[param(minimum = 1, maximum = 1_000_000)]
    limit: Option<u64>,
    /// The uuid of the last user of the page before.
    after: Option<String>,
    /// Part of a user name, a name or an address; not empty.
    #[param(min_length = 1)]
    q: Option<String>,
    /// `Admin` or `User`.
    role: Option<String>,
    /// Those who cannot log in, or those who can.
    disabled: Option<bool>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only described")]
pub struct AuditParameters {
    /// How many at most; 100 without it.
    #[param(minimum = 1, maximum = 1_000)]
    limit: Option<u64>,
    /// The id of the last event of the page before.
    before: Option<i64>,
    /// Such as `login`.
    event: Option<String>,
    /// `success`, `failure` or `denied`.
    outcome: Option<String>,
    /// A user's uuid: what was done by or to that user.
    user: Option<String>,
    /// Not earlier, as RFC 3339 writes it.
    #[param(format = DateTime)]
    since: Option<String>,
    /// Not later.
    #[param(format = DateTime)]
    until: Option<String>,
}
