//! The keys file: a JSON Web Key Set (RFC 7517) with private keys.
//!
//! Each key in the file has three members of our own. `purpose`: access tokens are signed with an asymmetric key whose
//! public part is published, refresh tokens with a symmetric key that never leaves the file, so that a verifier with
//! the published set cannot accept a refresh token as an access token. `state`: a key is published before it signs, and
//! verifies for a while afterwards. `since`: when it entered that state.

mod attributes;
mod error;
mod file;
mod material;
mod oidc;
mod rotation;
mod set;

pub use attributes::{AccessAlgorithm, Algorithm, Purpose, State};
pub use error::KeysError;
pub use material::Material;
pub use oidc::{OIDC_ALGORITHMS, OidcKeySet};
pub use rotation::{Rotation, RotationRules};
pub use set::{Key, KeySet};
