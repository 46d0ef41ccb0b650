//! What a key is for, its state and its algorithm.

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

/// Algorithm of access tokens: `ES256`, `EdDSA` or `RS256`. A change triggers a rotation. Without it, new keys use ES256,
/// and existing keys keep their algorithm.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum AccessAlgorithm {
    /// Ed25519 (RFC 8037).
    EdDSA,
    /// ECDSA with P-256 (RFC 7518).
    #[default]
    ES256,
    /// RSA with 2048 bits (RFC 7518).
    RS256,
}

#[cfg(feature = "cli")]
impl clap::ValueEnum for AccessAlgorithm {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::EdDSA, Self::ES256, Self::RS256]
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        let (name, alias) = match self {
            Self::EdDSA => ("EdDSA", "eddsa"),
            Self::ES256 => ("ES256", "es256"),
            Self::RS256 => ("RS256", "rs256"),
        };
        Some(clap::builder::PossibleValue::new(name).alias(alias))
    }
}

impl From<AccessAlgorithm> for Algorithm {
    fn from(algorithm: AccessAlgorithm) -> Self {
        match algorithm {
            AccessAlgorithm::EdDSA => Self::EdDSA,
            AccessAlgorithm::ES256 => Self::ES256,
            AccessAlgorithm::RS256 => Self::RS256,
        }
    }
}

/// The algorithm of a key; the member `alg` (RFC 7518, RFC 8037). Some libraries cannot verify Ed25519, so new sets of
/// keys use ES256 by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Algorithm {
    /// Ed25519.
    EdDSA,
    /// ECDSA on P-256 with SHA-256.
    #[default]
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
