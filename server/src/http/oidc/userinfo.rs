//! `/oauth2/userinfo`: what an application may know about the user (OpenID Connect Core, 5.3).

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;

use super::error::OAuthError;
use super::ready::ready;
use crate::auth::oidc::request::{Parameters, problem};
use crate::auth::oidc::tokens;
use crate::http::app::App;
use crate::http::authorization::{Problem, credentials};
use crate::http::body;
use crate::http::body::limits::TOKEN;
use crate::store::User;

const INVALID_TOKEN: &str = "Bearer realm=\"sc-auth\", error=\"invalid_token\"";
const NO_TOKEN: &str = "Bearer realm=\"sc-auth\"";

/// The claims of each scope.
pub const CLAIMS: [&str; 5] = ["sub", "name", "preferred_username", "email", "email_verified"];

/// Those that the scopes allow and that are known.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
struct Claims {
    sub: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    preferred_username: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    /// Nobody verifies addresses yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    email_verified: Option<bool>,
}

impl Claims {
    fn of(user: User, has: impl Fn(&str) -> bool) -> Self {
        let (profile, email) = (has("profile"), has("email"));
        Self {
            sub: user.uuid,
            name: user.name.filter(|_| profile),
            preferred_username: user.username.filter(|_| profile),
            email_verified: user.email.as_ref().filter(|_| email).map(|_| false),
            email: user.email.filter(|_| email),
        }
    }
}

pub async fn get(State(app): State<App>, headers: HeaderMap) -> Result<Response, OAuthError> {
    claims(&app, bearer(&headers)?).await
}

/// The token may be in a form too (RFC 6750, 2.2), but not in both.
pub async fn post(State(app): State<App>, request: Request) -> Result<Response, OAuthError> {
    let headers = request.headers().clone();
    if !headers.contains_key(header::CONTENT_TYPE) {
        return claims(&app, bearer(&headers)?).await;
    }
    let form = Parameters::parse(&body::form(request, TOKEN).await?).once()?;
    match (form.one("access_token"), headers.contains_key(header::AUTHORIZATION)) {
        (Some(_), true) => Err(OAuthError::invalid_request("the token was sent twice")),
        (Some(token), false) => claims(&app, token).await,
        (None, _) => claims(&app, bearer(&headers)?).await,
    }
}

fn bearer(headers: &HeaderMap) -> Result<&str, OAuthError> {
    credentials(headers, "bearer").map_err(|problem| match problem {
        Problem::Missing | Problem::OtherScheme => refused("the access token is missing", NO_TOKEN),
        Problem::Repeated => OAuthError::invalid_request("more than one Authorization header"),
        Problem::Malformed => OAuthError::invalid_request("the Authorization header is malformed"),
    })
}

const fn refused(description: &'static str, challenge: &'static str) -> OAuthError {
    OAuthError::Refused(StatusCode::UNAUTHORIZED, problem("invalid_token", description), Some(challenge))
}

/// The answer follows the grant: it ends with the session, and with the client's declaration.
async fn claims(app: &App, token: &str) -> Result<Response, OAuthError> {
    let (openid, present) = ready(app).ok_or(OAuthError::not_ready())?;
    let (now, sessions) = (app.now(), &app.sessions);
    let invalid = || refused("the access token is invalid, expired or revoked", INVALID_TOKEN);
    let access = tokens::verify_access(&present.keys, &openid.issuer, token, now, sessions.leeway);
    let access = access.map_err(|_| invalid())?;
    let declared = present.declared.find(&access.client_id).ok_or_else(invalid)?;
    let grant = sessions.store.grant(&access.grant_id).await?.ok_or_else(invalid)?;
    if !grant.is_live(now) || grant.client != declared.key() || grant.user.uuid != access.sub {
        return Err(invalid());
    }
    let has =
        |scope: &str| access.scope.split(' ').any(|own| own == scope) && declared.scopes.iter().any(|own| own == scope);
    let no_store = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    Ok((no_store, Json(Claims::of(grant.user, has))).into_response())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_application_learns_only_what_its_scopes_allow() {
        let user = || User {
            uuid: "u".into(),
            name: Some("Some Body".into()),
            username: Some("some".into()),
            email: Some("some@example.com".into()),
            ..User::default()
        };
        let claims =
            |scopes: &[&str]| serde_json::to_value(Claims::of(user(), |scope| scopes.contains(&scope))).unwrap();
        assert_eq!(claims(&["openid"]), json!({"sub": "u"}));
        let profile = json!({"sub": "u", "name": "Some Body", "preferred_username": "some"});
        assert_eq!(claims(&["openid", "profile"]), profile);
        let email = json!({"sub": "u", "email": "some@example.com", "email_verified": false});
        assert_eq!(claims(&["openid", "email"]), email);
        let all = claims(&["profile", "email"]);
        assert!(all.as_object().unwrap().keys().all(|name| CLAIMS.contains(&name.as_str())), "the metadata lists them");
    }
}
