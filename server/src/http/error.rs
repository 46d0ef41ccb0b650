//! All error answers. Existing clients look for these texts.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::Serialize;
use serde_json::{Value, json};

use super::envelope::Envelope;
use crate::account::Problem;
use crate::auth::claims::{Kind, TokenError};
use crate::auth::hasher::HasherError;
use crate::auth::session::SessionError;
use crate::logging;
use crate::store::StoreError;

/// The problems of each field of a body.
pub type FieldErrors = BTreeMap<String, Vec<String>>;

/// `Retry-After` of a busy server.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Marks a 503 that does not count as an error of the server.
#[derive(Debug, Clone, Copy)]
pub struct Expected;

/// Marks an answer in the envelope. It carries the error where that is a text, for answers in another form.
#[derive(Debug, Clone)]
pub struct Enveloped(pub Option<String>);

/// Marks an answer that refuses a token, whatever its status.
#[derive(Debug, Clone, Copy)]
pub struct TokenRefused;

#[derive(Debug)]
pub enum ApiError {
    /// `{"error": …}` in the envelope.
    Text(StatusCode, String),
    /// The same, for a request whose body was not read to its end: the connection is closed.
    Unread(StatusCode, String),
    /// 422 with the problems of each field.
    Fields(FieldErrors),
    /// 422 for a body that is not sent as JSON, with a hint beside the error that existing clients know.
    NotJson,
    /// An error of the token layer, outside of the envelope: `{"msg": …}`.
    Token(StatusCode, &'static str),
    /// 429, with the seconds until a retry.
    TooMany(Duration),
    /// The same, because the user has so many sessions.
    TooManySessions { most: u32, wait: Duration },
    /// 503, with `Retry-After`.
    Unavailable(&'static str),
    /// The same, because of too many requests at once. It does not count as an error of the server.
    Busy(&'static str),
    /// The same, before files are loaded. It does not count either.
    NotReady(&'static str),
    /// 500. The cause is logged, and never sent to the client.
    Internal(anyhow::Error),
}

impl ApiError {
    pub fn text(status: StatusCode, text: impl Into<String>) -> Self {
        Self::Text(status, text.into())
    }

    pub const fn database_unavailable() -> Self {
        Self::Unavailable("the database is unavailable, try again in a moment")
    }

    pub fn field(name: &str, problem: Problem) -> Self {
        Self::Fields(BTreeMap::from([(name.to_owned(), vec![problem.to_string()])]))
    }

    /// The answer to an invalid token.
    pub fn for_token(error: TokenError, wanted: Kind) -> Self {
        let message = match error {
            TokenError::Expired => return Self::text(StatusCode::UNAUTHORIZED, "The token has expired"),
            // Clients then refresh it, or log in again.
            TokenError::FormerKey => return Self::text(StatusCode::UNAUTHORIZED, "The token has revoked"),
            TokenError::Malformed => "Not enough segments",
            TokenError::BadSignature => "Signature verification failed",
            TokenError::NotYetValid => "The token is not yet valid (nbf)",
            TokenError::UnknownParty => "Invalid issuer or audience",
            TokenError::WrongKind => match wanted {
                Kind::Access => "Only non-refresh tokens are allowed",
                Kind::Refresh => "Only refresh tokens are allowed",
            },
        };
        Self::Token(StatusCode::UNPROCESSABLE_ENTITY, message)
    }

    /// The error of a session call that was made with a token of the kind `wanted`.
    pub fn for_session(error: SessionError, wanted: Kind) -> Self {
        match error {
            SessionError::Token(error) => Self::for_token(error, wanted),
            SessionError::Revoked => Self::text(StatusCode::UNAUTHORIZED, "The token has revoked"),
            SessionError::BadCredentials => {
                Self::text(StatusCode::UNPROCESSABLE_ENTITY, "user not found or bad username/password")
            }
            SessionError::TooMany(wait) => Self::TooMany(wait),
            SessionError::TooManySessions { most, wait } => Self::TooManySessions { most, wait },
            SessionError::Disabled => Self::text(StatusCode::FORBIDDEN, "the account is disabled"),
            SessionError::Hasher(error) => error.into(),
            SessionError::Store(error) => error.into(),
            SessionError::Signing(error) => Self::Internal(error),
        }
    }
}

impl From<SessionError> for ApiError {
    fn from(error: SessionError) -> Self {
        Self::for_session(error, Kind::Access)
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Taken(field) => Self::text(StatusCode::CONFLICT, format!("{} already exists", field.as_str())),
            StoreError::Unavailable(_)
            | StoreError::Unencrypted
            | StoreError::Transient(_)
            | StoreError::Denied(_)
            | StoreError::LostStatement(_) => {
                tracing::warn!(error = logging::chain(&error), "the database is unavailable");
                Self::database_unavailable()
            }
            StoreError::LastAdmin => Self::text(
                StatusCode::CONFLICT,
                "it is the last Admin who can log in; make another user an Admin first",
            ),
            StoreError::SessionOver => Self::text(StatusCode::UNAUTHORIZED, "The token has revoked"),
            StoreError::NotAdmin => Self::text(StatusCode::FORBIDDEN, "not admin"),
            StoreError::PasswordChanged => {
                Self::text(StatusCode::CONFLICT, "the password was changed meanwhile, try again")
            }
            StoreError::Unstorable(_) => {
                Self::text(StatusCode::UNPROCESSABLE_ENTITY, "a text has a character that the database cannot store")
            }
            StoreError::Other(_)
            | StoreError::Encoding(_)
            | StoreError::NoRoom(_)
            | StoreError::Stopped
            | StoreError::ForeignTables(_)
            | StoreError::Narrow { .. }
            | StoreError::SchemaTooNew(_)
            | StoreError::MigrationLock(_) => Self::Internal(error.into()),
        }
    }
}

impl From<HasherError> for ApiError {
    fn from(error: HasherError) -> Self {
        match error {
            HasherError::Busy | HasherError::Stopped => Self::Busy("too many logins at once, try again in a moment"),
            HasherError::Hash(_) => Self::Internal(error.into()),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = match self {
            Self::Text(status, text) => fail(status, text),
            Self::Unread(status, text) => {
                let mut response = fail(status, text);
                let headers = response.headers_mut();
                headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
                if status == StatusCode::UNSUPPORTED_MEDIA_TYPE {
                    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
                }
                response
            }
            Self::NotJson => {
                let error = json!({"_schema": [Problem::NotObject.to_string()]});
                let hint = "send the body as JSON, with the header Content-Type: application/json";
                fail_with(StatusCode::UNPROCESSABLE_ENTITY, json!({"error": error, "hint": hint}))
            }
            Self::Fields(fields) => fail(StatusCode::UNPROCESSABLE_ENTITY, fields),
            Self::Token(status, message) => {
                (status, Extension(TokenRefused), Json(json!({"msg": message}))).into_response()
            }
            Self::TooMany(wait) => {
                let text = format!("too many attempts, try again in {} s", wait.as_secs());
                retry_after(fail(StatusCode::TOO_MANY_REQUESTS, text), wait)
            }
            Self::TooManySessions { most, wait } => {
                let text = format!("too many sessions ({most}), log out of one or try again in {} s", wait.as_secs());
                retry_after(fail(StatusCode::TOO_MANY_REQUESTS, text), wait)
            }
            Self::Unavailable(text) => retry_after(fail(StatusCode::SERVICE_UNAVAILABLE, text), RETRY_AFTER),
            Self::Busy(text) | Self::NotReady(text) => {
                let mut response = retry_after(fail(StatusCode::SERVICE_UNAVAILABLE, text), RETRY_AFTER);
                response.extensions_mut().insert(Expected);
                response
            }
            Self::Internal(error) => {
                tracing::error!(error = logging::chain(error.as_ref()), "a request failed");
                fail(StatusCode::INTERNAL_SERVER_ERROR, "server error")
            }
        };
        if response.status() == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

fn retry_after(mut response: Response, wait: Duration) -> Response {
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs()));
    response
}

fn fail(status: StatusCode, error: impl Serialize) -> Response {
    fail_with(status, json!({"error": error}))
}

fn fail_with(status: StatusCode, data: Value) -> Response {
    let text = data["error"].as_str().map(str::to_owned);
    (status, Extension(Enveloped(text)), Json(Envelope { status: "fail", code: status.as_u16(), data })).into_response()
}
