//! `GET /api/v1/verify`: may the bearer pass? For ingress controllers that ask before they forward a request:
//! Traefik's forwardAuth and nginx's auth_request. They know four answers: 200, 401, 403, and 503 where we cannot
//! tell; anything else nginx would turn into a 500.
//!
//! The query is the proxy's own configuration. One that is not understood was meant to keep somebody out: it refuses
//! everybody, and the log says why.

mod query;

use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::App;
use super::bearer;
use crate::auth::session::SessionError;
use crate::logging;
use crate::store::User;
pub use query::Warnings;

const USER: HeaderName = HeaderName::from_static("x-auth-user");
const UUID: HeaderName = HeaderName::from_static("x-auth-uuid");
const ROLE: HeaderName = HeaderName::from_static("x-auth-role");
/// What a header cannot hold, and what could be taken for an encoding.
const ENCODED: &AsciiSet = &CONTROLS.add(b'%');

/// Verifies an access token for an ingress controller. With `?role=`, only users with one of these roles, separated by
/// commas, are allowed. The answers have no body.
#[utoipa::path(
    get,
    path = "/verify",
    tag = "verify",
    params(
        ("role" = Option<String>, Query, description = "The allowed roles, separated by commas. The only parameter", example = "Admin"),
    ),
    responses(
        (status = 200, description = "The user is allowed", headers(
            ("X-Auth-User" = String, description = "The user name; characters that a header cannot hold are percent-encoded"),
            ("X-Auth-Uuid" = String),
            ("X-Auth-Role" = String),
        )),
        (status = 401, description = "The token is missing, invalid, expired or revoked"),
        (status = 403, description = "The user has none of the roles, or the query is invalid"),
        (status = 503, description = "The database is unavailable"),
    ),
    security(("bearer" = []))
)]
pub async fn verify(State(app): State<App>, headers: HeaderMap, RawQuery(query): RawQuery) -> Response {
    let Ok(token) = bearer::token(&headers) else {
        return refuse(StatusCode::UNAUTHORIZED, "Bearer");
    };
    let user = match app.sessions.authenticate(token, app.now()).await {
        Ok(bearer) => bearer.user,
        Err(error) => return no_bearer(&error),
    };
    match query::wanted(query.as_deref().unwrap_or_default()) {
        Ok(wanted) if wanted.allows(user.role()) => pass(&user),
        Ok(_) => forbid(),
        Err(problem) => {
            app.settings.verify_warnings.log(&problem, app.now());
            forbid()
        }
    }
}

fn forbid() -> Response {
    refuse(StatusCode::FORBIDDEN, "Bearer error=\"insufficient_scope\"")
}

fn no_bearer(error: &SessionError) -> Response {
    match error {
        SessionError::Token(_) | SessionError::Revoked => {
            refuse(StatusCode::UNAUTHORIZED, "Bearer error=\"invalid_token\"")
        }
        error => {
            tracing::warn!(error = logging::chain(error), "a token could not be verified");
            let mut response = StatusCode::SERVICE_UNAVAILABLE.into_response();
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            response
        }
    }
}

/// RFC 6750, 3.
fn refuse(status: StatusCode, challenge: &'static str) -> Response {
    (status, [(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge))]).into_response()
}

/// All three headers, always: one that is missing would let through what the client itself has sent.
fn pass(user: &User) -> Response {
    let encoded = |text: &str| {
        let text = utf8_percent_encode(text, ENCODED).to_string();
        HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""))
    };
    let headers = [(USER, encoded(user.username())), (UUID, encoded(&user.uuid)), (ROLE, encoded(user.role().name()))];
    (StatusCode::OK, headers).into_response()
}
