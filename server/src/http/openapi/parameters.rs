//! The descriptions of query parameters.

use utoipa::IntoParams;

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only described")]
pub struct UserParameters {
    /// The most users to return. Default: all.
    #[param(minimum = 1, maximum = 1_000_000)]
    limit: Option<u64>,
    /// The uuid of the last user of the previous page.
    after: Option<String>,
    /// A part of a user name, a name or an e-mail address; not empty.
    #[param(min_length = 1)]
    q: Option<String>,
    /// `Admin` or `User`.
    role: Option<String>,
    /// Whether the users are disabled.
    disabled: Option<bool>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only described")]
pub struct AuditParameters {
    /// The most events to return. Default: 100.
    #[param(minimum = 1, maximum = 1_000)]
    limit: Option<u64>,
    /// The id of the last event of the previous page.
    before: Option<i64>,
    /// The kind of event, such as `login`.
    event: Option<String>,
    /// `success`, `failure` or `denied`.
    outcome: Option<String>,
    /// The uuid of a user: events that this user caused or is the subject of.
    user: Option<String>,
    /// The earliest time (RFC 3339).
    #[param(format = DateTime)]
    since: Option<String>,
    /// The latest time (RFC 3339).
    #[param(format = DateTime)]
    until: Option<String>,
}
