//! Authenticates requests by their `Authorization` header (RFC 6750).

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};

use super::app::App;
use super::authorization::{Problem, credentials};
use super::client::caller;
use super::error::ApiError;
use crate::auth::session::Authenticated;
use crate::store::Role;

/// The bearer of a valid access token.
pub struct Bearer(pub Authenticated);

impl FromRequestParts<App> for Bearer {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let token = token(&parts.headers)?;
        let bearer = app.sessions.authenticate(token, app.now()).await?;
        caller(parts).is(&bearer.user);
        Ok(Self(bearer))
    }
}

/// The bearer of a valid access token, if an Admin.
pub struct AdminBearer(pub Authenticated);

impl FromRequestParts<App> for AdminBearer {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let Bearer(bearer) = Bearer::from_request_parts(parts, app).await?;
        if bearer.user.role() == Role::Admin {
            Ok(Self(bearer))
        } else {
            Err(ApiError::text(StatusCode::FORBIDDEN, "not admin"))
        }
    }
}

/// The token in the `Authorization` header.
pub fn token(headers: &HeaderMap) -> Result<&str, ApiError> {
    const MALFORMED: ApiError = ApiError::Token(
        StatusCode::UNPROCESSABLE_ENTITY,
        "Bad Authorization header. Expected 'Authorization: Bearer <JWT>'",
    );
    credentials(headers, "bearer").map_err(|problem| match problem {
        Problem::Missing => ApiError::Token(StatusCode::UNAUTHORIZED, "Missing Authorization Header"),
        Problem::OtherScheme => ApiError::Token(
            StatusCode::UNAUTHORIZED,
            "Missing 'Bearer' type in 'Authorization' header. Expected 'Authorization: Bearer <JWT>'",
        ),
        Problem::Repeated | Problem::Malformed => MALFORMED,
    })
}
