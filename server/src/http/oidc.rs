//! OpenID Connect and the login page. Errors have the standards' own shapes, never the envelope of `/api/v1`.

mod answer;
mod authorize;
mod client_auth;
mod consent;
pub mod cors;
mod error;
mod flow;
mod forms;
mod login;
pub mod metadata;
mod pages;
mod paths;
mod ready;
pub mod shape;
mod submitted;
mod token;
mod userinfo;

use axum::Router;
use axum::routing::{get, post};

use super::app::App;
use paths::{ALL_KEYS, AUTHORIZE, CONFIGURATION, CONSENT, JWKS, LOGIN, STYLE, TOKEN, USERINFO};

/// The routes, which exist only with declared clients and a usable issuer.
pub fn router() -> Router<App> {
    Router::new()
        .route(AUTHORIZE, get(authorize::get).post(authorize::post))
        .route(LOGIN, get(pages::nothing).post(login::post))
        .route(CONSENT, get(pages::nothing).post(consent::post))
        .route(STYLE, get(pages::style))
        .route(TOKEN, post(token::post))
        .route(USERINFO, get(userinfo::get).post(userinfo::post))
        .route(JWKS, get(metadata::jwks))
        .route(ALL_KEYS, get(metadata::all_keys))
        .route(CONFIGURATION, get(metadata::configuration))
}
