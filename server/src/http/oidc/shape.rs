//! Rewrites errors of the layers, such as 404, 413 and 503, as OAuth errors (RFC 6749, 5.2).

use axum::Json;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use serde_json::json;

use crate::http::error::Enveloped;

/// Rewrites answers in the envelope below `/oauth2`.
pub async fn reshape(request: Request, next: Next) -> Response {
    let is_ours = request.uri().path().starts_with("/oauth2/");
    let mut response = next.run(request).await;
    if !is_ours {
        return response;
    }
    let Some(Enveloped(text)) = response.extensions_mut().remove::<Enveloped>() else { return response };
    let (mut parts, _) = response.into_parts();
    let text = text.unwrap_or_else(|| parts.status.canonical_reason().unwrap_or("error").to_lowercase());
    let body = Json(json!({"error": error_of(parts.status), "error_description": text})).into_response();
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Response::from_parts(parts, body.into_body())
}

fn error_of(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED => "invalid_token",
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => "temporarily_unavailable",
        status if status.is_server_error() => "server_error",
        _ => "invalid_request",
    }
}
