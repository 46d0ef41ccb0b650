//! The envelope around every answer: `{"status":"ok","code":200,"data":…}`.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use sc_auth_contract::time::UnixTime;
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use super::openapi::answers::Empty;
use crate::clock::to_rfc3339;

const OK: &str = "ok";

/// An answer with data.
#[derive(Serialize, ToSchema)]
pub struct Envelope<T> {
    /// `ok`, or `fail`.
    #[schema(example = "ok")]
    pub status: &'static str,
    /// The HTTP status.
    pub code: u16,
    pub data: T,
}

/// 200 with data.
pub struct Data<T>(pub T);

impl<T: Serialize> IntoResponse for Data<T> {
    fn into_response(self) -> Response {
        Json(Envelope { status: OK, code: StatusCode::OK.as_u16(), data: self.0 }).into_response()
    }
}

/// A time, shown as RFC 3339 has it.
#[derive(Debug, Clone, Copy, ToSchema)]
#[schema(value_type = String, format = DateTime)]
pub struct Rfc3339(pub UnixTime);

impl Serialize for Rfc3339 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&to_rfc3339(self.0).map_err(serde::ser::Error::custom)?)
    }
}

/// A status without data.
pub struct Done(pub StatusCode);

impl IntoResponse for Done {
    fn into_response(self) -> Response {
        (self.0, Json(Empty { status: OK, code: self.0.as_u16() })).into_response()
    }
}
