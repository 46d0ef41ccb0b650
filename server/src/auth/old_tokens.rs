//! Old tokens: those of the legacy service (HS256 under its `SECRET_KEY`). They are verified separately from ours. A
//! token is valid while its row is in the legacy service's table and not revoked. Nothing here can issue one.

use std::time::Duration;

use jsonwebtoken::{Algorithm, DecodingKey};
use sc_auth_contract::time::UnixTime;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use super::claims::{Kind, TokenError, check_times, decode};

/// The shortest secret that is accepted by default, in bytes: RFC 7518, 3.2.
const MIN_SECRET: usize = 32;

/// Verifies old tokens.
#[derive(Clone)]
pub struct OldTokens {
    key: DecodingKey,
}

/// The claims of an old token.
#[derive(Debug, Deserialize)]
pub struct OldClaims {
    /// The user's uuid.
    pub sub: String,
    pub jti: String,
    #[serde(rename = "type")]
    pub kind: Kind,
    pub exp: UnixTime,
    pub nbf: UnixTime,
    pub iat: UnixTime,
}

impl OldTokens {
    /// # Errors
    /// If the secret is so short that it can be guessed, unless `allow_weak` is set.
    pub fn new(secret: &SecretString, allow_weak: bool) -> anyhow::Result<Self> {
        let secret = secret.expose_secret().as_bytes();
        if secret.len() < MIN_SECRET {
            anyhow::ensure!(
                allow_weak,
                "SECRET_KEY is shorter than {MIN_SECRET} bytes, so tokens can be forged by guessing it; to accept the \
                 legacy service's tokens anyway until they expire, set SC_AUTH_LEGACY_TOKENS=weak; otherwise, remove \
                 SECRET_KEY"
            );
            tracing::warn!(
                "SECRET_KEY is short enough to be guessed; remove it as soon as the legacy service's tokens have expired"
            );
        }
        Ok(Self { key: DecodingKey::from_secret(secret) })
    }

    /// Whether a token looks like one of the legacy service: ours always have a `kid`.
    pub fn is_old(token: &str) -> bool {
        jsonwebtoken::decode_header(token).is_ok_and(|header| header.alg == Algorithm::HS256 && header.kid.is_none())
    }

    /// # Errors
    /// The first reason why the token is invalid. The caller checks its row in the database.
    pub fn verify(&self, token: &str, wanted: Kind, now: UnixTime, leeway: Duration) -> Result<OldClaims, TokenError> {
        let claims = self.claims(token)?;
        check_times(claims.exp, claims.nbf.max(claims.iat), now, leeway)?;
        if claims.kind == wanted { Ok(claims) } else { Err(TokenError::WrongKind) }
    }

    /// The claims of an old token, expired or not.
    ///
    /// # Errors
    /// If it was not signed with the secret.
    pub fn claims(&self, token: &str) -> Result<OldClaims, TokenError> {
        decode(token, Algorithm::HS256, &self.key)
    }
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{EncodingKey, Header};
    use serde_json::json;

    use super::*;

    const NOW: i64 = 1_700_000_000;
    const LEEWAY: Duration = Duration::from_secs(5);
    const SECRET: &str = "an old secret of thirty-two bytes";

    fn signed(secret: &str, kind: &str) -> String {
        let claims = json!({
            "fresh": true, "iat": NOW, "nbf": NOW, "exp": NOW + 60, "jti": "j", "type": kind, "sub": "u",
        });
        jsonwebtoken::encode(&Header::default(), &claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap()
    }

    #[test]
    fn an_old_token_is_valid_only_for_its_purpose_and_time() {
        let old = OldTokens::new(&SECRET.into(), false).unwrap();
        let access = signed(SECRET, "access");
        assert!(OldTokens::is_old(&access) && !OldTokens::is_old("a.b.c"));
        assert_eq!(old.verify(&access, Kind::Access, NOW.into(), LEEWAY).unwrap().sub, "u");
        let error = |token: &str, kind, now: i64| old.verify(token, kind, now.into(), LEEWAY).unwrap_err();
        assert_eq!(error(&access, Kind::Refresh, NOW), TokenError::WrongKind);
        assert_eq!(error(&access, Kind::Access, NOW + 60), TokenError::Expired);
        assert_eq!(error(&access, Kind::Access, NOW - 6), TokenError::NotYetValid);
        assert_eq!(error(&signed("another", "access"), Kind::Access, NOW), TokenError::BadSignature);
    }

    #[test]
    fn an_old_token_with_critical_extensions_is_refused() {
        let old = OldTokens::new(&SECRET.into(), false).unwrap();
        let claims = jsonwebtoken::dangerous::insecure_decode_claims::<serde_json::Value>(&signed(SECRET, "access"));
        let header = Header { crit: Some(vec!["b64".into()]), ..Header::default() };
        let key = EncodingKey::from_secret(SECRET.as_bytes());
        let token = jsonwebtoken::encode(&header, &claims.unwrap(), &key).unwrap();
        assert_eq!(old.verify(&token, Kind::Access, NOW.into(), LEEWAY).unwrap_err(), TokenError::BadSignature);
    }

    #[test]
    fn a_weak_secret_is_refused_unless_allowed() {
        let error = OldTokens::new(&"secret".into(), false).err().unwrap().to_string();
        assert!(error.contains("SC_AUTH_LEGACY_TOKENS=weak") && !error.contains("\"secret\""), "{error}");
        assert!(OldTokens::new(&"secret".into(), true).is_ok());
    }
}
