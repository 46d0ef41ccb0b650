//! The API described for machines (OpenAPI 3.1) and for people. Each handler carries its own description, and the
//! router is made from the same list: what is served is described, and the other way round.

pub mod fields;
mod page;
pub mod parameters;

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use axum::body::Bytes;
use axum::http::{HeaderName, HeaderValue, header};
use axum::routing::get;
use axum::{Extension, Router};
use serde::Serialize;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{IntoResponses, Modify, OpenApi, ToSchema};

use super::listener::Kept;

/// What each tag is about.
#[derive(OpenApi)]
#[openapi(
    info(title = "sc-auth", description = "Accounts, sessions, roles and tokens over HTTP."),
    components(schemas(AnyFailure, Failure, FailureData, Problem, TokenFailure)),
    modifiers(&Bearer),
    tags(
        (name = "accounts", description = "A user's own account"),
        (name = "sessions", description = "A user's own sessions"),
        (name = "users", description = "All users, for Admins"),
        (name = "audit", description = "What happened, for Admins"),
        (name = "verify", description = "May the bearer pass? For ingress controllers"),
        (name = "service", description = "For anybody"),
    )
)]
pub struct Description;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
        let components = openapi.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(scheme));
    }
}

/// An answer without data.
#[derive(Serialize, ToSchema)]
pub struct Empty {
    status: &'static str,
    code: u16,
}

/// Public keys.
#[derive(Serialize, ToSchema)]
pub struct JwkSet {
    keys: Vec<BTreeMap<String, String>>,
}

/// An answer that says no.
#[derive(Serialize, ToSchema)]
pub struct Failure {
    /// `fail`.
    status: &'static str,
    /// The HTTP status again.
    code: u16,
    data: FailureData,
}

#[derive(Serialize, ToSchema)]
pub struct FailureData {
    error: Problem,
}

/// One sentence, or what is wrong with each field.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only described")]
pub enum Problem {
    Text(String),
    Fields(BTreeMap<String, Vec<String>>),
}

/// An error of the token layer, outside of the envelope.
#[derive(Serialize, ToSchema)]
pub struct TokenFailure {
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

/// What a call of a bearer may answer too.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only described")]
pub enum Refusals {
    /// No token, or one that has expired or was revoked. An error of the token layer is {"msg": …}.
    #[response(status = 401)]
    Unauthorized(AnyFailure),
    /// A field that is wrong, or a token that cannot be read, which is {"msg": …}.
    #[response(status = 422)]
    Unprocessable(AnyFailure),
    /// Busy, or the database is away; Retry-After says for how long.
    #[response(status = 503)]
    Unavailable(Failure),
}

/// What a call of an Admin may answer too.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only described")]
pub enum AdminRefusals {
    /// The bearer is no Admin.
    #[response(status = 403)]
    Forbidden(Failure),
}

/// What a call about one user may answer too.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only described")]
pub enum UserRefusals {
    /// There is no such user.
    #[response(status = 404)]
    NotFound(Failure),
}

/// What a call that makes a user may answer too.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only described")]
pub enum NewUserRefusals {
    /// Another user has the name or the address.
    #[response(status = 409)]
    Conflict(Failure),
}

/// What a call with a body may answer too.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only described")]
pub enum BodyRefusals {
    /// The body is not JSON.
    #[response(status = 400)]
    BadRequest(Failure),
    /// The body did not arrive in time.
    #[response(status = 408)]
    Late(Failure),
    /// The body is too large.
    #[response(status = 413)]
    TooLarge(Failure),
}

/// What a call that is limited may answer too.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only described")]
pub enum LimitedRefusals {
    /// A field that is wrong, or a name or password that is.
    #[response(status = 422)]
    Unprocessable(Failure),
    /// Too many attempts; Retry-After says for how long.
    #[response(status = 429)]
    TooMany(Failure),
    /// Busy, or the database is away; Retry-After says for how long.
    #[response(status = 503)]
    Unavailable(Failure),
}

/// `/openapi.json`, and the same for people at `/docs`, without anything from elsewhere. `describe` is asked at the first
/// request only: most servers never are.
pub fn router<S: Clone + Send + Sync + 'static>(describe: fn() -> utoipa::openapi::OpenApi) -> Router<S> {
    let documents = Arc::new(LazyLock::new(move || {
        let json = serde_json::to_value(describe()).unwrap_or_default();
        let html = page::render(&json);
        (Bytes::from(json.to_string()), Bytes::from(html))
    }));
    let kept = Extension(Kept);
    let content_type = |value: &'static str| (header::CONTENT_TYPE, HeaderValue::from_static(value));
    let policy = (
        HeaderName::from_static("content-security-policy"),
        HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'"),
    );
    let json = Arc::clone(&documents);
    Router::new()
        .route("/openapi.json", get(async move || (kept, [content_type("application/json")], json.0.clone())))
        .route(
            "/docs",
            get(async move || (kept, [content_type("text/html; charset=utf-8"), policy], documents.1.clone())),
        )
}
