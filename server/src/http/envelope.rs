//! The envelope around every answer: `{"status":"ok","code":200,"data":…}`.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

#[derive(Serialize)]
pub struct Envelope<T> {
    pub status: &'static str,
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
