//! Verifies access tokens with the published keys, without a call to sc-auth for each token: an extractor for axum. A
//! logout takes effect when the token expires. If that is too late, call `GET /api/v1/verify` instead.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{FromRef, FromRequestParts};
use axum::http::StatusCode;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use jsonwebtoken::jwk::{AlgorithmParameters, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;
use tokio::sync::{Mutex, RwLock};

/// The minimum interval between fetches of the keys, failed ones too: an unknown key triggers a fetch, and anybody can make
/// up tokens.
const PAUSE: Duration = Duration::from_secs(10);
/// The age at which the keys are fetched again: one of them may have been revoked.
const AGE: Duration = Duration::from_mins(1);
/// The age from which the keys are not used any more, if fetching fails.
const MAX_AGE: Duration = Duration::from_mins(5);

/// Extractor for the user of a request. Without a valid access token the answer is 401, and 503 if the keys cannot be fetched.
#[derive(Debug, Clone, Deserialize)]
pub struct User {
    /// The user's UUID.
    pub sub: String,
    pub roles: Vec<String>,
}

impl User {
    /// # Errors
    /// 403 without the role.
    pub fn needs(&self, role: &str) -> Result<(), StatusCode> {
        if self.roles.iter().any(|own| own == role) { Ok(()) } else { Err(StatusCode::FORBIDDEN) }
    }
}

/// Why a request has no user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    NoToken,
    InvalidToken,
    /// The keys cannot be fetched, so nobody knows whether the token is valid.
    NoKeys,
}

impl IntoResponse for Refused {
    /// 401 with the header that RFC 6750 asks for, or 503.
    fn into_response(self) -> Response {
        match self {
            Self::NoToken => (StatusCode::UNAUTHORIZED, [("WWW-Authenticate", "Bearer")]).into_response(),
            Self::InvalidToken => {
                (StatusCode::UNAUTHORIZED, [("WWW-Authenticate", "Bearer error=\"invalid_token\"")]).into_response()
            }
            Self::NoKeys => (StatusCode::SERVICE_UNAVAILABLE, [("Retry-After", "10")]).into_response(),
        }
    }
}

/// Caches the published keys. Clones share the cache.
#[derive(Clone)]
pub struct Verifier(Arc<Inner>);

struct Inner {
    client: reqwest::Client,
    address: String,
    issuer: String,
    audience: String,
    keys: RwLock<Keys>,
    /// The time of the last fetch. Locked during a fetch, so that there is one at a time; `keys` is not.
    tried: Mutex<Instant>,
}

struct Keys {
    set: JwkSet,
    fetched: Instant,
    /// Whether the last fetch failed.
    failed: bool,
}

impl Verifier {
    /// # Errors
    /// If the keys cannot be fetched.
    pub async fn new(api: &str, issuer: &str, audience: &str) -> anyhow::Result<Self> {
        let client = reqwest::Client::builder().timeout(Duration::from_secs(5)).build()?;
        let address = format!("{api}/.well-known/jwks.json");
        let set = fetch(&client, &address).await?;
        let keys = RwLock::new(Keys { set, fetched: Instant::now(), failed: false });
        let (issuer, audience) = (issuer.to_owned(), audience.to_owned());
        Ok(Self(Arc::new(Inner { client, address, issuer, audience, keys, tried: Mutex::new(Instant::now()) })))
    }

    /// # Errors
    /// If the token is not valid, or the keys cannot be fetched.
    pub async fn verify(&self, token: &str) -> Result<User, Refused> {
        let header = decode_header(token).map_err(|_| Refused::InvalidToken)?;
        // A refresh token is not an access token.
        if header.typ.as_deref() != Some("at+jwt") {
            return Err(Refused::InvalidToken);
        }
        let (key, algorithm) = self.key(header.kid.as_deref().ok_or(Refused::InvalidToken)?).await?;
        let mut validation = Validation::new(algorithm);
        validation.leeway = 5;
        validation.validate_nbf = true;
        // Without this, a token without one of them would pass.
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.set_issuer(&[&self.0.issuer]);
        validation.set_audience(&[&self.0.audience]);
        decode::<User>(token, &key, &validation).map(|token| token.claims).map_err(|_| Refused::InvalidToken)
    }

    async fn key(&self, id: &str) -> Result<(DecodingKey, Algorithm), Refused> {
        let (found, age) = self.cached(id).await;
        match found {
            Ok(key) if age < AGE => return Ok(key),
            // Does not wait for the fetch: the keys are not too old yet.
            Ok(key) => {
                tokio::spawn(self.clone().refresh());
                return Ok(key);
            }
            // In a task of its own, which goes on if the client disconnects.
            Err(_) => drop(tokio::spawn(self.clone().refresh()).await),
        }
        self.cached(id).await.0
    }

    /// The cached key, and the age of the cache.
    async fn cached(&self, id: &str) -> (Result<(DecodingKey, Algorithm), Refused>, Duration) {
        let keys = self.0.keys.read().await;
        let age = keys.fetched.elapsed();
        let unknown = if keys.failed { Refused::NoKeys } else { Refused::InvalidToken };
        let found = if age < MAX_AGE { find(&keys.set, id).ok_or(unknown) } else { Err(Refused::NoKeys) };
        (found, age)
    }

    async fn refresh(self) {
        let mut tried = self.0.tried.lock().await;
        if tried.elapsed() < PAUSE {
            return;
        }
        let fetched = fetch(&self.0.client, &self.0.address).await;
        *tried = Instant::now();
        let mut keys = self.0.keys.write().await;
        match fetched {
            Ok(set) => *keys = Keys { set, fetched: *tried, failed: false },
            Err(error) => {
                keys.failed = true;
                tracing::warn!(%error, "the keys cannot be fetched");
            }
        }
    }
}

async fn fetch(client: &reqwest::Client, address: &str) -> anyhow::Result<JwkSet> {
    Ok(client.get(address).send().await?.error_for_status()?.json().await?)
}

/// The key with that id. Take the algorithm from the key, never from the token.
fn find(keys: &JwkSet, id: &str) -> Option<(DecodingKey, Algorithm)> {
    let key = keys.find(id)?;
    let algorithm = match key.algorithm {
        AlgorithmParameters::OctetKeyPair(_) => Algorithm::EdDSA,
        AlgorithmParameters::EllipticCurve(_) => Algorithm::ES256,
        AlgorithmParameters::RSA(_) => Algorithm::RS256,
        _ => return None,
    };
    Some((DecodingKey::from_jwk(key).ok()?, algorithm))
}

impl<S: Send + Sync> FromRequestParts<S> for User
where
    Verifier: FromRef<S>,
{
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        let header = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let (scheme, token) = header.and_then(|value| value.split_once(' ')).ok_or(Refused::NoToken)?;
        if !scheme.eq_ignore_ascii_case("Bearer") {
            return Err(Refused::NoToken);
        }
        Verifier::from_ref(state).verify(token.trim_start()).await
    }
}
