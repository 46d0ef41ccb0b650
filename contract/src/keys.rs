//! The signing keys' file: a JSON Web Key Set (RFC 7517) with private keys.
//!
//! Each key in the file carries three members of our own. `purpose`: access tokens are signed with an asymmetric key
//! whose public half is published, refresh tokens under a symmetric key that never leaves the file, so that nobody who
//! verifies with the published set can take a refresh token for an access token. `state`: a key is published before
//! it signs, and verifies for a while after. `since`: when it came into that state.

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
    /// Access tokens; the public half is published.
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

/// Where a key is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Published, so that every verifier knows it before it signs.
    Next,
    /// Signs.
    #[default]
    Current,
    /// Verifies what it has signed.
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

/// How a key signs; the member `alg` (RFC 7518, RFC 8037).
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

/// What can be wrong with a keys file. No message holds any part of a key.
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
        /// How many keys of it the file holds.
        found: usize,
    },
    /// Two keys have the same identifier.
    #[error("two keys are called \"{0}\"")]
    DoubledKid(String),
    /// More keys than anybody needs.
    #[error("{0} keys, there may be {max} at most", max = set::MAX_KEYS)]
    TooMany(usize),
    /// A key that cannot be used for its purpose.
    #[error("key \"{kid}\": {problem}")]
    Unusable {
        /// The key's identifier.
        kid: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A key that is not there.
    #[error("there is no key \"{0}\"")]
    Unknown(String),
    /// The cryptographic library failed.
    #[error("a key could not be made: {0}")]
    Generation(&'static str),
}
