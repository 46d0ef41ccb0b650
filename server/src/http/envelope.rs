//! The envelope around every answer: `{"status":"ok","code":200,"data":…}`.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Serialize, Serializer};
use time::OffsetDateTime;
use utoipa::ToSchema;

/// What every answer looks like.
#[derive(Serialize, ToSchema)]
pub struct Envelope<T> {
    /// `ok`, or `fail`.
    pub status: &'static str,
    /// The HTTP status again.
    pub code: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<T>,
}

/// 200 with data.
pub struct Data<T>(pub T);

impl<T: Serialize> IntoResponse for Data<T> {
    fn into_response(self) -> Response {
        ok(StatusCode::OK, Some(self.0))
    }
}

/// A time in seconds since 1970-01-01 UTC, shown as RFC 3339 has it.
#[derive(Debug, Clone, Copy, ToSchema)]
#[schema(value_type = String, format = DateTime)]
pub struct Rfc3339(pub i64);

impl Serialize for Rfc3339 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let time = OffsetDateTime::from_unix_timestamp(self.0).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let text = time.format(&time::format_description::well_known::Rfc3339);
        serializer.serialize_str(&text.map_err(serde::ser::Error::custom)?)
    }
}

/// A status that says it all.
pub struct Done(pub StatusCode);

impl IntoResponse for Done {
    fn into_response(self) -> Response {
        ok(self.0, None::<()>)
    }
}

fn ok<T: Serialize>(status: StatusCode, data: Option<T>) -> Response {
    (status, Json(Envelope { status: "ok", code: status.as_u16(), data })).into_response()
}
