//! Rotates keys without invalidating tokens: a key is published before it signs, and verifies afterwards.

use std::time::Duration;

use rand::CryptoRng;

use super::attributes::{Algorithm, Purpose, State};
use super::error::KeysError;
use super::set::{Key, KeySet};
use crate::time::UnixTime;

/// How long each step takes.
#[derive(Debug, Clone, Copy)]
pub struct RotationRules {
    /// How long a key is published before it signs: until every verifier has fetched it.
    pub publish_for: Duration,
    /// How long a key verifies after it has signed its last token: the lifetime of such a token.
    pub retire_for: Duration,
}

impl RotationRules {
    /// Access tokens are valid for at most one day, refresh tokens for 366; verifiers' caches and mounted Secrets are
    /// updated within 15 minutes. Refresh keys are never published, but all replicas must have read one before it
    /// signs.
    #[must_use]
    pub const fn of(purpose: Purpose) -> Self {
        let retire_for = match purpose {
            Purpose::Access => Duration::from_hours(24 + 1),
            Purpose::Refresh => Duration::from_hours(367 * 24),
        };
        Self { publish_for: Duration::from_mins(15), retire_for }
    }
}

/// The result of [`KeySet::rotate`].
#[derive(Debug, PartialEq, Eq)]
pub enum Rotation {
    /// A new key is published; it must not sign before `ready_at`.
    Published {
        /// The new key.
        kid: String,
        /// When it can sign.
        ready_at: UnixTime,
    },
    /// The published key signs from now on.
    Promoted {
        /// The key that signs.
        kid: String,
        /// The key that signed until now.
        retired: String,
    },
    /// The published key is too young; nothing was changed.
    Waiting {
        /// The waiting key.
        kid: String,
        /// When it can sign.
        ready_at: UnixTime,
    },
}

impl KeySet {
    /// Takes the next step: publishes a new key if none is waiting, otherwise starts to sign with the waiting key.
    /// Deletes keys that have been retired long enough. With `at_once`, the waiting key can be of any age.
    ///
    /// # Errors
    /// If the cryptographic library fails, `algorithm` does not suit the purpose, or the waiting key has another one.
    pub fn rotate(
        &mut self,
        purpose: Purpose,
        algorithm: Option<Algorithm>,
        at_once: bool,
        now: UnixTime,
        rng: &mut impl CryptoRng,
    ) -> Result<Rotation, KeysError> {
        let rules = RotationRules::of(purpose);
        check_suitable(purpose, algorithm)?;
        if let Some(next) = self.find(purpose, State::Next) {
            let (kid, ready_at) = (next.kid.clone(), next.since + rules.publish_for);
            let found = next.material.algorithm();
            if let Some(wanted) = algorithm.filter(|wanted| *wanted != found) {
                return Err(KeysError::OtherAlgorithm { kid, found, wanted });
            }
            if now < ready_at && !at_once {
                return Ok(Rotation::Waiting { kid, ready_at });
            }
            let retired = promote(&mut self.keys, |key| key.purpose == purpose, now);
            self.delete_retired(now);
            return Ok(Rotation::Promoted { kid, retired });
        }
        let current = self.find(purpose, State::Current).map(|key| key.material.algorithm());
        let algorithm = algorithm.or(current).unwrap_or_default();
        check_suitable(purpose, Some(algorithm))?;
        let key = Key::generate(purpose, State::Next, algorithm, now, rng)?;
        let kid = key.kid.clone();
        self.keys.push(key);
        self.delete_retired(now);
        Ok(Rotation::Published { kid, ready_at: now + rules.publish_for })
    }

    /// Rotates to another key at once, without waiting until every verifier knows it: to the waiting key, or a new one.
    ///
    /// # Errors
    /// As [`Self::rotate`].
    pub fn rotate_now(
        &mut self,
        purpose: Purpose,
        algorithm: Option<Algorithm>,
        now: UnixTime,
        rng: &mut impl CryptoRng,
    ) -> Result<Rotation, KeysError> {
        match self.rotate(purpose, algorithm, true, now, rng)? {
            Rotation::Published { .. } => self.rotate(purpose, None, true, now, rng),
            step => Ok(step),
        }
    }

    /// Deletes a key at once: every token that it signed is refused. The current key is replaced with the next one, or
    /// a new one. Returns the kid of the replacement, if any.
    ///
    /// # Errors
    /// If the key does not exist, or the cryptographic library fails.
    pub fn revoke(&mut self, kid: &str, now: UnixTime, rng: &mut impl CryptoRng) -> Result<Option<String>, KeysError> {
        revoke(&mut self.keys, kid, |key, revoked| key.purpose == revoked.purpose, now, rng)
    }

    /// Deletes keys that have been retired long enough. Returns whether there were any.
    pub fn delete_retired(&mut self, now: UnixTime) -> bool {
        let before = self.keys.len();
        self.keys
            .retain(|key| key.state != State::Retired || now < key.since + RotationRules::of(key.purpose).retire_for);
        self.keys.len() < before
    }
}

/// Promotes the next key among those that `takes_turns`. Returns the kid of the key that signed until now.
pub(super) fn promote(keys: &mut [Key], takes_turns: impl Fn(&Key) -> bool, now: UnixTime) -> String {
    let mut retired = String::new();
    for key in keys.iter_mut().filter(|key| takes_turns(key)) {
        match key.state {
            State::Current => {
                (key.state, key.since) = (State::Retired, now);
                retired.clone_from(&key.kid);
            }
            State::Next => (key.state, key.since) = (State::Current, now),
            State::Retired => {}
        }
    }
    retired
}

/// Deletes a key. If it was current, the next key replaces it, or a new one; `takes_turns` says which keys take turns with
/// the revoked one. Returns the kid of the replacement.
pub(super) fn revoke(
    keys: &mut Vec<Key>,
    kid: &str,
    takes_turns: impl Fn(&Key, &Key) -> bool,
    now: UnixTime,
    rng: &mut impl CryptoRng,
) -> Result<Option<String>, KeysError> {
    let place = keys.iter().position(|key| key.kid == kid).ok_or_else(|| KeysError::Unknown(kid.to_owned()))?;
    let revoked = keys.remove(place);
    if revoked.state != State::Current {
        return Ok(None);
    }
    let takes_turns = |key: &Key| takes_turns(key, &revoked);
    if keys.iter().any(|key| key.state == State::Next && takes_turns(key)) {
        promote(keys, takes_turns, now);
    } else {
        keys.push(Key::generate(revoked.purpose, State::Current, revoked.material.algorithm(), now, rng)?);
    }
    Ok(keys.iter().find(|key| key.state == State::Current && takes_turns(key)).map(|key| key.kid.clone()))
}

fn check_suitable(purpose: Purpose, algorithm: Option<Algorithm>) -> Result<(), KeysError> {
    match algorithm {
        Some(algorithm) if (purpose == Purpose::Refresh) != (algorithm == Algorithm::HS256) => {
            Err(KeysError::Unsuitable { algorithm, purpose })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime::from_seconds(1_700_000_000);
    const SECOND: Duration = Duration::from_secs(1);

    fn set() -> KeySet {
        KeySet::generate(Algorithm::EdDSA, NOW, &mut rand::rng()).unwrap()
    }

    fn states(set: &KeySet, purpose: Purpose) -> Vec<State> {
        set.keys().iter().filter(|key| key.purpose == purpose).map(|key| key.state).collect()
    }

    fn rotate(set: &mut KeySet, now: UnixTime) -> Rotation {
        set.rotate(Purpose::Access, None, false, now, &mut rand::rng()).unwrap()
    }

    #[test]
    fn a_key_is_published_then_signs_then_verifies_then_is_deleted() {
        let mut set = set();
        let first = set.keys()[0].kid.clone();
        let Rotation::Published { kid, ready_at } = rotate(&mut set, NOW) else { panic!() };
        assert_eq!(ready_at, NOW + 900 * SECOND);
        assert_eq!(rotate(&mut set, ready_at - SECOND), Rotation::Waiting { kid: kid.clone(), ready_at });
        assert_eq!(rotate(&mut set, ready_at), Rotation::Promoted { kid, retired: first.clone() });
        assert_eq!(states(&set, Purpose::Access), [State::Retired, State::Current]);
        assert_eq!(states(&set, Purpose::Refresh), [State::Current], "the other purpose does not change");
        let retire_for = RotationRules::of(Purpose::Access).retire_for;
        rotate(&mut set, ready_at + retire_for - SECOND);
        assert!(set.keys().iter().any(|key| key.kid == first));
        rotate(&mut set, ready_at + retire_for + 900 * SECOND);
        assert!(set.keys().iter().all(|key| key.kid != first));
    }

    #[test]
    fn a_revoked_key_is_deleted_at_once_and_another_one_signs() {
        let mut set = set();
        let first = set.keys()[0].kid.clone();
        let second = set.revoke(&first, NOW, &mut rand::rng()).unwrap().unwrap();
        assert_eq!(states(&set, Purpose::Access), [State::Current]);
        let Rotation::Published { kid: third, .. } = rotate(&mut set, NOW) else { panic!() };
        assert_eq!(set.revoke(&second, NOW, &mut rand::rng()).unwrap(), Some(third.clone()), "the waiting key");
        assert_eq!(states(&set, Purpose::Access), [State::Current]);
        assert!(matches!(set.revoke(&first, NOW, &mut rand::rng()), Err(KeysError::Unknown(_))));
        KeySet::parse(&set.to_json().unwrap()).unwrap();
    }

    #[test]
    fn the_algorithm_can_change_with_a_rotation() {
        let mut set = set();
        set.rotate(Purpose::Access, Some(Algorithm::ES256), false, NOW, &mut rand::rng()).unwrap();
        set.rotate(Purpose::Access, None, true, NOW, &mut rand::rng()).unwrap();
        let current = set.find(Purpose::Access, State::Current).unwrap();
        assert_eq!(current.material.algorithm(), Algorithm::ES256);
    }

    #[test]
    fn an_algorithm_that_the_next_key_does_not_have_is_refused() {
        let mut set = set();
        let rotate = |set: &mut KeySet, purpose, algorithm| {
            set.rotate(purpose, Some(algorithm), true, NOW, &mut rand::rng()).map_err(|error| error.to_string())
        };
        for (purpose, algorithm, problem) in [
            (Purpose::Access, Algorithm::HS256, "HS256 cannot sign access tokens"),
            (Purpose::Refresh, Algorithm::ES256, "ES256 cannot sign refresh tokens"),
        ] {
            assert!(rotate(&mut set, purpose, algorithm).unwrap_err().starts_with(problem));
            // Also with a waiting key, which has another algorithm.
            set.rotate(purpose, None, false, NOW, &mut rand::rng()).unwrap();
            assert!(rotate(&mut set, purpose, algorithm).unwrap_err().starts_with(problem));
        }
        let refused = rotate(&mut set, Purpose::Access, Algorithm::ES256).unwrap_err();
        assert!(refused.contains("is waiting to sign, with EdDSA: to use ES256"), "{refused}");
        assert_eq!(states(&set, Purpose::Access), [State::Current, State::Next], "nothing was changed");
        assert!(rotate(&mut set, Purpose::Access, Algorithm::EdDSA).is_ok(), "the one that it has");
    }

    #[test]
    fn another_key_signs_at_once() {
        let mut set = set();
        let first = set.keys()[0].kid.clone();
        let now = |set: &mut KeySet| set.rotate_now(Purpose::Access, None, NOW, &mut rand::rng()).unwrap();
        assert!(matches!(now(&mut set), Rotation::Promoted { retired, .. } if retired == first));
        assert_eq!(states(&set, Purpose::Access), [State::Retired, State::Current]);
        let Rotation::Published { kid: waiting, .. } = rotate(&mut set, NOW) else { panic!() };
        assert!(matches!(now(&mut set), Rotation::Promoted { kid, .. } if kid == waiting));
        assert_eq!(states(&set, Purpose::Access), [State::Retired, State::Retired, State::Current]);
    }
}
