//! Problems of a keys file.

use super::attributes::{Algorithm, Purpose, State};
use crate::limits::{KEYS_MAX, OIDC_KEYS_MAX};

/// Why a keys file cannot be used. No message contains any part of a key.
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
    #[error("{0} keys, there must be at most {max}", max = KEYS_MAX)]
    TooMany(usize),
    /// The same, in the file of OpenID Connect.
    #[error("{0} keys, there must be at most {max}", max = OIDC_KEYS_MAX)]
    TooManyOidc(usize),
    /// In the file of OpenID Connect, each algorithm has one current key and at most one next.
    #[error("{current} current and {next} next keys of {algorithm}, there must be one and at most one")]
    WrongCountOf {
        /// The algorithm in question.
        algorithm: Algorithm,
        /// The number of current keys.
        current: usize,
        /// The number of next keys.
        next: usize,
    },
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
    /// The next key has another algorithm than the one that was asked for.
    #[error(
        "key \"{kid}\" is waiting to sign, with {found}: to use {wanted}, first revoke that key, or rotate to it and then \
         rotate again"
    )]
    OtherAlgorithm {
        /// The waiting key.
        kid: String,
        /// Its algorithm.
        found: Algorithm,
        /// The algorithm that was asked for.
        wanted: Algorithm,
    },
    /// The algorithm does not suit the purpose.
    #[error("{algorithm} cannot sign {purpose} tokens: refresh tokens need HS256, which no other purpose supports")]
    Unsuitable {
        /// The algorithm that was asked for.
        algorithm: Algorithm,
        /// What the key would sign.
        purpose: Purpose,
    },
    /// Nothing is signed with the algorithm for applications.
    #[error("{0} cannot be used for OpenID Connect: its keys are RS256 and ES256")]
    UnsuitableOidc(Algorithm),
    /// The cryptographic library failed.
    #[error("could not generate a key: {0}")]
    Generation(&'static str),
}
