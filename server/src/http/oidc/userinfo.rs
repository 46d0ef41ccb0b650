//! `/oauth2/userinfo`: what an application may know about the user (OpenID Connect Core, 5.3).

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::json;

use super::error::OAuthError;
use super::ready::ready;
use crate::auth::oidc::request::{Parameters, RequestedClaims, problem};
use crate::auth::oidc::{AccessTokens, claims as of_users};
use crate::http::app::App;
use crate::http::authorization::{Problem, credentials};
use crate::http::body;
use crate::http::body::limits::TOKEN;

const INVALID_TOKEN: &str = "Bearer realm=\"sc-auth\", error=\"invalid_token\"";
const INSUFFICIENT_SCOPE: &str = "Bearer realm=\"sc-auth\", error=\"insufficient_scope\", scope=\"openid\"";
const INVALID_REQUEST: &str = "Bearer realm=\"sc-auth\", error=\"invalid_request\"";

pub async fn get(State(app): State<App>, headers: HeaderMap) -> Result<Response, OAuthError> {
    claims(&app, bearer(&headers)?).await
}

/// The token may be in a form too (RFC 6750, 2.2), but not in both. Any other body has no meaning.
pub async fn post(State(app): State<App>, request: Request) -> Result<Response, OAuthError> {
    let headers = request.headers().clone();
    if !body::is_form(&headers) {
        return claims(&app, bearer(&headers)?).await;
    }
    let form = Parameters::parse(&body::form(request, TOKEN).await?).once()?;
    match (form.one("access_token"), headers.contains_key(header::AUTHORIZATION)) {
        (Some(_), true) => Err(invalid_request("the token was sent twice")),
        (Some(token), false) => claims(&app, token).await,
        (None, _) => claims(&app, bearer(&headers)?).await,
    }
}

fn bearer(headers: &HeaderMap) -> Result<&str, OAuthError> {
    credentials(headers, "bearer").map_err(|problem| match problem {
        Problem::Missing | Problem::OtherScheme => OAuthError::NoToken,
        Problem::Repeated => invalid_request("more than one Authorization header"),
        Problem::Malformed => invalid_request("the Authorization header is malformed"),
    })
}

const fn invalid_request(description: &'static str) -> OAuthError {
    OAuthError::Refused(StatusCode::BAD_REQUEST, problem("invalid_request", description), Some(INVALID_REQUEST))
}

const fn refused(description: &'static str, challenge: &'static str) -> OAuthError {
    OAuthError::Refused(StatusCode::UNAUTHORIZED, problem("invalid_token", description), Some(challenge))
}

/// The answer follows the grant: it ends with the session, with the client's declaration, and when the user leaves its
/// groups.
async fn claims(app: &App, token: &str) -> Result<Response, OAuthError> {
    let (openid, present) = ready(app).ok_or(OAuthError::not_ready())?;
    let invalid = || refused("the access token is invalid, expired or revoked", INVALID_TOKEN);
    let tokens = AccessTokens { openid: &openid, present: &present, sessions: &app.sessions, now: app.now() };
    let claims = tokens.read(token).ok_or_else(invalid)?;
    let access = tokens.validate(claims).await?.ok_or_else(invalid)?;
    // OpenID Connect Core, 5.3: a token of an authentication.
    if !access.scopes().any(|scope| scope == "openid") {
        return Err(OAuthError::Refused(
            StatusCode::FORBIDDEN,
            problem("insufficient_scope", "the access token does not have the scope openid"),
            Some(INSUFFICIENT_SCOPE),
        ));
    }
    let requested = RequestedClaims::of_text(access.grant.claims.as_deref()).userinfo;
    let wants = |claim: &str, scope: &str| {
        let is_requested = requested.iter().any(|name| name == claim);
        let may_have = access.declared.scopes.iter().any(|own| own == scope);
        access.scopes().any(|own| own == scope) || (is_requested && may_have)
    };
    let user = &access.grant.user;
    let mut claims = of_users::of_user(user, &access.groups, wants);
    claims.insert("sub".to_owned(), json!(user.uuid));
    let no_store = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    Ok((no_store, Json(claims)).into_response())
}
