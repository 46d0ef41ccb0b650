//! `/oauth2/introspect`: whether an access token is valid, for those whom it is for (RFC 7662).

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

use super::client_auth::authenticate;
use super::error::OAuthError;
use super::ready::ready;
use super::token::read_form;
use crate::auth::oidc::{AccessTokens, ValidAccess};
use crate::http::app::App;

pub async fn post(State(app): State<App>, request: Request) -> Result<Response, OAuthError> {
    let (openid, present) = ready(&app).ok_or(OAuthError::not_ready())?;
    let headers = request.headers().clone();
    let form = read_form(request).await?;
    let now = app.now();
    let declared = authenticate(&present.declared, &headers, &form, now)?;
    if !declared.is_confidential() {
        // Anybody could try tokens.
        return Err(OAuthError::invalid_client());
    }
    let token = form.one("token").ok_or(OAuthError::invalid_request("token is missing"))?;
    let tokens = AccessTokens { openid: &openid, present: &present, sessions: &app.sessions, now };
    // Boxed, since it is large: the memory of a request that waits for its body includes the future.
    let valid = Box::pin(tokens.introspect(declared, token)).await?;
    let answer = valid.map_or_else(|| json!({"active": false}), |access| description(&access));
    Ok(([(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))], Json(answer)).into_response())
}

fn description(access: &ValidAccess<'_>) -> Value {
    let claims = &access.claims;
    json!({
        "active": true,
        "token_type": "Bearer",
        "iss": claims.iss,
        "sub": claims.sub,
        "aud": claims.aud,
        "client_id": claims.client_id,
        "scope": access.scopes().collect::<Vec<_>>().join(" "),
        "jti": claims.jti,
        "auth_time": claims.auth_time,
        "iat": claims.iat,
        "exp": claims.exp,
    })
}
