//! Authenticates requests by their `Authorization` header (RFC 6750).

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};

use super::app::App;
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
    if headers.get_all(header::AUTHORIZATION).iter().count() > 1 {
        return Err(MALFORMED);
    }
    let value = headers.get(header::AUTHORIZATION).filter(|value| !value.is_empty());
    let value = value.ok_or(ApiError::Token(StatusCode::UNAUTHORIZED, "Missing Authorization Header"))?;
    let mut words = value.to_str().map_err(|_| MALFORMED)?.split_whitespace();
    if !words.next().is_some_and(|scheme| scheme.eq_ignore_ascii_case("bearer")) {
        return Err(ApiError::Token(
            StatusCode::UNAUTHORIZED,
            "Missing 'Bearer' type in 'Authorization' header. Expected 'Authorization: Bearer <JWT>'",
        ));
    }
    match (words.next(), words.next()) {
        (Some(token), None) => Ok(token),
        _ => Err(MALFORMED),
    }
}
