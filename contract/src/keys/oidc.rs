//! The keys of OpenID Connect: a second file beside the keys file; earlier releases ignore it. Clients choose among
//! algorithms, so each algorithm has a current key and rotates on its own.

use rand::CryptoRng;
use secrecy::SecretString;

use super::attributes::{Algorithm, Purpose, State};
use super::error::KeysError;
use super::file::unusable;
use super::rotation::{Rotation, RotationRules, promote, revoke};
use super::set::{Key, read, to_json};
use crate::limits::OIDC_KEYS_MAX;
use crate::time::UnixTime;

/// Every file has a current key of each of these: Discovery demands RS256, and ES256 is the fastest that most libraries support.
pub const OIDC_ALGORITHMS: [Algorithm; 2] = [Algorithm::RS256, Algorithm::ES256];

/// The contents of the file.
#[derive(Debug)]
pub struct OidcKeySet {
    keys: Vec<Key>,
}

impl OidcKeySet {
    /// Generates a current key of each algorithm.
    ///
    /// # Errors
    /// If the cryptographic library fails.
    pub fn generate(now: UnixTime, rng: &mut impl CryptoRng) -> Result<Self, KeysError> {
        let mut generate = |algorithm| Key::generate(Purpose::Access, State::Current, algorithm, now, rng);
        Ok(Self { keys: OIDC_ALGORITHMS.into_iter().map(&mut generate).collect::<Result<_, _>>()? })
    }

    /// Reads a file's content.
    ///
    /// # Errors
    /// [`KeysError`] names the problem.
    pub fn parse(content: &SecretString) -> Result<Self, KeysError> {
        let set = Self { keys: read(content, OIDC_KEYS_MAX, KeysError::TooManyOidc)? };
        set.check()?;
        Ok(set)
    }

    /// The content of the file.
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

    /// The first key with this algorithm and state.
    #[must_use]
    pub fn find(&self, algorithm: Algorithm, state: State) -> Option<&Key> {
        self.keys.iter().find(|key| (key.material.algorithm(), key.state) == (algorithm, state))
    }

    fn check(&self) -> Result<(), KeysError> {
        if let Some(key) = self.keys.iter().find(|key| key.purpose != Purpose::Access) {
            return Err(unusable(&key.kid, "a key of OpenID Connect has purpose access"));
        }
        if let Some(key) = self.keys.iter().find(|key| !OIDC_ALGORITHMS.contains(&key.material.algorithm())) {
            return Err(unusable(&key.kid, "a key of OpenID Connect is RS256 or ES256"));
        }
        for algorithm in OIDC_ALGORITHMS {
            let count = |state| {
                self.keys.iter().filter(|key| (key.material.algorithm(), key.state) == (algorithm, state)).count()
            };
            let (current, next) = (count(State::Current), count(State::Next));
            if current != 1 || next > 1 {
                return Err(KeysError::WrongCountOf { algorithm, current, next });
            }
        }
        Ok(())
    }

    /// Deletes keys that have been retired long enough. Returns whether there were any.
    pub fn delete_retired(&mut self, now: UnixTime) -> bool {
        let before = self.keys.len();
        let retire_for = RotationRules::of(Purpose::Access).retire_for;
        self.keys.retain(|key| key.state != State::Retired || now < key.since + retire_for);
        self.keys.len() < before
    }

    /// Takes the next step of an algorithm's rotation: publishes a new key if none is waiting, otherwise signs with the
    /// waiting key, if it is old enough or `at_once` is set. Deletes keys that have been retired long enough.
    ///
    /// # Errors
    /// If there would be too many keys, nothing is signed with the algorithm, or the cryptographic library fails.
    pub fn rotate(
        &mut self,
        algorithm: Algorithm,
        at_once: bool,
        now: UnixTime,
        rng: &mut impl CryptoRng,
    ) -> Result<Rotation, KeysError> {
        let rules = RotationRules::of(Purpose::Access);
        self.delete_retired(now);
        if let Some(next) = self.find(algorithm, State::Next) {
            let (kid, ready_at) = (next.kid.clone(), next.since + rules.publish_for);
            if now < ready_at && !at_once {
                return Ok(Rotation::Waiting { kid, ready_at });
            }
            let retired = promote(&mut self.keys, |key| key.material.algorithm() == algorithm, now);
            return Ok(Rotation::Promoted { kid, retired });
        }
        if !OIDC_ALGORITHMS.contains(&algorithm) {
            return Err(KeysError::UnsuitableOidc(algorithm));
        }
        if self.keys.len() >= OIDC_KEYS_MAX {
            return Err(KeysError::TooManyOidc(self.keys.len() + 1));
        }
        let key = Key::generate(Purpose::Access, State::Next, algorithm, now, rng)?;
        let kid = key.kid.clone();
        self.keys.push(key);
        Ok(Rotation::Published { kid, ready_at: now + rules.publish_for })
    }

    /// Rotates to another key at once, without waiting until every client knows it: to the waiting key, or a new one.
    ///
    /// # Errors
    /// As [`Self::rotate`].
    pub fn rotate_now(
        &mut self,
        algorithm: Algorithm,
        now: UnixTime,
        rng: &mut impl CryptoRng,
    ) -> Result<Rotation, KeysError> {
        match self.rotate(algorithm, true, now, rng)? {
            Rotation::Published { .. } => self.rotate(algorithm, true, now, rng),
            step => Ok(step),
        }
    }

    /// Deletes a key at once: every token that it signed is refused. Another one replaces a current key: its kid is
    /// returned.
    ///
    /// # Errors
    /// If the key does not exist, or the cryptographic library fails.
    pub fn revoke(&mut self, kid: &str, now: UnixTime, rng: &mut impl CryptoRng) -> Result<Option<String>, KeysError> {
        let has_algorithm = |key: &Key, revoked: &Key| key.material.algorithm() == revoked.material.algorithm();
        revoke(&mut self.keys, kid, has_algorithm, now, rng)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use secrecy::ExposeSecret as _;

    use super::super::KeySet;
    use super::*;

    const NOW: UnixTime = UnixTime::from_seconds(1_700_000_000);
    const HOUR: Duration = Duration::from_hours(1);

    fn set() -> OidcKeySet {
        OidcKeySet::generate(NOW, &mut rand::rng()).unwrap()
    }

    fn states(set: &OidcKeySet, algorithm: Algorithm) -> Vec<State> {
        let of_algorithm = set.keys().iter().filter(|key| key.material.algorithm() == algorithm);
        of_algorithm.map(|key| key.state).collect()
    }

    #[test]
    fn a_written_file_can_be_read_and_is_no_keys_file() {
        let content = set().to_json().unwrap();
        let read = OidcKeySet::parse(&content).unwrap();
        assert_eq!(read.keys().len(), 2);
        assert!(KeySet::parse(&content).is_err(), "it has no refresh key");
        let keys = KeySet::generate(Algorithm::ES256, NOW, &mut rand::rng()).unwrap().to_json().unwrap();
        assert!(OidcKeySet::parse(&keys).unwrap_err().to_string().contains("purpose access"));
    }

    #[test]
    fn each_algorithm_rotates_on_its_own() {
        let (mut set, rng) = (set(), &mut rand::rng());
        let first = set.find(Algorithm::RS256, State::Current).unwrap().kid.clone();
        let Ok(Rotation::Published { kid, ready_at }) = set.rotate(Algorithm::RS256, false, NOW, rng) else { panic!() };
        let waiting = set.rotate(Algorithm::RS256, false, NOW, rng).unwrap();
        assert_eq!(waiting, Rotation::Waiting { kid: kid.clone(), ready_at });
        let promoted = set.rotate(Algorithm::RS256, false, ready_at, rng).unwrap();
        assert_eq!(promoted, Rotation::Promoted { kid, retired: first.clone() });
        assert_eq!(states(&set, Algorithm::RS256), [State::Retired, State::Current]);
        assert_eq!(states(&set, Algorithm::ES256), [State::Current]);
        OidcKeySet::parse(&set.to_json().unwrap()).unwrap();
        set.rotate(Algorithm::ES256, false, ready_at + 26 * HOUR, rng).unwrap();
        assert!(set.keys().iter().all(|key| key.kid != first), "it is deleted after a day");
    }

    #[test]
    fn another_key_of_an_algorithm_signs_at_once() {
        let (mut set, rng) = (set(), &mut rand::rng());
        let first = set.find(Algorithm::ES256, State::Current).unwrap().kid.clone();
        let step = set.rotate_now(Algorithm::ES256, NOW, rng).unwrap();
        assert!(matches!(step, Rotation::Promoted { retired, .. } if retired == first));
        assert_eq!(states(&set, Algorithm::ES256), [State::Retired, State::Current]);
        let Ok(Rotation::Published { kid, .. }) = set.rotate(Algorithm::ES256, false, NOW, rng) else { panic!() };
        let step = set.rotate_now(Algorithm::ES256, NOW, rng).unwrap();
        assert!(matches!(step, Rotation::Promoted { kid: signs, .. } if signs == kid));
        assert_eq!(states(&set, Algorithm::RS256), [State::Current]);
    }

    #[test]
    fn the_number_of_keys_is_limited() {
        let (mut set, rng) = (set(), &mut rand::rng());
        let result = (0..100).find_map(|_| set.rotate(Algorithm::ES256, true, NOW, rng).err());
        assert!(matches!(result, Some(KeysError::TooManyOidc(_))));
        assert_eq!(set.keys().len(), OIDC_KEYS_MAX);
    }

    #[test]
    fn there_are_no_keys_that_would_sign_nothing() {
        for algorithm in [Algorithm::EdDSA, Algorithm::HS256] {
            let error = set().rotate(algorithm, true, NOW, &mut rand::rng()).unwrap_err();
            assert!(error.to_string().contains("RS256 and ES256"), "{error}");
        }
        let mut set = set();
        let key = Key::generate(Purpose::Access, State::Next, Algorithm::EdDSA, NOW, &mut rand::rng()).unwrap();
        set.keys.push(key);
        let error = OidcKeySet::parse(&set.to_json().unwrap()).unwrap_err();
        assert!(error.to_string().contains("RS256 or ES256"), "{error}");
    }

    #[test]
    fn a_revoked_key_is_replaced() {
        let mut set = set();
        let first = set.find(Algorithm::ES256, State::Current).unwrap().kid.clone();
        let second = set.revoke(&first, NOW, &mut rand::rng()).unwrap().unwrap();
        assert_eq!(set.find(Algorithm::ES256, State::Current).unwrap().kid, second);
        assert!(set.revoke(&first, NOW, &mut rand::rng()).is_err());
    }

    #[test]
    fn a_file_needs_one_current_key_of_each_algorithm() {
        let edited = |edit: fn(&mut Vec<serde_json::Value>)| {
            let text = set().to_json().unwrap();
            let mut value: serde_json::Value = serde_json::from_str(text.expose_secret()).unwrap();
            edit(value["keys"].as_array_mut().unwrap());
            OidcKeySet::parse(&value.to_string().into()).unwrap_err().to_string()
        };
        assert!(edited(|keys| drop(keys.pop())).contains("ES256"));
        assert!(edited(|keys| keys[0]["state"] = "next".into()).contains("RS256"));
        assert!(edited(|keys| keys.push(keys[0].clone())).contains("two keys have the kid"));
    }
}
