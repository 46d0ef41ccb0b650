//! What anybody may ask: which version this is, and the keys to verify access tokens with.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use serde_json::Value;

use super::App;
use super::envelope::Data;

#[derive(Serialize)]
pub struct Version {
    version: &'static str,
}

pub async fn version() -> Data<Version> {
    Data(Version { version: env!("CARGO_PKG_VERSION") })
}

/// The public keys (RFC 7517), outside of the envelope, as every verifier expects them.
pub async fn jwks(State(app): State<App>) -> Json<Value> {
    Json(app.sessions.keys.published.clone())
}
