//! Problems of a keys file.

use super::attributes::{Purpose, State};
use crate::limits::KEYS_MAX;

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
