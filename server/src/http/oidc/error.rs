//! Errors of the token and userinfo endpoints (RFC 6749, 5.2; RFC 6750, 3).

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::ready::NOT_READY;
use crate::auth::oidc::GrantError;
use crate::auth::oidc::request::{OAuthProblem, problem};
use crate::http::error::ApiError;
use crate::store::StoreError;

/// Why a request is refused.
#[derive(Debug)]
pub enum OAuthError {
    /// With this status, and a challenge in `WWW-Authenticate`.
    Refused(StatusCode, OAuthProblem, Option<&'static str>),
    /// 401 without a token. The client is told no error (RFC 6750, 3.1).
    NoToken,
    /// An error of the server, which [`super::shape`] rewrites.
    Server(ApiError),
}

impl OAuthError {
    pub const fn new(error: &'static str, description: &'static str) -> Self {
        Self::Refused(StatusCode::BAD_REQUEST, problem(error, description), None)
    }

    pub const fn invalid_request(description: &'static str) -> Self {
        Self::new("invalid_request", description)
    }

    /// The client is unknown or could not be authenticated. Each 401 has a challenge (RFC 9110, 15.5.2), whatever the client
    /// tried.
    pub const fn invalid_client() -> Self {
        let problem = problem("invalid_client", "the client is unknown or its secret is wrong");
        Self::Refused(StatusCode::UNAUTHORIZED, problem, Some("Basic realm=\"sc-auth\""))
    }

    /// While the clients or the keys are not loaded yet.
    pub const fn not_ready() -> Self {
        Self::Server(NOT_READY)
    }
}

impl From<OAuthProblem> for OAuthError {
    fn from(problem: OAuthProblem) -> Self {
        Self::Refused(StatusCode::BAD_REQUEST, problem, None)
    }
}

impl From<GrantError> for OAuthError {
    fn from(error: GrantError) -> Self {
        match error {
            GrantError::Refused(problem) => problem.into(),
            GrantError::Store(error) => error.into(),
            GrantError::Signing(error) => Self::Server(ApiError::Internal(error)),
        }
    }
}

impl From<StoreError> for OAuthError {
    fn from(error: StoreError) -> Self {
        Self::Server(error.into())
    }
}

impl From<ApiError> for OAuthError {
    fn from(error: ApiError) -> Self {
        Self::Server(error)
    }
}

impl IntoResponse for OAuthError {
    fn into_response(self) -> Response {
        let no_store = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
        let (status, problem, challenge) = match self {
            Self::NoToken => {
                let challenge = [(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"sc-auth\""))];
                return (StatusCode::UNAUTHORIZED, no_store, challenge).into_response();
            }
            Self::Refused(status, problem, challenge) => (status, problem, challenge),
            Self::Server(error) => return error.into_response(),
        };
        let body = Json(json!({"error": problem.error, "error_description": problem.description}));
        let mut response = (status, no_store, body).into_response();
        if let Some(challenge) = challenge {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        response
    }
}
