//! The format of the file: JSON Web Keys. These types do not implement `Debug`, so that they are never printed.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::attributes::{Algorithm, Purpose, State};
use super::error::KeysError;
use crate::time::UnixTime;

#[derive(Serialize, Deserialize)]
pub struct File {
    pub keys: Vec<Jwk>,
}

#[derive(Serialize, Deserialize)]
pub struct Jwk {
    pub kid: String,
    pub purpose: Purpose,
    #[serde(default)]
    pub state: State,
    #[serde(default)]
    pub since: UnixTime,
    pub alg: Algorithm,
    #[serde(flatten)]
    pub members: Members,
}

/// The members of a key, by its type: all base64url.
#[derive(Serialize, Deserialize)]
#[serde(tag = "kty")]
pub enum Members {
    #[serde(rename = "OKP")]
    Okp { crv: String, x: String, d: String },
    #[serde(rename = "EC")]
    Ec { crv: String, x: String, y: String, d: String },
    #[serde(rename = "RSA")]
    Rsa { n: String, e: String, d: String, p: String, q: String, dp: String, dq: String, qi: String },
    #[serde(rename = "oct")]
    Oct { k: String },
}

pub fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub fn decode(kid: &str, text: &str) -> Result<Vec<u8>, KeysError> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| unusable(kid, "a member is not base64url"))
}

pub fn unusable(kid: &str, problem: &'static str) -> KeysError {
    KeysError::Unusable { kid: kid.to_owned(), problem }
}

/// serde_json's message may quote the input, which is secret: only the kind and the position are kept.
pub fn not_a_key_set(error: &serde_json::Error) -> KeysError {
    let kind = match error.classify() {
        serde_json::error::Category::Eof => "it ends too early",
        serde_json::error::Category::Data => "a member is missing or of the wrong type",
        serde_json::error::Category::Syntax | serde_json::error::Category::Io => "it is not JSON",
    };
    KeysError::NotAKeySet(kind, error.line(), error.column())
}
