//! Tokens of the old service (HS256 under its `SECRET_KEY`), on a path of their own: a token is good while a row of its
//! table says so, and no code here can make one.

use std::time::Duration;

use jsonwebtoken::{Algorithm, DecodingKey};
use sc_auth_contract::time::UnixTime;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use super::claims::{Kind, TokenError, check_times, decode};

/// The shortest secret that is taken, in bytes: RFC 7518, 3.2.
const MIN_SECRET: usize = 32;

/// Verifies old tokens.
#[derive(Clone)]
pub struct OldTokens {
    key: DecodingKey,
}

/// What an old token says.
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
    /// Where the secret is so short that it can be guessed, unless `allow_weak`.
    pub fn new(secret: &SecretString, allow_weak: bool) -> anyhow::Result<Self> {
        let secret = secret.expose_secret().as_bytes();
        if secret.len() < MIN_SECRET {
            anyhow::ensure!(
                allow_weak,
                "SECRET_KEY has fewer than {MIN_SECRET} bytes, so that tokens can be forged by guessing it; set \
                 SC_AUTH_LEGACY_TOKENS=weak to honour old tokens all the same until they expire, or leave SECRET_KEY out"
            );
            tracing::warn!("SECRET_KEY is short enough to be guessed; leave it out as soon as old tokens have expired");
        }
        Ok(Self { key: DecodingKey::from_secret(secret) })
    }

    /// Whether a token looks like one of the old service: ours always name their key.
    pub fn is_old(token: &str) -> bool {
        jsonwebtoken::decode_header(token).is_ok_and(|header| header.alg == Algorithm::HS256 && header.kid.is_none())
    }

    /// # Errors
    /// The first reason why the token is no good. Whether its row is still there, only the database knows.
    pub fn verify(&self, token: &str, wanted: Kind, now: UnixTime, leeway: Duration) -> Result<OldClaims, TokenError> {
        let claims = self.claims(token)?;
        check_times(claims.exp, claims.nbf.max(claims.iat), now, leeway)?;
        if claims.kind == wanted { Ok(claims) } else { Err(TokenError::WrongKind) }
    }

    /// What an old token says, expired or not.
    ///
    /// # Errors
    /// Where it was not signed with the secret.
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
    fn an_old_token_is_good_in_its_place_and_time_only() {
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
    fn a_secret_that_can_be_guessed_is_refused_unless_it_is_wanted() {
        let error = OldTokens::new(&"secret".into(), false).err().unwrap().to_string();
        assert!(error.contains("SC_AUTH_LEGACY_TOKENS=weak") && !error.contains("\"secret\""), "{error}");
        assert!(OldTokens::new(&"secret".into(), true).is_ok());
    }
}
