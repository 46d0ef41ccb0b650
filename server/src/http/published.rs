//! Answers that everybody gets, and that clients may keep for a while.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

/// A key is published 15 minutes before it signs: verifiers that fetch the keys every five minutes have it in time.
pub const CACHE: HeaderValue = HeaderValue::from_static("public, max-age=300");

/// The keys, unless the client has them.
pub fn keys_answer(headers: &HeaderMap, tag: &str, published: &str) -> Response {
    let etag = HeaderValue::from_str(tag).unwrap_or(HeaderValue::from_static("\"\""));
    let is_known = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok()).any(|value| {
        value.split(',').any(|known| matches!(known.trim(), "*") || known.trim().trim_start_matches("W/") == tag)
    });
    let common = [(header::ETAG, etag), (header::CACHE_CONTROL, CACHE)];
    if is_known {
        return (StatusCode::NOT_MODIFIED, common).into_response();
    }
    let content_type = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    (common, content_type, published.to_owned()).into_response()
}
