//! The keys file: a JSON Web Key Set (RFC 7517) with private keys.
//!
//! Each key in the file has three members of our own. `purpose`: access tokens are signed with an asymmetric key whose
//! public part is published, refresh tokens with a symmetric key that never leaves the file, so that a verifier with
//! the published set cannot accept a refresh token as an access token. `state`: a key is published before it signs, and
//! verifies for a while afterwards. `since`: when it entered that state.

mod file;
mod material;
mod rotation;
mod set;

pub use material::Material;
pub use rotation::{Rotation, RotationRules};
pub use set::{Key, KeySet};

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum Purpose {
    /// Access tokens; the public part is published.
    Access,
    /// Refresh tokens; never published.
    Refresh,
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Access => "access",
            Self::Refresh => "refresh",
        })
    }
}

/// The state of a key in a rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Published, so that every verifier knows it before it signs.
    Next,
    /// Signs.
    #[default]
    Current,
    /// Only verifies the tokens that it has signed.
    Retired,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Next => "next",
            Self::Current => "current",
            Self::Retired => "retired",
        })
    }
}

/// The algorithm of a key; the member `alg` (RFC 7518, RFC 8037).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Algorithm {
    /// Ed25519.
    EdDSA,
    /// ECDSA on P-256 with SHA-256.
    ES256,
    /// RSA (PKCS #1 v1.5) with SHA-256, 2048 bits.
    RS256,
    /// HMAC with SHA-256; for refresh tokens only.
    HS256,
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EdDSA => "EdDSA",
            Self::ES256 => "ES256",
            Self::RS256 => "RS256",
            Self::HS256 => "HS256",
        })
    }
}

/// Problems of a keys file. No message contains any part of a key.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// Not a JSON Web Key Set as this module writes it.
    #[error("not a JSON Web Key Set: {0} at line {1}, column {2}")]
    NotAKeySet(&'static str, usize, usize),
    /// There must be exactly one current key of each purpose, and at most one next.
    #[error("{found} {state} keys with purpose \"{purpose}\", there must be {}", if *.state == State::Next { "at most one" } else { "exactly one" })]
    WrongCount {
        /// The purpose in question.
        purpose: Purpose,
        /// The state in question.
        state: State,
        /// The number of such keys in the file.
        found: usize,
    },
    /// Two keys have the same identifier.
    #[error("two keys have the kid \"{0}\"")]
    DoubledKid(String),
    /// Too many keys.
    #[error("{0} keys, there must be at most {max}", max = set::MAX_KEYS)]
    TooMany(usize),
    /// A key that cannot be used for its purpose.
    #[error("key \"{kid}\": {problem}")]
    Unusable {
        /// The key's identifier.
        kid: String,
        /// The problem.
        problem: &'static str,
    },
    /// A key that does not exist.
    #[error("key \"{0}\" does not exist")]
    Unknown(String),
    /// The cryptographic library failed.
    #[error("could not generate a key: {0}")]
    Generation(&'static str),
}
