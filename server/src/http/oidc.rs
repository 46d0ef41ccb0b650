//! OpenID Connect and the login page. Errors have the standards' own shapes, never the envelope of `/api/v1`.

mod account_login;
mod answer;
mod applications;
mod assets;
mod authorize;
mod client_auth;
mod consent;
pub mod cors;
mod error;
mod flow;
mod forms;
mod introspect;
mod login;
mod logout;
pub mod metadata;
mod page_request;
mod pages;
mod paths;
mod ready;
mod revoke;
mod sealed_form;
pub mod shape;
mod submitted;
mod token;
mod userinfo;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};

use super::app::App;
use super::error::ApiError;
use paths::{
    ACCOUNT_LOGIN, ALL_KEYS, APPLICATIONS, AUTHORIZE, CONFIGURATION, CONSENT, INTROSPECT, JWKS, LOGIN, LOGO, LOGOUT,
    LOGOUT_FORM, REVOKE, STYLE, TOKEN, USERINFO,
};

/// The routes, which exist only with declared clients and a usable issuer.
pub fn router() -> Router<App> {
    Router::new()
        .route(AUTHORIZE, get(authorize::get).post(authorize::post))
        .route(LOGIN, get(pages::nothing).post(login::post))
        .route(CONSENT, get(pages::nothing).post(consent::post))
        .route(LOGOUT, get(logout::get).post(logout::post))
        .route(LOGOUT_FORM, get(pages::nothing).post(logout::confirm))
        .route(ACCOUNT_LOGIN, get(pages::nothing).post(account_login::post))
        .route(APPLICATIONS, get(applications::get).post(applications::post))
        .route(STYLE, get(assets::style))
        .route(LOGO, get(assets::logo))
        .route(TOKEN, post(token::post))
        .route(REVOKE, post(revoke::post))
        .route(INTROSPECT, post(introspect::post))
        .route(USERINFO, get(userinfo::get).post(userinfo::post))
        .route(JWKS, get(metadata::jwks))
        .route(ALL_KEYS, get(metadata::all_keys))
        .route(CONFIGURATION, get(metadata::configuration))
}

/// As if the routes did not exist, while a pod has no declared clients: a stranger must not get a 5xx from a server that
/// nobody asked for OpenID Connect.
pub async fn not_found_until_declared(State(app): State<App>, request: Request, next: Next) -> Response {
    if app.openid.as_ref().is_none_or(|openid| openid.declared.is_awaited()) {
        return ApiError::text(StatusCode::NOT_FOUND, "not found").into_response();
    }
    next.run(request).await
}
