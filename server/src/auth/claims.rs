//! The claims of tokens, ours and the legacy service's.

use std::time::Duration;

use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use sc_auth_contract::keys::Purpose;
use sc_auth_contract::time::UnixTime;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The two kinds of token; the claim `type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Access,
    Refresh,
}

impl Kind {
    /// The header `typ`.
    pub const fn typ(self) -> &'static str {
        match self {
            Self::Access => "at+jwt",
            Self::Refresh => "rt+jwt",
        }
    }

    /// The claim `type`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Refresh => "refresh",
        }
    }

    pub const fn of(purpose: Purpose) -> Self {
        match purpose {
            Purpose::Access => Self::Access,
            Purpose::Refresh => Self::Refresh,
        }
    }
}

/// Why a token is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenError {
    /// Not a JSON Web Token.
    Malformed,
    /// Not signed by one of our keys, or with another algorithm than the key's.
    BadSignature,
    Expired,
    NotYetValid,
    /// A refresh token where an access token belongs, or vice versa.
    WrongKind,
    /// An issuer and audience that this service has never signed for.
    UnknownParty,
    /// Its key was retired, revoked or lost.
    FormerKey,
}

/// One string, or several (RFC 7519, 4.1.3).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Audience {
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let names = match self {
            Self::One(name) => std::slice::from_ref(name),
            Self::Many(names) => names.as_slice(),
        };
        names.iter().map(String::as_str)
    }
}

impl From<Vec<String>> for Audience {
    fn from(mut names: Vec<String>) -> Self {
        match names.len() {
            1 => Self::One(names.remove(0)),
            _ => Self::Many(names),
        }
    }
}

/// The claims that both kinds have.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Claims {
    pub iss: String,
    pub aud: Audience,
    pub sub: String,
    pub jti: String,
    pub sid: String,
    pub iat: UnixTime,
    pub nbf: UnixTime,
    pub exp: UnixTime,
    #[serde(rename = "type")]
    pub kind: Kind,
}

/// Refuses every expired token, but accepts one from a clock that is at most `leeway` seconds ahead.
pub fn check_times(exp: UnixTime, begins: UnixTime, now: UnixTime, leeway: Duration) -> Result<(), TokenError> {
    if exp <= now {
        Err(TokenError::Expired)
    } else if begins > now + leeway {
        Err(TokenError::NotYetValid)
    } else {
        Ok(())
    }
}

/// Verifies the signature only: the callers check times, against the clock that they are given, and parties.
pub fn decode<T: DeserializeOwned>(token: &str, algorithm: Algorithm, key: &DecodingKey) -> Result<T, TokenError> {
    let mut validation = Validation::new(algorithm);
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    match jsonwebtoken::decode::<T>(token, key, &validation) {
        // It names extensions that a verifier must understand, and this one understands none (RFC 7515, 4.1.11).
        Ok(data) if data.header.crit.is_some() => Err(TokenError::BadSignature),
        Ok(data) => Ok(data.claims),
        Err(error) => Err(match error.kind() {
            jsonwebtoken::errors::ErrorKind::InvalidSignature => TokenError::BadSignature,
            _ => TokenError::Malformed,
        }),
    }
}
