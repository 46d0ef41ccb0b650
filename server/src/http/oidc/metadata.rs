//! What clients need to know about this server (OpenID Connect Discovery, 3; RFC 8414): only what the code supports.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use sc_auth_contract::declared::SCOPES;
use sc_auth_contract::keys::OIDC_ALGORITHMS;
use serde_json::{Value, json};

use super::error::OAuthError;
use super::pages::LANGUAGES;
use super::paths::{AUTHORIZE, DOCS, JWKS, TOKEN, USERINFO};
use super::ready::ready;
use super::token::GRANT_TYPES;
use super::userinfo::CLAIMS;
use crate::auth::oidc::OpenId;
use crate::http::app::App;
use crate::http::well_known::{CACHE, keys_answer};

pub async fn configuration(State(app): State<App>) -> Result<Response, OAuthError> {
    let (openid, _) = ready(&app).ok_or(OAuthError::not_ready())?;
    Ok(for_everybody(([(header::CACHE_CONTROL, CACHE)], Json(document(&openid))).into_response()))
}

pub async fn jwks(State(app): State<App>, headers: HeaderMap) -> Result<Response, OAuthError> {
    let (_, present) = ready(&app).ok_or(OAuthError::not_ready())?;
    Ok(for_everybody(keys_answer(&headers, &present.keys.etag, &present.keys.published)))
}

/// Allows every origin: the content is public.
fn for_everybody(mut response: Response) -> Response {
    response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response
}

fn document(openid: &OpenId) -> Value {
    json!({
        "issuer": openid.issuer,
        "authorization_endpoint": openid.address(AUTHORIZE),
        "token_endpoint": openid.address(TOKEN),
        "userinfo_endpoint": openid.address(USERINFO),
        "jwks_uri": openid.address(JWKS),
        "scopes_supported": SCOPES,
        "response_types_supported": ["code"],
        "response_modes_supported": ["query", "form_post"],
        "grant_types_supported": GRANT_TYPES,
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": OIDC_ALGORITHMS,
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        "code_challenge_methods_supported": ["S256"],
        "claims_supported": CLAIMS,
        "claims_parameter_supported": false,
        "request_parameter_supported": false,
        "request_uri_parameter_supported": false,
        "authorization_response_iss_parameter_supported": true,
        "prompt_values_supported": ["none", "login", "consent", "select_account"],
        "ui_locales_supported": LANGUAGES,
        "service_documentation": openid.address(DOCS),
    })
}
