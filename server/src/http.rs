//! The HTTP API, one file per resource. Shared code is in `app`, `envelope`, `error`, `body`, `query` and `bearer`.

pub mod accounts;
pub mod address_changes;
mod app;
pub mod audit;
mod authorization;
pub mod bearer;
pub mod bodies;
pub mod body;
mod changed;
pub mod client;
pub mod envelope;
pub mod error;
pub mod gate;
mod head;
pub mod layers;
pub mod listener;
pub mod look;
mod oidc;
pub mod openapi;
pub mod ops;
pub mod proxy_warnings;
mod published;
pub mod query;
pub mod rate_limits;
pub mod refusals;
pub mod refused;
pub mod sessions;
pub mod user_limit;
pub mod users;
pub mod verify;
pub mod warnings;
pub mod well_known;

use std::time::Duration;

use axum::Extension;
use axum::Router;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{any, get, post};
use tower_http::cors::CorsLayer;
use utoipa::OpenApi as _;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};
use utoipa_axum::routes;

pub use app::{App, Settings};
use body::limits::{self, Limit};
use error::ApiError;

/// All routes for clients, on port 8000.
pub fn router(app: App, draining: layers::Draining) -> Router {
    let (router, _) = described().split_for_parts();
    let router = bounded(router.merge(openapi::router(|| with_verify().split_for_parts().1)));
    let router = match app.settings.cors_origins.as_slice() {
        [] => router,
        origins => router.layer(cors(origins)),
    };
    // `verify` and the fallback are outside of CORS, which answers every OPTIONS with 200: a proxy that asks `verify`,
    // or a misspelled path, would let everybody pass.
    let router = router.merge(bounded(verify_routes().split_for_parts().0));
    let has_openid = app.openid.is_some();
    let openid = || bounded(oidc::router()).layer(from_fn_with_state(app.clone(), oidc::not_found_until_declared));
    let router = if has_openid { router.merge(openid()) } else { router };
    let router = router
        .fallback(|| async { ApiError::text(StatusCode::NOT_FOUND, "not found") })
        .layer(from_fn(head::refuse_ambiguous));
    let router = if has_openid {
        router.layer(from_fn(oidc::shape::reshape)).layer(from_fn_with_state(app.clone(), oidc::cors::allow))
    } else {
        router
    };
    router
        .layer(from_fn_with_state(app.clone(), refusals::trace))
        .layer(from_fn_with_state(app.metrics.clone(), layers::observe))
        .layer(from_fn_with_state(draining, layers::close_while_draining))
        .with_state(app)
}

/// Adds a time limit and the answer to a wrong method to every route.
fn bounded(router: Router<App>) -> Router<App> {
    router
        .method_not_allowed_fallback(|method: Method| async move {
            ApiError::text(StatusCode::METHOD_NOT_ALLOWED, format!("{method} is not allowed here"))
        })
        .layer(from_fn(layers::time_limit))
}

/// Every route, with its description.
fn with_verify() -> OpenApiRouter<App> {
    described().merge(verify_routes())
}

/// The routes that proxies call, not browsers.
fn verify_routes() -> OpenApiRouter<App> {
    // Envoy asks with any method that its client sends, and with its path behind ours.
    let (schemas, path_of_any, _) = routes!(verify::verify_any);
    let (more_schemas, path_of_role, _) = routes!(verify::verify_role);
    let routes = OpenApiRouter::new()
        .routes(routes!(verify::verify))
        // Some proxies use the method of the request that they forward.
        .route("/verify", post(verify::verify).put(verify::verify).patch(verify::verify).delete(verify::verify))
        .routes((schemas, path_of_any, any(verify::verify_any)))
        .route("/verify/any/{*path}", any(verify::verify_any))
        .routes((more_schemas, path_of_role, any(verify::verify_role)))
        .route("/verify/role/{roles}/{*path}", any(verify::verify_role))
        .route("/verify/", any(verify::verify_below))
        .route("/verify/{*path}", any(verify::verify_below))
        .layer(from_fn(layers::no_store));
    OpenApiRouter::new().nest("/api/v1", routes)
}

/// Every route except `verify`, with its description.
fn described() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(openapi::Description::openapi())
        .nest("/api/v1", api())
        .routes(routes!(well_known::jwks))
        .routes(routes!(well_known::metadata))
        .route("/.well-known/oauth-authorization-server/{*path}", get(well_known::metadata_of_path))
        .routes(routes!(well_known::version))
}

/// In the order of the documentation.
fn api() -> OpenApiRouter<App> {
    let users = routes!(users::listing::list, users::create, users::delete);
    OpenApiRouter::new()
        .routes(limited(routes!(accounts::register), limits::REGISTER))
        .routes(limited(routes!(accounts::login), limits::LOGIN))
        .routes(routes!(accounts::refresh))
        .routes(limited(routes!(accounts::me, accounts::changes::change_me), limits::CHANGE_ME))
        .routes(limited(routes!(accounts::changes::change_password), limits::CHANGE_PASSWORD))
        .routes(routes!(accounts::logout))
        .routes(routes!(sessions::list, sessions::end_others))
        .routes(routes!(sessions::end))
        .routes(limited(users, limits::USERS))
        .routes(limited(routes!(users::change), limits::CHANGE_USER))
        .routes(limited(routes!(users::get, users::delete_one), limits::USERS))
        .routes(limited(routes!(users::change_one), limits::CHANGE_USER))
        .routes(routes!(users::clear_failures))
        .routes(routes!(users::roles))
        .routes(routes!(audit::list))
        .layer(from_fn(layers::no_store))
}

/// Limits the size of bodies, and gives the limit in the examples.
fn limited((schemas, mut paths, routes): UtoipaMethodRouter<App>, limit: Limit) -> UtoipaMethodRouter<App> {
    openapi::examples::add_too_large(&mut paths, &body::too_large(limit));
    (schemas, paths, routes.layer(Extension(limit)))
}

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The headers of Trace Context (W3C), which instrumented pages send with each request.
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// CORS for browsers on other origins (Fetch Standard). It allows no credentials: tokens are sent in a header, not in a
/// cookie.
fn cors(origins: &[HeaderValue]) -> CorsLayer {
    CorsLayer::new()
        .allow_origin(origins.to_vec())
        .allow_methods([Method::GET, Method::POST, Method::PATCH, Method::DELETE])
        .allow_headers([header::AUTHORIZATION, header::CONTENT_TYPE, X_REQUEST_ID, TRACEPARENT, TRACESTATE])
        .expose_headers([header::RETRY_AFTER, header::WWW_AUTHENTICATE, X_REQUEST_ID])
        .max_age(Duration::from_mins(10))
}
