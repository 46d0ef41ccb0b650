//! Answers every path with 503 while the server waits for the expected database.

use std::convert::Infallible;
use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use tower::Service as _;

use super::error::ApiError;

/// Closed at first; stays open once the API is served.
#[derive(Clone, Default)]
pub struct Gate(Arc<OnceLock<Router>>);

impl Gate {
    /// Passes requests to `api` from now on.
    pub fn open(&self, api: Router) {
        let _ = self.0.set(api);
    }

    pub fn router(&self) -> Router {
        let gate = self.clone();
        Router::new().fallback(move |request: Request| {
            let gate = gate.clone();
            async move { gate.pass(request).await }
        })
    }

    async fn pass(&self, request: Request) -> Response {
        let Some(api) = self.0.get() else { return ApiError::database_unavailable().into_response() };
        let answered: Result<Response, Infallible> = api.clone().call(request).await;
        match answered {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}
