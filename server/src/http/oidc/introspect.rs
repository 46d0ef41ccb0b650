//! `/oauth2/introspect`: whether an access token is valid, for those whom it is for (RFC 7662).

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use sc_auth_contract::declared::DeclaredClient;
use sc_auth_contract::time::UnixTime;
use serde_json::{Value, json};

use super::client_auth::authenticate;
use super::error::OAuthError;
use super::ready::ready;
use super::token::read_form;
use crate::auth::oidc::{OpenId, Present, claims, tokens};
use crate::http::app::App;
use crate::store::{Grant, StoreError};

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
    let found = Box::pin(describe(&app, &openid, &present, declared, token, now)).await?;
    let answer = found.unwrap_or_else(|| json!({"active": false}));
    Ok(([(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))], Json(answer)).into_response())
}

/// `None` if the token is not valid any more, or not for this client: it does not learn which (RFC 7662, 2.2).
async fn describe(
    app: &App,
    openid: &OpenId,
    present: &Present,
    caller: &DeclaredClient,
    token: &str,
    now: UnixTime,
) -> Result<Option<Value>, StoreError> {
    let access = tokens::verify_access(&present.keys, &openid.issuer, token, now, app.sessions.leeway);
    let Some(access) = access.ok().filter(|access| caller.is_audience(access.aud.names())) else { return Ok(None) };
    let Some(declared) = present.declared.find(&access.client_id) else { return Ok(None) };
    let store = &app.sessions.store;
    let is_valid =
        |grant: &Grant| grant.is_live(now) && grant.client == declared.key() && grant.user.uuid == access.sub;
    let Some(grant) = store.grant(&access.grant_id).await?.filter(is_valid) else { return Ok(None) };
    // The user may have left the groups of the client.
    if claims::groups(store, &grant.user, declared).await?.is_none() {
        return Ok(None);
    }
    let has = |scope: &&str| declared.scopes.iter().any(|own| own == scope);
    let scope = access.scope.split(' ').filter(has).collect::<Vec<_>>().join(" ");
    Ok(Some(json!({
        "active": true,
        "token_type": "Bearer",
        "iss": access.iss,
        "sub": access.sub,
        "aud": access.aud,
        "client_id": access.client_id,
        "scope": scope,
        "jti": access.jti,
        "auth_time": access.auth_time,
        "iat": access.iat,
        "exp": access.exp,
    })))
}
