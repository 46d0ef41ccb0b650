//! Reads request bodies, JSON objects, within limits of size and time.

mod fields;
pub mod limits;

use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use futures::StreamExt as _;
use hyper::body::Body as _;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::error::ApiError;
use crate::account::Problem;
pub use fields::Problems;
use limits::Limit;

/// How the names of character sets begin in which ASCII has other bytes.
const WIDE: [&str; 7] = ["utf-16", "utf16", "utf-32", "utf32", "utf-7", "ucs-", "iso-10646"];
/// How long a body may take to arrive.
pub const TIME: Duration = Duration::from_secs(10);

/// The fields of a body that is a JSON object. Handlers check them only after they have authenticated the client.
pub struct Fields(Map<String, Value>);

impl<S: Send + Sync> FromRequest<S> for Fields {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        if !is_json(request.headers()) {
            return Err(ApiError::NotJson);
        }
        refuse_encoded(request.headers())?;
        refuse_charset(request.headers())?;
        let limit = request.extensions().get().copied().unwrap_or(limits::ROUTE_WITHOUT_BODY);
        // This drops the head, which need not stay in memory while the body arrives.
        let body = request.into_body();
        let bytes = match tokio::time::timeout(TIME, read(body, limit)).await {
            Ok(bytes) => bytes?,
            Err(_) => return Err(ApiError::Unread(StatusCode::REQUEST_TIMEOUT, late())),
        };
        match serde_json::from_slice(&bytes) {
            Ok(Value::Object(object)) => Ok(Self(object)),
            Ok(_) => Err(not_an_object()),
            Err(error) => {
                // Not serde_json's own message, which may quote the body: it can contain a password.
                let place = format!("line {}, column {}", error.line(), error.column());
                Err(ApiError::text(StatusCode::BAD_REQUEST, format!("Failed to decode JSON object: {place}")))
            }
        }
    }
}

/// Copies the body into one buffer: with a client that sends single bytes, a list of chunks would take much memory.
async fn read(body: Body, limit: Limit) -> Result<Vec<u8>, ApiError> {
    let refusal = || ApiError::Unread(StatusCode::PAYLOAD_TOO_LARGE, too_large(limit));
    if body.size_hint().lower() > limit.0 as u64 {
        return Err(refusal());
    }
    let mut bytes = Vec::new();
    let mut parts = body.into_data_stream();
    while let Some(part) = parts.next().await {
        let part = part.map_err(|_| ApiError::text(StatusCode::BAD_REQUEST, "the body could not be read"))?;
        if bytes.len() + part.len() > limit.0 {
            return Err(refusal());
        }
        bytes.extend_from_slice(&part);
    }
    Ok(bytes)
}

/// Reads a form (`application/x-www-form-urlencoded`).
///
/// # Errors
/// If it is something else, too large or late.
pub async fn form(request: Request, limit: Limit) -> Result<Vec<u8>, ApiError> {
    if !is_form(request.headers()) {
        let text = "send the body as application/x-www-form-urlencoded";
        return Err(ApiError::Unread(StatusCode::BAD_REQUEST, text.to_owned()));
    }
    refuse_charset(request.headers())?;
    refuse_encoded(request.headers())?;
    match tokio::time::timeout(TIME, read(request.into_body(), limit)).await {
        Ok(bytes) => bytes,
        Err(_) => Err(ApiError::Unread(StatusCode::REQUEST_TIMEOUT, late())),
    }
}

/// Whether a body is a form, by its type.
pub fn is_form(headers: &HeaderMap) -> bool {
    essence(headers).as_deref() == Some("application/x-www-form-urlencoded")
}

pub fn too_large(Limit(limit): Limit) -> String {
    format!("the body is larger than {limit} bytes")
}

fn late() -> String {
    format!("the body did not arrive within {} s", TIME.as_secs())
}

fn not_an_object() -> ApiError {
    ApiError::field("_schema", Problem::NotObject)
}

/// # Errors
/// If the body is compressed or otherwise encoded (RFC 9110, 8.4).
fn refuse_encoded(headers: &HeaderMap) -> Result<(), ApiError> {
    let values = headers.get_all(header::CONTENT_ENCODING).into_iter().map(|value| value.to_str().unwrap_or("unknown"));
    let mut codings = values.flat_map(|value| value.split(',')).map(str::trim);
    let is_ours = |coding: &str| coding.is_empty() || coding.eq_ignore_ascii_case("identity");
    match codings.find(|coding| !is_ours(coding)) {
        Some(coding) => {
            let name: String = coding.chars().take(32).collect();
            let text = format!("Content-Encoding {name} is not supported; send the body without it");
            Err(ApiError::Unread(StatusCode::UNSUPPORTED_MEDIA_TYPE, text))
        }
        None => Ok(()),
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    essence(headers).is_some_and(|essence| {
        essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
    })
}

/// The type of the body, without parameters.
fn essence(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok())?;
    Some(value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
}

/// JSON is UTF-8 (RFC 8259, 8.1), and forms are read as such. Clients that name another superset of ASCII, such as
/// Latin-1, mostly send ASCII.
///
/// # Errors
/// If the body is in a character set in which ASCII has other bytes.
fn refuse_charset(headers: &HeaderMap) -> Result<(), ApiError> {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let value = value.to_ascii_lowercase();
    let parameters = value.split(';').skip(1).filter_map(|parameter| parameter.split_once('='));
    let mut charsets = parameters.filter(|(name, _)| name.trim() == "charset").map(|(_, value)| value);
    let is_wide = |charset: &str| WIDE.iter().any(|wide| charset.trim_start_matches(['"', ' ']).starts_with(wide));
    if charsets.any(is_wide) {
        let text = "the charset of Content-Type is not supported; send the body in UTF-8".to_owned();
        return Err(ApiError::Unread(StatusCode::UNSUPPORTED_MEDIA_TYPE, text));
    }
    Ok(())
}

impl Fields {
    /// All fields, and their problems.
    pub fn read<T: DeserializeOwned>(self) -> Result<(T, Problems), ApiError> {
        fields::read(self.0)
    }

    /// Whether the field exists and is null.
    pub fn is_null(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(Value::is_null)
    }
}
