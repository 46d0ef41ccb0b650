//! What the pages load.

use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use crate::http::app::App;
use crate::http::error::ApiError;

pub async fn style(State(app): State<App>) -> Response {
    (headers("text/css; charset=utf-8"), app.look.style.clone()).into_response()
}

pub async fn logo(State(app): State<App>) -> Result<Response, ApiError> {
    let logo = app.look.logo().ok_or_else(|| ApiError::text(StatusCode::NOT_FOUND, "not found"))?;
    let policy = [(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'"))];
    Ok((headers(logo.media_type), policy, logo.bytes.clone()).into_response())
}

fn headers(media_type: &'static str) -> [(HeaderName, HeaderValue); 3] {
    [
        (header::CONTENT_TYPE, HeaderValue::from_static(media_type)),
        // Browsers ask again for what a new setting may change.
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ]
}
