//! The tokens of applications. None of them is accepted by `/api/v1`: access and ID tokens are signed with keys of their
//! own, refresh tokens have a type of their own.
//!
//! | | access token (RFC 9068) | ID token | logout token | refresh token |
//! | --- | --- | --- | --- | --- |
//! | typ | `at+jwt` | `JWT` | `logout+jwt` | `crt+jwt` |
//! | aud | the client's audiences, or the userinfo endpoint | the client | the client | `sc-auth/client-refresh` |

use std::time::Duration;

use sc_auth_contract::keys::Purpose;
use sc_auth_contract::time::UnixTime;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::keys::OidcKeys;
use crate::auth::claims::{Audience, TokenError, check_times, decode};
use crate::auth::keys::{Key, Keys};

/// The audience of refresh tokens.
const REFRESH_AUDIENCE: &str = "sc-auth/client-refresh";
/// How long a logout token is valid: it is sent at once.
const LOGOUT_TTL: Duration = Duration::from_mins(2);
const ACCESS_TYP: &str = "at+jwt";
const ID_TYP: &str = "JWT";
const LOGOUT_TYP: &str = "logout+jwt";
/// The member of `events` that makes a token a logout token.
const LOGOUT_EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
const REFRESH_TYP: &str = "crt+jwt";

#[derive(Debug, Serialize, Deserialize)]
pub struct AccessClaims {
    pub iss: String,
    pub aud: Audience,
    pub sub: String,
    pub client_id: String,
    pub scope: String,
    pub jti: String,
    pub grant_id: String,
    pub auth_time: UnixTime,
    pub iat: UnixTime,
    pub exp: UnixTime,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct IdClaims {
    pub iss: String,
    pub aud: String,
    pub sub: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
    pub sid: String,
    pub auth_time: UnixTime,
    pub iat: UnixTime,
    pub exp: UnixTime,
    /// About the user.
    #[serde(flatten)]
    pub user: Map<String, Value>,
}

/// OpenID Connect Back-Channel Logout, 2.4. There is no nonce, so that nobody takes it for an ID token.
#[derive(Debug, Serialize)]
pub struct LogoutClaims {
    pub iss: String,
    pub aud: String,
    pub sub: String,
    /// Without it, all sessions of the user have ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
    pub jti: String,
    pub iat: UnixTime,
    pub exp: UnixTime,
    events: Value,
}

impl LogoutClaims {
    pub fn new(iss: &str, client_id: &str, sub: &str, sid: Option<&str>, jti: String, iat: UnixTime) -> Self {
        Self {
            iss: iss.to_owned(),
            aud: client_id.to_owned(),
            sub: sub.to_owned(),
            sid: sid.map(str::to_owned),
            jti,
            iat,
            exp: iat + LOGOUT_TTL,
            events: json!({LOGOUT_EVENT: {}}),
        }
    }
}

/// The same values give the same token, so that a lost answer can be repeated.
#[derive(Debug, Serialize, Deserialize)]
pub struct RefreshClaims {
    pub iss: String,
    pub aud: String,
    pub sub: String,
    pub client_id: String,
    pub grant_id: String,
    pub jti: String,
    pub iat: UnixTime,
    pub exp: UnixTime,
}

/// The claims that are used of an `id_token_hint` (RP-Initiated Logout, 2).
#[derive(Debug, Deserialize)]
pub struct IdTokenHint {
    pub iss: String,
    pub aud: String,
    pub sub: String,
    pub sid: String,
}

pub fn sign_access(key: &Key, claims: &AccessClaims) -> anyhow::Result<String> {
    key.sign(ACCESS_TYP, claims)
}

pub fn sign_id(key: &Key, claims: &IdClaims) -> anyhow::Result<String> {
    key.sign(ID_TYP, claims)
}

pub fn sign_logout(key: &Key, claims: &LogoutClaims) -> anyhow::Result<String> {
    key.sign(LOGOUT_TYP, claims)
}

pub fn sign_refresh(key: &Key, claims: &RefreshClaims) -> anyhow::Result<String> {
    key.sign(REFRESH_TYP, claims)
}

impl RefreshClaims {
    pub fn audience() -> String {
        REFRESH_AUDIENCE.to_owned()
    }
}

/// Verifies an access token; the caller looks at its grant.
///
/// # Errors
/// Also for any other kind of token.
pub fn verify_access(
    keys: &OidcKeys,
    issuer: &str,
    token: &str,
    now: UnixTime,
    leeway: Duration,
) -> Result<AccessClaims, TokenError> {
    let claims: AccessClaims = verify(token, ACCESS_TYP, |kid| keys.find(kid))?;
    check_times(claims.exp, claims.iat, now, leeway)?;
    if claims.iss == issuer { Ok(claims) } else { Err(TokenError::UnknownParty) }
}

/// Verifies a refresh token; the caller looks at its grant. The issuer may have changed meanwhile.
///
/// # Errors
/// Also for any other kind of token.
pub fn verify_refresh(keys: &Keys, token: &str, now: UnixTime, leeway: Duration) -> Result<RefreshClaims, TokenError> {
    let of_refresh = |kid: &str| keys.find(kid).filter(|key| key.purpose == Purpose::Refresh);
    let claims: RefreshClaims = verify(token, REFRESH_TYP, of_refresh)?;
    check_times(claims.exp, claims.iat, now, leeway)?;
    if claims.aud == REFRESH_AUDIENCE { Ok(claims) } else { Err(TokenError::UnknownParty) }
}

/// Reads an ID token of ours, expired or not.
///
/// # Errors
/// If none of our keys has signed it.
pub fn read_hint(keys: &OidcKeys, token: &str) -> Result<IdTokenHint, TokenError> {
    verify(token, ID_TYP, |kid| keys.find(kid))
}

/// The key determines the algorithm, not the token; the type tells the kinds apart.
fn verify<'k, T: DeserializeOwned>(
    token: &str,
    typ: &str,
    find: impl Fn(&str) -> Option<&'k Key>,
) -> Result<T, TokenError> {
    let header = jsonwebtoken::decode_header(token).map_err(|_| TokenError::Malformed)?;
    let key = header.kid.as_deref().and_then(find).ok_or(TokenError::BadSignature)?;
    if header.alg != key.algorithm || header.typ.as_deref() != Some(typ) {
        return Err(TokenError::BadSignature);
    }
    decode(token, key.algorithm, &key.decoding)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use sc_auth_contract::declared::IdTokenAlgorithm;
    use sc_auth_contract::keys::{Algorithm, KeySet, OidcKeySet};

    use super::*;

    const NOW: UnixTime = UnixTime::from_seconds(1_700_000_000);
    const MINUTE: Duration = Duration::from_mins(1);
    const ISSUER: &str = "https://auth.test";

    fn access() -> AccessClaims {
        AccessClaims {
            iss: ISSUER.into(),
            aud: Audience::One("orders".into()),
            sub: "u".into(),
            client_id: "shop".into(),
            scope: "openid".into(),
            jti: "j".into(),
            grant_id: "g".into(),
            auth_time: NOW,
            iat: NOW,
            exp: NOW + MINUTE,
        }
    }

    fn id() -> IdClaims {
        IdClaims {
            iss: ISSUER.into(),
            aud: "shop".into(),
            sub: "u".into(),
            nonce: None,
            sid: "s".into(),
            auth_time: NOW,
            iat: NOW,
            exp: NOW + MINUTE,
            user: Map::new(),
        }
    }

    fn refresh() -> RefreshClaims {
        RefreshClaims {
            iss: ISSUER.into(),
            aud: RefreshClaims::audience(),
            sub: "u".into(),
            client_id: "shop".into(),
            grant_id: "g".into(),
            jti: "j".into(),
            iat: NOW,
            exp: NOW + MINUTE,
        }
    }

    #[test]
    fn the_kinds_of_tokens_are_told_apart() {
        let rng = &mut rand::rng();
        let keys = OidcKeys::new(&OidcKeySet::generate(NOW, rng).unwrap()).unwrap();
        let api = Keys::new(&KeySet::generate(Algorithm::ES256, NOW, rng).unwrap(), Arc::default()).unwrap();
        let key = keys.signing(IdTokenAlgorithm::ES256);
        let access = sign_access(key, &access()).unwrap();
        let id = sign_id(keys.signing(IdTokenAlgorithm::RS256), &id()).unwrap();
        let refresh = sign_refresh(api.refresh(), &refresh()).unwrap();
        let logout = sign_logout(key, &LogoutClaims::new(ISSUER, "shop", "u", Some("s"), "j".into(), NOW)).unwrap();
        assert!(verify_access(&keys, ISSUER, &logout, NOW, MINUTE).is_err() && read_hint(&keys, &logout).is_err());
        assert!(verify_refresh(&api, &logout, NOW, MINUTE).is_err());
        let verify = |token: &str| verify_access(&keys, ISSUER, token, NOW, MINUTE);
        assert_eq!(verify(&access).unwrap().grant_id, "g");
        assert!(verify(&id).is_err() && verify(&refresh).is_err());
        assert_eq!(verify_refresh(&api, &refresh, NOW, MINUTE).unwrap().grant_id, "g");
        assert!(verify_refresh(&api, &access, NOW, MINUTE).is_err() && verify_refresh(&api, &id, NOW, MINUTE).is_err());
        assert_eq!(read_hint(&keys, &id).unwrap().sub, "u");
        assert!(read_hint(&keys, &access).is_err() && read_hint(&keys, &refresh).is_err());
        for token in [&access, &id, &refresh, &logout] {
            for kind in [crate::auth::claims::Kind::Access, crate::auth::claims::Kind::Refresh] {
                assert!(crate::auth::token::verify(&api, token, kind, NOW, MINUTE).is_err(), "the API refuses it");
            }
        }
    }

    #[test]
    fn an_access_token_expires_and_belongs_to_its_issuer() {
        let keys = OidcKeys::new(&OidcKeySet::generate(NOW, &mut rand::rng()).unwrap()).unwrap();
        let access = sign_access(keys.signing(IdTokenAlgorithm::ES256), &access()).unwrap();
        let verify = |issuer, now| verify_access(&keys, issuer, &access, now, Duration::from_secs(5)).map(|_| ());
        assert_eq!(verify(ISSUER, NOW), Ok(()));
        assert_eq!(verify(ISSUER, NOW + MINUTE), Err(TokenError::Expired));
        assert_eq!(verify(ISSUER, NOW - MINUTE), Err(TokenError::NotYetValid));
        assert_eq!(verify("https://other.test", NOW), Err(TokenError::UnknownParty));
    }
}
