//! What the pages load.

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use crate::http::app::App;
use crate::http::error::ApiError;

const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");
/// Browsers ask again for what a new setting may change.
const CACHE: HeaderValue = HeaderValue::from_static("public, max-age=300");

pub async fn style(State(app): State<App>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/css; charset=utf-8")),
        (header::CACHE_CONTROL, CACHE),
        (header::X_CONTENT_TYPE_OPTIONS, NOSNIFF),
    ];
    (headers, app.look.style.clone()).into_response()
}

pub async fn logo(State(app): State<App>) -> Result<Response, ApiError> {
    let logo = app.look.logo().ok_or_else(|| ApiError::text(StatusCode::NOT_FOUND, "not found"))?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(logo.media_type)),
        (header::CACHE_CONTROL, CACHE),
        (header::X_CONTENT_TYPE_OPTIONS, NOSNIFF),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'")),
    ];
    Ok((headers, logo.bytes.clone()).into_response())
}
