//! Access and refresh tokens: JSON Web Tokens (RFC 7519) that clients of the legacy service can read, and that a
//! standard verifier cannot confuse.
//!
//! | | access token (RFC 9068) | refresh token |
//! | --- | --- | --- |
//! | typ | `at+jwt` | `rt+jwt` |
//! | aud | the service's audience | `sc-auth/refresh` |
//! | key | asymmetric, published | HMAC, never published |

use std::time::Duration;

use jsonwebtoken::{Algorithm, Header};
use sc_auth_contract::time::UnixTime;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::claims::{Audience, Claims, Kind, TokenError, check_times, decode};
use super::keys::{Key, Keys};
use crate::store::User;

/// The audience of refresh tokens: this service only.
pub const REFRESH_AUDIENCE: &str = "sc-auth/refresh";
/// How long before its issue a token becomes valid, for verifiers whose clock is behind.
const NOT_BEFORE: Duration = Duration::from_secs(10);
/// The claim `client_id` (RFC 9068). It is constant: the API has no registered clients.
const CLIENT_ID: &str = "sc-auth";

/// The issuer and audience of a token.
#[derive(Debug, Clone, Copy)]
pub struct Parties<'a> {
    pub issuer: &'a str,
    pub audience: &'a Audience,
}

#[derive(Serialize)]
struct AccessClaims<'a> {
    iss: &'a str,
    aud: &'a Audience,
    sub: &'a str,
    client_id: &'static str,
    roles: [&'static str; 1],
    jti: &'a str,
    sid: &'a str,
    iat: UnixTime,
    nbf: UnixTime,
    exp: UnixTime,
    #[serde(rename = "type")]
    kind: Kind,
    fresh: bool,
}

/// The contents of a new access token.
#[derive(Debug, Clone, Copy)]
pub struct NewAccess<'a> {
    pub user: &'a User,
    pub sid: &'a str,
    pub jti: &'a str,
    /// Whether the user has just given the password.
    pub fresh: bool,
    pub now: UnixTime,
    pub exp: UnixTime,
}

/// The contents of a new refresh token.
#[derive(Debug, Clone, Copy)]
pub struct NewRefresh<'a> {
    pub user: &'a User,
    pub sid: &'a str,
    pub jti: &'a str,
    pub iat: UnixTime,
    pub exp: UnixTime,
}

pub fn sign_access(keys: &Keys, parties: Parties<'_>, new: NewAccess<'_>) -> anyhow::Result<String> {
    let claims = AccessClaims {
        iss: parties.issuer,
        aud: parties.audience,
        sub: &new.user.uuid,
        client_id: CLIENT_ID,
        roles: [new.user.role().name()],
        jti: new.jti,
        sid: new.sid,
        iat: new.now,
        nbf: new.now - NOT_BEFORE,
        exp: new.exp,
        kind: Kind::Access,
        fresh: new.fresh,
    };
    keys.access().sign(Kind::Access.typ(), &claims)
}

/// The same input gives the same token: HMAC is deterministic.
pub fn sign_refresh(key: &Key, parties: Parties<'_>, new: NewRefresh<'_>) -> anyhow::Result<String> {
    let claims = Claims {
        iss: parties.issuer.to_owned(),
        aud: parties.audience.clone(),
        sub: new.user.uuid.clone(),
        jti: new.jti.to_owned(),
        sid: new.sid.to_owned(),
        iat: new.iat,
        nbf: new.iat - NOT_BEFORE,
        exp: new.exp,
        kind: Kind::Refresh,
    };
    key.sign(Kind::Refresh.typ(), &claims)
}

/// Verifies the token itself. The caller checks its session and its parties in the database. `leeway` is how far the
/// clocks of two replicas may differ.
///
/// # Errors
/// The first reason why the token is invalid, in the legacy service's order of checks.
pub fn verify(keys: &Keys, token: &str, wanted: Kind, now: UnixTime, leeway: Duration) -> Result<Claims, TokenError> {
    let claims = claims(keys, token)?;
    check_times(claims.exp, claims.nbf.max(claims.iat), now, leeway)?;
    if claims.kind == wanted { Ok(claims) } else { Err(TokenError::WrongKind) }
}

/// The claims of a token of ours, expired or not.
///
/// # Errors
/// If none of our keys has signed it.
pub fn claims(keys: &Keys, token: &str) -> Result<Claims, TokenError> {
    let digest = Sha256::digest(token).into();
    match keys.verified.get(&digest) {
        Some(claims) => Ok(claims),
        None => Ok(keys.verified.keep(digest, verify_signature(keys, token)?)),
    }
}

/// The claims of a token, if one of our keys has signed it and is meant for that kind of token.
fn verify_signature(keys: &Keys, token: &str) -> Result<Claims, TokenError> {
    let header = jsonwebtoken::decode_header(token).map_err(|_| TokenError::Malformed)?;
    let named = header.kid.as_deref().ok_or(TokenError::BadSignature)?;
    let Some(key) = keys.find(named) else {
        let is_former = keys.remembered.contains(named) && is_ours(&header);
        return Err(if is_former { TokenError::FormerKey } else { TokenError::BadSignature });
    };
    let kind = Kind::of(key.purpose);
    // The key determines the algorithm, not the token.
    if header.alg != key.algorithm || header.typ.as_deref() != Some(kind.typ()) {
        return Err(TokenError::BadSignature);
    }
    let claims: Claims = decode(token, key.algorithm, &key.decoding)?;
    // They can differ only if a key was used for another purpose.
    if claims.kind == kind { Ok(claims) } else { Err(TokenError::BadSignature) }
}

/// Whether a header is one that this service writes, for a token whose key is gone and cannot verify it.
fn is_ours(header: &Header) -> bool {
    match header.typ.as_deref() {
        Some(typ) if typ == Kind::Access.typ() => header.alg != Algorithm::HS256,
        Some(typ) if typ == Kind::Refresh.typ() => header.alg == Algorithm::HS256,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use sc_auth_contract::keys::KeySet;
    use serde_json::{Value, json};

    use super::*;

    const NOW: UnixTime = UnixTime::from_seconds(1_700_000_000);
    const SECOND: Duration = Duration::from_secs(1);
    const MINUTE: Duration = Duration::from_mins(1);
    const LEEWAY: Duration = Duration::from_secs(5);

    fn keys_of(algorithm: sc_auth_contract::keys::Algorithm) -> Keys {
        Keys::new(&KeySet::generate(algorithm, NOW, &mut rand::rng()).unwrap(), Arc::default()).unwrap()
    }

    fn keys() -> Keys {
        keys_of(sc_auth_contract::keys::Algorithm::EdDSA)
    }

    fn verify(keys: &Keys, token: &str, wanted: Kind, now: UnixTime) -> Result<Claims, TokenError> {
        super::verify(keys, token, wanted, now, LEEWAY)
    }

    fn user() -> User {
        User { uuid: "0123456789abcdef0123456789abcdef".into(), role_name: Some("Admin".into()), ..User::default() }
    }

    fn access(keys: &Keys) -> String {
        let audience = Audience::from(vec!["orders".to_owned()]);
        let new = NewAccess { user: &user(), sid: "s", jti: "j", fresh: true, now: NOW, exp: NOW + MINUTE };
        sign_access(keys, Parties { issuer: "https://auth.test", audience: &audience }, new).unwrap()
    }

    fn refresh(keys: &Keys) -> String {
        let audience = Audience::One(REFRESH_AUDIENCE.into());
        let new = NewRefresh { user: &user(), sid: "s", jti: "j", iat: NOW, exp: NOW + MINUTE };
        sign_refresh(keys.refresh(), Parties { issuer: "https://auth.test", audience: &audience }, new).unwrap()
    }

    fn part(token: &str, number: usize) -> Value {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(number).unwrap()).unwrap()).unwrap()
    }

    #[test]
    fn an_access_token_has_the_claims_of_rfc_9068_and_of_the_legacy_service() {
        let keys = keys();
        let token = access(&keys);
        assert_eq!(part(&token, 0), json!({"alg": "EdDSA", "typ": "at+jwt", "kid": keys.access().kid}));
        assert_eq!(
            part(&token, 1),
            json!({
                "iss": "https://auth.test", "aud": "orders", "sub": user().uuid, "client_id": "sc-auth",
                "roles": ["Admin"], "jti": "j", "sid": "s", "iat": NOW, "nbf": NOW - NOT_BEFORE, "exp": NOW + MINUTE,
                "type": "access", "fresh": true,
            })
        );
    }

    #[test]
    fn each_kind_is_valid_only_for_its_purpose_and_time() {
        let keys = keys();
        let (access, refresh) = (access(&keys), refresh(&keys));
        assert_eq!(verify(&keys, &access, Kind::Access, NOW).unwrap().sid, "s");
        assert_eq!(verify(&keys, &refresh, Kind::Refresh, NOW).unwrap().sid, "s");
        for (token, kind, now, error) in [
            (&refresh, Kind::Access, NOW, TokenError::WrongKind),
            (&access, Kind::Refresh, NOW, TokenError::WrongKind),
            (&access, Kind::Access, NOW + MINUTE, TokenError::Expired),
            (&access, Kind::Access, NOW - LEEWAY - SECOND, TokenError::NotYetValid),
        ] {
            assert_eq!(verify(&keys, token, kind, now).unwrap_err(), error);
        }
        assert!(verify(&keys, &access, Kind::Access, NOW + MINUTE - SECOND).is_ok());
        assert!(verify(&keys, &access, Kind::Access, NOW - LEEWAY).is_ok());
    }

    #[test]
    fn every_algorithm_signs_what_it_verifies() {
        for algorithm in [
            sc_auth_contract::keys::Algorithm::EdDSA,
            sc_auth_contract::keys::Algorithm::ES256,
            sc_auth_contract::keys::Algorithm::RS256,
        ] {
            let keys = keys_of(algorithm);
            let token = access(&keys);
            assert_eq!(part(&token, 0)["alg"], json!(algorithm));
            assert!(verify(&keys, &token, Kind::Access, NOW).is_ok(), "{algorithm}");
        }
    }

    #[test]
    fn a_token_not_signed_by_our_keys_is_refused() {
        let keys = keys();
        let other = self::keys();
        assert_eq!(verify(&keys, &access(&other), Kind::Access, NOW).unwrap_err(), TokenError::BadSignature);
        let token = access(&keys);
        let (body, _) = token.rsplit_once('.').unwrap();
        let forged = format!("{body}.{}", URL_SAFE_NO_PAD.encode([0; 64]));
        assert_eq!(verify(&keys, &forged, Kind::Access, NOW).unwrap_err(), TokenError::BadSignature);
        for text in ["", "word", "a.b", "a.b.c", "..", "a.b.c.d"] {
            assert_eq!(verify(&keys, text, Kind::Access, NOW).unwrap_err(), TokenError::Malformed, "{text:?}");
        }
    }

    #[test]
    fn a_token_of_a_former_key_is_recognised_by_its_header() {
        let (keys, former) = (keys(), self::keys());
        let (access, refresh) = (access(&former), refresh(&former));
        for (token, kind) in [(&access, Kind::Access), (&refresh, Kind::Refresh)] {
            assert_eq!(verify(&keys, token, kind, NOW).unwrap_err(), TokenError::BadSignature, "unknown");
        }
        keys.remembered.extend(former.all().iter().map(|key| key.kid.clone()));
        for (token, kind) in [(&access, Kind::Access), (&refresh, Kind::Refresh)] {
            assert_eq!(verify(&keys, token, kind, NOW).unwrap_err(), TokenError::FormerKey);
        }
        let (_, rest) = access.split_once('.').unwrap();
        let kid = &former.access().kid;
        for header in [
            json!({"alg": "HS256", "typ": "at+jwt", "kid": kid}),
            json!({"alg": "EdDSA", "typ": "rt+jwt", "kid": kid}),
            json!({"alg": "EdDSA", "typ": "JWT", "kid": kid}),
            json!({"alg": "EdDSA", "kid": kid}),
            json!({"alg": "EdDSA", "typ": "at+jwt"}),
        ] {
            let other = format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header.to_string()));
            assert_eq!(verify(&keys, &other, Kind::Access, NOW).unwrap_err(), TokenError::BadSignature, "{header}");
        }
    }

    #[test]
    fn a_token_with_critical_extensions_is_refused() {
        let keys = keys();
        for (token, key) in [(access(&keys), keys.access()), (refresh(&keys), keys.refresh())] {
            let kind = Kind::of(key.purpose);
            let mut header = jsonwebtoken::decode_header(&token).unwrap();
            let signed = |header: &Header| key.sign_with(header, &part(&token, 1)).unwrap();
            assert!(verify(&keys, &signed(&header), kind, NOW).is_ok());
            for names in [vec!["b64".to_owned()], vec!["exp".to_owned()], Vec::new()] {
                header.crit = Some(names);
                assert_eq!(verify(&keys, &signed(&header), kind, NOW).unwrap_err(), TokenError::BadSignature);
            }
        }
    }

    #[test]
    fn the_key_determines_the_algorithm_not_the_token() {
        let keys = keys();
        let claims = part(&access(&keys), 1);
        // Algorithm confusion: the published key used as an HMAC secret, under the access key's kid.
        let header = Header {
            typ: Some("at+jwt".into()),
            kid: Some(keys.access().kid.clone()),
            ..Header::new(Algorithm::HS256)
        };
        let published: Value = serde_json::from_str(&keys.published).unwrap();
        let public = published["keys"][0]["x"].as_str().unwrap().as_bytes();
        let confused = jsonwebtoken::encode(&header, &claims, &jsonwebtoken::EncodingKey::from_secret(public)).unwrap();
        assert_eq!(verify(&keys, &confused, Kind::Access, NOW).unwrap_err(), TokenError::BadSignature);
        let none = format!(
            "{}.{}.",
            URL_SAFE_NO_PAD.encode(json!({"alg": "none", "typ": "at+jwt", "kid": keys.access().kid}).to_string()),
            URL_SAFE_NO_PAD.encode(claims.to_string())
        );
        assert!(verify(&keys, &none, Kind::Access, NOW).is_err());
    }
}
