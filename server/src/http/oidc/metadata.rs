//! What clients need to know about this server (OpenID Connect Discovery, 3; RFC 8414): only what the code supports.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse as _, Response};
use sc_auth_contract::declared::SCOPES;
use sc_auth_contract::keys::OIDC_ALGORITHMS;
use serde_json::{Value, json};

use super::client_auth::{METHODS, SECRET_METHODS};
use super::error::OAuthError;
use super::pages::LANGUAGES;
use super::paths::{ALL_KEYS, AUTHORIZE, INTROSPECT, JWKS, LOGOUT, REVOKE, TOKEN, USERINFO};
use super::ready::ready;
use super::token::GRANT_TYPES;
use crate::auth::keys::etag;
use crate::auth::oidc::OpenId;
use crate::auth::oidc::claims::CLAIMS;
use crate::http::app::App;
use crate::http::published::{CACHE, keys_answer};

pub async fn configuration(State(app): State<App>) -> Result<Response, OAuthError> {
    let (openid, _) = ready(&app).ok_or(OAuthError::not_ready())?;
    Ok(([(header::CACHE_CONTROL, CACHE)], Json(document(&openid))).into_response())
}

pub async fn jwks(State(app): State<App>, headers: HeaderMap) -> Result<Response, OAuthError> {
    let (_, present) = ready(&app).ok_or(OAuthError::not_ready())?;
    Ok(keys_answer(&headers, &present.keys.etag, &present.keys.published))
}

/// The keys of applications and those of `/api/v1`: clients that find the server by RFC 8414 verify either kind of token.
pub async fn all_keys(State(app): State<App>, headers: HeaderMap) -> Result<Response, OAuthError> {
    let (_, present) = ready(&app).ok_or(OAuthError::not_ready())?;
    let api = app.sessions.keys.get();
    let sets = [&present.keys.published, &api.published].map(|set| serde_json::from_str::<Value>(set));
    let keys = sets.into_iter().flatten().flat_map(|set| set["keys"].as_array().cloned().unwrap_or_default());
    let published = json!({"keys": keys.collect::<Vec<_>>()}).to_string();
    Ok(keys_answer(&headers, &etag(&published), &published))
}

/// The metadata for clients that know OAuth but not OpenID Connect; `None` while there is none.
pub fn of_oauth(app: &App) -> Option<Value> {
    let (openid, _) = ready(app)?;
    let mut document = document(&openid);
    document["jwks_uri"] = json!(openid.address(ALL_KEYS));
    Some(document)
}

fn document(openid: &OpenId) -> Value {
    let claims: Vec<_> = ["sub"].into_iter().chain(CLAIMS.map(|(claim, _)| claim)).collect();
    json!({
        "issuer": openid.issuer,
        "authorization_endpoint": openid.address(AUTHORIZE),
        "token_endpoint": openid.address(TOKEN),
        "revocation_endpoint": openid.address(REVOKE),
        "introspection_endpoint": openid.address(INTROSPECT),
        "end_session_endpoint": openid.address(LOGOUT),
        "userinfo_endpoint": openid.address(USERINFO),
        "jwks_uri": openid.address(JWKS),
        "scopes_supported": SCOPES,
        "response_types_supported": ["code"],
        "response_modes_supported": ["query", "form_post"],
        "grant_types_supported": GRANT_TYPES,
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": OIDC_ALGORITHMS,
        "token_endpoint_auth_methods_supported": METHODS,
        "revocation_endpoint_auth_methods_supported": METHODS,
        "introspection_endpoint_auth_methods_supported": SECRET_METHODS,
        "backchannel_logout_supported": true,
        "backchannel_logout_session_supported": true,
        "code_challenge_methods_supported": ["S256"],
        "claims_supported": claims,
        "claims_parameter_supported": true,
        "request_parameter_supported": false,
        "request_uri_parameter_supported": false,
        "authorization_response_iss_parameter_supported": true,
        "prompt_values_supported": ["none", "login", "consent", "select_account"],
        "ui_locales_supported": LANGUAGES,
    })
}
