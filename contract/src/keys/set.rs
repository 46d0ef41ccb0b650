//! The set of keys in a file.

use std::collections::BTreeSet;
use std::fmt;

use rand::CryptoRng;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use super::attributes::{Algorithm, Purpose, State};
use super::error::KeysError;
use super::file::{File, Jwk, Members, encode, not_a_key_set, unusable};
use super::material::Material;
use crate::limits::KEYS_MAX;
use crate::time::UnixTime;

/// One key.
pub struct Key {
    /// RFC 7638 thumbprint, or a random identifier of a symmetric key.
    pub kid: String,
    /// What it signs.
    pub purpose: Purpose,
    /// Its state.
    pub state: State,
    /// When it entered that state; 1970-01-01 if unknown.
    pub since: UnixTime,
    /// The secret itself.
    pub material: Material,
    members: Members,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("kid", &self.kid).field("state", &self.state).finish_non_exhaustive()
    }
}

impl Key {
    pub(crate) fn generate(
        purpose: Purpose,
        state: State,
        algorithm: Algorithm,
        now: UnixTime,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, KeysError> {
        let (members, material) = Material::generate(algorithm, rng)?;
        let kid = material.thumbprint().unwrap_or_else(|| {
            let mut kid = [0; 8];
            rng.fill_bytes(&mut kid);
            encode(&kid)
        });
        Ok(Self { kid, purpose, state, since: now, material, members })
    }

    pub(super) fn read(jwk: Jwk) -> Result<Self, KeysError> {
        if jwk.kid.is_empty() || jwk.kid.len() > 64 {
            return Err(unusable(&jwk.kid.chars().take(64).collect::<String>(), "kid must have 1 to 64 characters"));
        }
        if (jwk.purpose == Purpose::Refresh) != (jwk.alg == Algorithm::HS256) {
            return Err(unusable(&jwk.kid, "purpose refresh requires alg HS256, and no other purpose supports it"));
        }
        let material = Material::read(&jwk.kid, jwk.alg, &jwk.members)?;
        let Jwk { kid, purpose, state, since, members, .. } = jwk;
        Ok(Self { kid, purpose, state, since, material, members })
    }

    /// The public part as a JSON Web Key (RFC 7517); `None` for a symmetric key.
    #[must_use]
    pub fn to_public_jwk(&self) -> Option<Value> {
        let mut jwk = self.material.public_members()?;
        jwk["kid"] = json!(self.kid);
        jwk["alg"] = json!(self.material.algorithm());
        jwk["use"] = json!("sig");
        Some(jwk)
    }
}

/// The contents of a keys file.
#[derive(Debug)]
pub struct KeySet {
    pub(crate) keys: Vec<Key>,
}

impl KeySet {
    /// Generates a current key for each purpose. The algorithm is that of the key for access tokens.
    ///
    /// # Errors
    /// If the cryptographic library fails, or `algorithm` is symmetric.
    pub fn generate(algorithm: Algorithm, now: UnixTime, rng: &mut impl CryptoRng) -> Result<Self, KeysError> {
        if algorithm == Algorithm::HS256 {
            return Err(KeysError::Generation("a symmetric key cannot be published"));
        }
        let access = Key::generate(Purpose::Access, State::Current, algorithm, now, rng)?;
        let refresh = Key::generate(Purpose::Refresh, State::Current, Algorithm::HS256, now, rng)?;
        Ok(Self { keys: vec![access, refresh] })
    }

    /// Reads a keys file's content.
    ///
    /// # Errors
    /// [`KeysError`] names the problem.
    pub fn parse(content: &SecretString) -> Result<Self, KeysError> {
        let set = Self { keys: read(content, KEYS_MAX, KeysError::TooMany)? };
        set.check()?;
        Ok(set)
    }

    /// The content of a keys file.
    ///
    /// # Errors
    /// If it cannot be written as JSON.
    pub fn to_json(&self) -> Result<SecretString, KeysError> {
        to_json(&self.keys)
    }

    /// All keys, in the order of the file.
    #[must_use]
    pub fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// The first key with this purpose and state.
    #[must_use]
    pub fn find(&self, purpose: Purpose, state: State) -> Option<&Key> {
        self.keys.iter().find(|key| (key.purpose, key.state) == (purpose, state))
    }

    fn check(&self) -> Result<(), KeysError> {
        for purpose in [Purpose::Access, Purpose::Refresh] {
            let count = |state| self.keys.iter().filter(|key| (key.purpose, key.state) == (purpose, state)).count();
            let found = count(State::Current);
            if found != 1 {
                return Err(KeysError::WrongCount { purpose, state: State::Current, found });
            }
            let found = count(State::Next);
            if found > 1 {
                return Err(KeysError::WrongCount { purpose, state: State::Next, found });
            }
        }
        Ok(())
    }
}

/// Reads the keys of a file, at most `max`. No two have the same kid.
pub(super) fn read(
    content: &SecretString,
    max: usize,
    too_many: impl Fn(usize) -> KeysError,
) -> Result<Vec<Key>, KeysError> {
    let file: File = serde_json::from_str(content.expose_secret()).map_err(|error| not_a_key_set(&error))?;
    if file.keys.len() > max {
        return Err(too_many(file.keys.len()));
    }
    let keys: Vec<Key> = file.keys.into_iter().map(Key::read).collect::<Result<_, _>>()?;
    let mut kids = BTreeSet::new();
    match keys.iter().find(|key| !kids.insert(&key.kid)) {
        Some(key) => Err(KeysError::DoubledKid(key.kid.clone())),
        None => Ok(keys),
    }
}

/// The content of a file with these keys.
pub(super) fn to_json(keys: &[Key]) -> Result<SecretString, KeysError> {
    let jwk = |key: &Key| {
        let mut value = serde_json::to_value(&key.members)?;
        value["kid"] = json!(key.kid);
        value["purpose"] = json!(key.purpose);
        value["state"] = json!(key.state);
        value["since"] = json!(key.since);
        value["alg"] = json!(key.material.algorithm());
        Ok::<_, serde_json::Error>(value)
    };
    let keys: Result<Vec<_>, _> = keys.iter().map(jwk).collect();
    keys.and_then(|keys| serde_json::to_string_pretty(&json!({"keys": keys})))
        .map(SecretString::from)
        .map_err(|_| KeysError::Generation("it cannot be written as JSON"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime::from_seconds(1_700_000_000);

    fn generated(algorithm: Algorithm) -> SecretString {
        KeySet::generate(algorithm, NOW, &mut rand::rng()).unwrap().to_json().unwrap()
    }

    fn edited(edit: impl FnOnce(&mut Value)) -> String {
        let mut value = serde_json::from_str(generated(Algorithm::EdDSA).expose_secret()).unwrap();
        edit(&mut value);
        KeySet::parse(&value.to_string().into()).unwrap_err().to_string()
    }

    #[test]
    fn a_written_file_can_be_read_for_each_algorithm() {
        for algorithm in [Algorithm::EdDSA, Algorithm::ES256, Algorithm::RS256] {
            let content = generated(algorithm);
            let keys = KeySet::parse(&content).unwrap();
            assert_eq!(keys.keys[0].material.algorithm(), algorithm);
            assert_eq!(keys.keys[0].kid, keys.keys[0].material.thumbprint().unwrap());
            assert_eq!((keys.keys[0].state, keys.keys[0].since), (State::Current, NOW));
            assert_eq!(keys.to_json().unwrap().expose_secret(), content.expose_secret());
        }
    }

    #[test]
    fn the_thumbprint_is_that_of_rfc_8037_appendix_a3() {
        let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo".to_owned();
        let material = Material::EdDSA { pkcs8: Vec::new(), x };
        assert_eq!(material.thumbprint().unwrap(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    #[test]
    fn neither_public_keys_nor_debug_output_contain_secrets() {
        let content = generated(Algorithm::RS256);
        let keys = KeySet::parse(&content).unwrap();
        let shown = format!("{keys:?}{:?}", keys.keys[0].to_public_jwk());
        let value: Value = serde_json::from_str(content.expose_secret()).unwrap();
        for secret in ["d", "p", "q", "dp", "dq", "qi"] {
            assert!(!shown.contains(value["keys"][0][secret].as_str().unwrap()), "{secret}");
        }
        assert!(!shown.contains(value["keys"][1]["k"].as_str().unwrap()));
        assert!(keys.keys[1].to_public_jwk().is_none(), "a refresh key has no public part");
    }

    #[test]
    fn a_file_of_the_first_release_is_read_as_current_keys() {
        let mut value: Value = serde_json::from_str(generated(Algorithm::EdDSA).expose_secret()).unwrap();
        for key in value["keys"].as_array_mut().unwrap() {
            key.as_object_mut().unwrap().remove("state");
            key.as_object_mut().unwrap().remove("since");
        }
        let keys = KeySet::parse(&value.to_string().into()).unwrap();
        assert!(keys.keys.iter().all(|key| key.state == State::Current));
    }

    #[test]
    fn the_error_of_a_broken_file_contains_no_secret() {
        assert_eq!(
            KeySet::parse(&"{".to_owned().into()).unwrap_err().to_string(),
            "not a JSON Web Key Set: it ends too early at line 1, column 1"
        );
        let error = edited(|file| drop(file["keys"].as_array_mut().unwrap().remove(1)));
        assert_eq!(error, "0 current keys with purpose \"refresh\", there must be exactly one");
        let error = edited(|file| file["keys"][0]["x"] = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo".into());
        assert!(error.ends_with("members d and x do not match"), "{error}");
        let error = edited(|file| file["keys"][1]["k"] = "c2hvcnQ".into());
        assert!(error.ends_with("member k must have at least 32 bytes"), "{error}");
        let error = edited(|file| file["keys"][1]["kid"] = file["keys"][0]["kid"].clone());
        assert!(error.starts_with("two keys have the kid"), "{error}");
        let error = edited(|file| file["keys"][1]["purpose"] = "access".into());
        assert!(error.ends_with("purpose refresh requires alg HS256, and no other purpose supports it"), "{error}");
    }
}
