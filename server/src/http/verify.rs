//! `GET /api/v1/verify`: decides for an ingress controller whether to forward a request, for Traefik's forwardAuth and
//! nginx's auth_request. The answers are 200, 401, 403, and 503 if the server cannot decide; nginx would turn any other
//! answer into a 500.
//!
//! The query is the proxy's configuration. An invalid query was meant to restrict access, so it refuses everybody, and
//! the log has the reason.

mod wanted;

use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::app::App;
use super::bearer;
use super::openapi::answers::Verified;
use crate::auth::client::Client;
use crate::auth::session::SessionError;
use crate::logging;
use crate::store::User;
use wanted::{Problem, Wanted};

/// What the paths begin with that end with a client's own, within `/api/v1`.
const BELOW: &str = "/verify/";
const USER: HeaderName = HeaderName::from_static("x-auth-user");
const UUID: HeaderName = HeaderName::from_static("x-auth-uuid");
const ROLE: HeaderName = HeaderName::from_static("x-auth-role");
/// Characters that a header cannot contain, and the character that marks an encoding.
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
    responses(Verified, (status = 403, description = "The user has none of the roles, or the query is invalid")),
    security(("bearer" = []))
)]
pub async fn verify(State(app): State<App>, client: Client, headers: HeaderMap, RawQuery(query): RawQuery) -> Response {
    answer(&app, &client, &headers, wanted::in_query(query.as_deref().unwrap_or_default())).await
}

/// Verifies an access token for a proxy that appends the path and the query of its client, such as Envoy. Allows every
/// user. Any method, any further path and any query have the same answer. The answers have no body.
#[utoipa::path(
    get,
    path = "/verify/any",
    tag = "verify",
    responses(Verified),
    security(("bearer" = []))
)]
pub async fn verify_any(state: State<App>, client: Client, headers: HeaderMap, uri: Uri) -> Response {
    verify_below(state, client, headers, uri).await
}

/// Verifies an access token for a proxy that appends the path and the query of its client, such as Envoy. Allows only
/// users with one of the roles. Any method, any further path and any query have the same answer. The answers have no
/// body.
#[utoipa::path(
    get,
    path = "/verify/role/{roles}",
    tag = "verify",
    params(("roles" = String, Path, description = "The allowed roles, separated by commas", example = "Admin")),
    responses(Verified, (status = 403, description = "The user has none of the roles, or the path is invalid")),
    security(("bearer" = []))
)]
pub async fn verify_role(state: State<App>, client: Client, headers: HeaderMap, uri: Uri) -> Response {
    verify_below(state, client, headers, uri).await
}

/// For all paths below `verify`: what they ask for does not depend on which of our routes they match.
pub async fn verify_below(State(app): State<App>, client: Client, headers: HeaderMap, uri: Uri) -> Response {
    answer(&app, &client, &headers, wanted::in_path(uri.path().strip_prefix(BELOW).unwrap_or_default())).await
}

async fn answer(app: &App, client: &Client, headers: &HeaderMap, wanted: Result<Wanted, Problem>) -> Response {
    let Ok(token) = bearer::token(headers) else {
        return refuse(StatusCode::UNAUTHORIZED, "Bearer");
    };
    let user = match app.sessions.authenticate(token, app.now()).await {
        Ok(bearer) => bearer.user,
        Err(error) => return no_bearer(&error),
    };
    client.caller.is(&user);
    match wanted {
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
            tracing::warn!(error = logging::chain(error), "could not verify a token");
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

/// Always sets all three headers: if one were missing, the proxy would pass on the client's own.
fn pass(user: &User) -> Response {
    let encoded = |text: &str| {
        let text = utf8_percent_encode(text, ENCODED).to_string();
        HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""))
    };
    let headers = [(USER, encoded(user.username())), (UUID, encoded(&user.uuid)), (ROLE, encoded(user.role().name()))];
    (StatusCode::OK, headers).into_response()
}
