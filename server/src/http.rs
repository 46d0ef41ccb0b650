//! The HTTP API. One file a resource; what they share lies in `envelope`, `error`, `body` and `bearer`.

pub mod accounts;
pub mod bearer;
pub mod body;
pub mod envelope;
pub mod error;
pub mod layers;
pub mod listener;
pub mod ops;
pub mod users;
pub mod well_known;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{Method, StatusCode};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{delete, get, post};

use crate::auth::session::Sessions;
use crate::clock::Clock;
use crate::metrics::Metrics;

/// The largest body that is read, in bytes.
const BODY_LIMIT: usize = 64 * 1024;

/// What handlers work with.
#[derive(Clone)]
pub struct App {
    pub sessions: Arc<Sessions>,
    pub metrics: Metrics,
    pub clock: Clock,
    /// The fewest characters of a new password.
    pub password_min_length: usize,
}

/// All that clients reach, on port 8000.
pub fn router(app: App, draining: layers::Draining) -> Router {
    Router::new()
        .route("/", get(well_known::version))
        .route("/.well-known/jwks.json", get(well_known::jwks))
        .route("/api/v1/accounts/register", post(accounts::register))
        .route("/api/v1/accounts/login", post(accounts::login))
        .route("/api/v1/accounts/me", get(accounts::me))
        .route("/api/v1/accounts/refresh", post(accounts::refresh))
        .route("/api/v1/accounts/logout", delete(accounts::logout))
        .route("/api/v1/users", get(users::list).post(users::create).patch(users::change).delete(users::delete))
        .fallback(|| async { error::ApiError::text(StatusCode::NOT_FOUND, "not found") })
        .method_not_allowed_fallback(|method: Method| async move {
            error::ApiError::text(StatusCode::METHOD_NOT_ALLOWED, format!("{method} is not allowed here"))
        })
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(from_fn(layers::time_limit))
        .layer(from_fn_with_state(app.metrics.clone(), layers::observe))
        .layer(from_fn_with_state(draining, layers::close_while_draining))
        .with_state(app)
}
