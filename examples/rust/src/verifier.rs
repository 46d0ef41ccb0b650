//! Verifies access tokens with the published keys, without a call to sc-auth for each token: an extractor for axum. A
//! logout takes effect when the token expires. If that is too late, call `GET /api/v1/verify` instead.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{FromRef, FromRequestParts};
use axum::http::StatusCode;
use axum::http::header::{AUTHORIZATION, HeaderName, WWW_AUTHENTICATE};
use axum::http::request::Parts;
use jsonwebtoken::jwk::{AlgorithmParameters, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;
use tokio::sync::RwLock;

/// The minimum interval between fetches of the keys: an unknown key triggers a fetch, and anybody can make up tokens.
const PAUSE: Duration = Duration::from_secs(10);
/// The age at which the keys are fetched again: one of them may have been revoked.
const AGE: Duration = Duration::from_mins(5);

/// Extractor for the user of a request. Without a valid access token the answer is 401.
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

/// 401, with the header that RFC 6750 asks for.
type Refused = (StatusCode, [(HeaderName, &'static str); 1]);

/// Caches the published keys. Clones share the cache.
#[derive(Clone)]
pub struct Verifier(Arc<Inner>);

struct Inner {
    client: reqwest::Client,
    address: String,
    issuer: String,
    audience: String,
    keys: RwLock<(JwkSet, Instant)>,
}

impl Verifier {
    /// # Errors
    /// If the keys cannot be fetched.
    pub async fn new(api: &str, issuer: &str, audience: &str) -> anyhow::Result<Self> {
        let client = reqwest::Client::builder().timeout(Duration::from_secs(5)).build()?;
        let address = format!("{api}/.well-known/jwks.json");
        let keys = RwLock::new((fetch(&client, &address).await?, Instant::now()));
        Ok(Self(Arc::new(Inner { client, address, issuer: issuer.to_owned(), audience: audience.to_owned(), keys })))
    }

    /// The user of a valid token, or `None`.
    pub async fn verify(&self, token: &str) -> Option<User> {
        let header = decode_header(token).ok()?;
        // A refresh token is not an access token.
        if header.typ.as_deref() != Some("at+jwt") {
            return None;
        }
        let (key, algorithm) = self.key(header.kid.as_deref()?).await?;
        let mut validation = Validation::new(algorithm);
        validation.leeway = 5;
        validation.set_issuer(&[&self.0.issuer]);
        validation.set_audience(&[&self.0.audience]);
        decode::<User>(token, &key, &validation).ok().map(|token| token.claims)
    }

    async fn key(&self, id: &str) -> Option<(DecodingKey, Algorithm)> {
        {
            let keys = self.0.keys.read().await;
            let found = find(&keys.0, id);
            if found.is_some() && keys.1.elapsed() < AGE {
                return found;
            }
        }
        let mut keys = self.0.keys.write().await;
        if keys.1.elapsed() >= PAUSE {
            keys.1 = Instant::now();
            match fetch(&self.0.client, &self.0.address).await {
                Ok(fetched) => keys.0 = fetched,
                Err(error) => tracing::warn!(%error, "the keys cannot be read"),
            }
        }
        find(&keys.0, id)
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
        let refused = |reason| (StatusCode::UNAUTHORIZED, [(WWW_AUTHENTICATE, reason)]);
        let header = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = header.and_then(|value| value.strip_prefix("Bearer ")).ok_or_else(|| refused("Bearer"))?;
        let user = Verifier::from_ref(state).verify(token).await;
        user.ok_or_else(|| refused("Bearer error=\"invalid_token\""))
    }
}
