//! The descriptions of answers that several calls share.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::{IntoResponses, ToSchema};

use super::examples::failure;

/// An answer without data.
#[derive(Serialize, ToSchema)]
pub struct Empty {
    /// `ok`.
    #[schema(example = "ok")]
    pub status: &'static str,
    /// The HTTP status.
    pub code: u16,
}

/// Public keys.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"keys": [{
    "kty": "EC", "kid": "Zk3xq1yO", "use": "sig", "alg": "ES256", "crv": "P-256",
    "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"
}]}))]
pub struct JwkSet {
    keys: Vec<BTreeMap<String, String>>,
}

/// An error.
#[derive(Serialize, ToSchema)]
pub struct Failure {
    /// `fail`.
    #[schema(example = "fail")]
    status: &'static str,
    /// The HTTP status.
    code: u16,
    data: FailureData,
}

#[derive(Serialize, ToSchema)]
pub struct FailureData {
    error: Reason,
    /// What to change in the request, if the error does not say it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    hint: Option<String>,
}

/// One sentence, or the problems of each field.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only described")]
pub enum Reason {
    Text(String),
    Fields(BTreeMap<String, Vec<String>>),
}

/// An error of the token layer, outside of the envelope.
#[derive(Serialize, ToSchema)]
pub struct TokenFailure {
    #[schema(example = "Not enough segments")]
    msg: String,
}

/// Either of them.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only described")]
pub enum AnyFailure {
    Failure(Failure),
    Token(TokenFailure),
}

/// The answers to a proxy, without a body.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only described")]
pub enum Verified {
    /// The user is allowed
    #[response(status = 200, headers(
        ("X-Auth-User" = String, description = "The user name; characters that a header cannot hold are percent-encoded"),
        ("X-Auth-Uuid" = String),
        ("X-Auth-Role" = String),
    ))]
    Allowed,
    /// The token is missing, invalid, expired or revoked
    #[response(status = 401)]
    Unauthorized,
    /// The database is unavailable
    #[response(status = 503)]
    Unavailable,
}

/// Other answers to a call with a token.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only described")]
pub enum Refusals {
    /// The token is missing, expired or revoked, or its key is. Without a token, the answer is {"msg": …}.
    #[response(status = 401, example = json!(failure(401, "The token has revoked")))]
    Unauthorized(AnyFailure),
    /// The token is malformed, or not one for this call.
    #[response(status = 422)]
    Unprocessable(TokenFailure),
    /// The server is busy, or the database is unavailable. Retry-After gives the seconds to wait.
    #[response(
        status = 503,
        example = json!(failure(503, "the database is unavailable, try again in a moment"))
    )]
    Unavailable(Failure),
}

/// Other answers to a call for Admins.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only described")]
pub enum AdminRefusals {
    /// The user is not an Admin.
    #[response(status = 403, example = json!(failure(403, "not admin")))]
    Forbidden(Failure),
}

/// Other answers to a call about one user.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only described")]
pub enum UserRefusals {
    /// The user does not exist.
    #[response(status = 404, example = json!(failure(404, "user not found")))]
    NotFound(Failure),
}

/// Other answers to a call that creates a user.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only described")]
pub enum NewUserRefusals {
    /// Another user has the user name or the e-mail address.
    #[response(status = 409, example = json!(failure(409, "username already exists")))]
    Conflict(Failure),
}

/// Other answers to a call that changes a user.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only described")]
pub enum ChangeRefusals {
    /// Another user has the e-mail address, or no other Admin could log in.
    #[response(status = 409, example = json!(failure(409, "email already exists")))]
    Conflict(Failure),
}

/// Other answers to a call that deletes a user.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only described")]
pub enum DeleteRefusals {
    /// No other Admin could log in.
    #[response(
        status = 409,
        example = json!(failure(409, "it is the last Admin who can log in; make another user an Admin first"))
    )]
    Conflict(Failure),
}

/// Other answers to a call with query parameters, or without any.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only described")]
pub enum QueryRefusals {
    /// A parameter is invalid or unknown, or the token is malformed, which is {"msg": …}.
    #[response(
        status = 422,
        example = json!({"status": "fail", "code": 422, "data": {"error": {"page": ["Unknown parameter."]}}})
    )]
    Unprocessable(AnyFailure),
}

/// Other answers to a call with a body. The examples of the last two depend on the route, see `examples`.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only described")]
pub enum BodyRefusals {
    /// The body is not JSON.
    #[response(
        status = 400,
        example = json!(failure(400, "Failed to decode JSON object: line 1, column 1"))
    )]
    BadRequest(Failure),
    /// The body did not arrive in time.
    #[response(status = 408, example = json!(failure(408, "the body did not arrive within 10 s")))]
    Late(Failure),
    /// The body is too large.
    #[response(status = 413)]
    TooLarge(Failure),
    /// The body has a Content-Encoding, or a charset such as utf-16.
    #[response(status = 415, example = json!(failure(415, "Content-Encoding gzip is not supported; send the body without it")))]
    Encoded(Failure),
    /// A field is invalid. If the token is malformed, the answer is {"msg": …}.
    #[response(status = 422)]
    Unprocessable(AnyFailure),
}

/// Other answers to a call that is limited.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only described")]
pub enum LimitedRefusals {
    /// Too many attempts. Retry-After gives the seconds to wait.
    #[response(status = 429, example = json!(failure(429, "too many attempts, try again in 3 s")))]
    TooMany(Failure),
    /// The server is busy, or the database is unavailable. Retry-After gives the seconds to wait.
    #[response(
        status = 503,
        example = json!(failure(503, "too many logins at once, try again in a moment"))
    )]
    Unavailable(Failure),
}
