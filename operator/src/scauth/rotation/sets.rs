//! The next step of one key's rotation, for both files of the Secret.

use std::collections::BTreeSet;
use std::time::Duration;

use rand::CryptoRng;
use sc_auth_contract::keys::{
    Algorithm, Key, KeySet, KeysError, OIDC_ALGORITHMS, OidcKeySet, Purpose, Rotation, State,
};
use sc_auth_contract::limits::{KEYS_MAX, OIDC_KEYS_MAX};
use sc_auth_contract::time::UnixTime;

/// The rotation stops before the file is full, so that a key can still be revoked, whose successor takes a place.
const ROTATING_KEYS_MAX: usize = KEYS_MAX - 4;

/// A file whose keys rotate one by one.
pub trait RotatingKeys {
    /// The tokens that one key at a time signs.
    type Part: Copy;
    /// The most keys of the file while keys are added.
    const MAX: usize;

    fn parts(&self) -> Vec<Self::Part>;
    fn keys(&self) -> &[Key];
    fn find(&self, part: Self::Part, state: State) -> Option<&Key>;
    /// Publishes a new key, or signs with the one that waits, whatever its age.
    fn rotate(
        &mut self,
        part: Self::Part,
        algorithm: Option<Algorithm>,
        now: UnixTime,
        rng: &mut impl CryptoRng,
    ) -> Result<Rotation, KeysError>;
    /// The tokens of a part, in messages.
    fn signs(part: Self::Part) -> String;
}

impl RotatingKeys for KeySet {
    type Part = Purpose;
    const MAX: usize = ROTATING_KEYS_MAX;

    fn parts(&self) -> Vec<Purpose> {
        vec![Purpose::Access, Purpose::Refresh]
    }

    fn keys(&self) -> &[Key] {
        self.keys()
    }

    fn find(&self, purpose: Purpose, state: State) -> Option<&Key> {
        self.find(purpose, state)
    }

    fn rotate(
        &mut self,
        purpose: Purpose,
        algorithm: Option<Algorithm>,
        now: UnixTime,
        rng: &mut impl CryptoRng,
    ) -> Result<Rotation, KeysError> {
        self.rotate(purpose, algorithm, true, now, rng)
    }

    fn signs(purpose: Purpose) -> String {
        format!("{purpose} tokens")
    }
}

impl RotatingKeys for OidcKeySet {
    type Part = Algorithm;
    const MAX: usize = OIDC_KEYS_MAX;

    fn parts(&self) -> Vec<Algorithm> {
        OIDC_ALGORITHMS.to_vec()
    }

    fn keys(&self) -> &[Key] {
        self.keys()
    }

    fn find(&self, algorithm: Algorithm, state: State) -> Option<&Key> {
        self.find(algorithm, state)
    }

    fn rotate(
        &mut self,
        algorithm: Algorithm,
        _: Option<Algorithm>,
        now: UnixTime,
        rng: &mut impl CryptoRng,
    ) -> Result<Rotation, KeysError> {
        self.rotate(algorithm, true, now, rng)
    }

    fn signs(algorithm: Algorithm) -> String {
        format!("tokens of applications with {algorithm}")
    }
}

/// How the key of one part rotates.
#[derive(Debug, Clone, Copy)]
pub struct PartPlan<'a> {
    pub period: Duration,
    pub publish_for: Duration,
    /// The algorithm of a new key; that of the current key by default.
    pub algorithm: Option<Algorithm>,
    /// The keys that a person wants to rotate.
    pub requested: Option<&'a BTreeSet<String>>,
}

impl PartPlan<'_> {
    /// Whether the part's key is one that a person wants to rotate.
    pub fn is_requested<K: RotatingKeys>(&self, keys: &K, part: K::Part) -> bool {
        let current = keys.find(part, State::Current);
        current.zip(self.requested).is_some_and(|(key, requested)| requested.contains(&key.kid))
    }

    /// Whether the part's key has another algorithm than the spec wants.
    fn differs<K: RotatingKeys>(&self, keys: &K, part: K::Part) -> bool {
        let current = keys.find(part, State::Current);
        current.zip(self.algorithm).is_some_and(|(key, wanted)| key.material.algorithm() != wanted)
    }
}

/// Performs the part's step, if one is due.
pub fn step<K: RotatingKeys>(
    keys: &mut K,
    part: K::Part,
    plan: &PartPlan<'_>,
    now: UnixTime,
    rng: &mut impl CryptoRng,
) -> Result<Option<Rotation>, KeysError> {
    if due_at(keys, part, plan).is_none_or(|due_at| now < due_at) {
        return Ok(None);
    }
    // A waiting key signs whatever its algorithm is: if the spec has changed meanwhile, the next rotation follows it.
    let algorithm = plan.algorithm.filter(|_| keys.find(part, State::Next).is_none());
    keys.rotate(part, algorithm, now, rng).map(Some)
}

/// When the part's next step is due; `None` until a key is deleted, if the file is full.
pub fn due_at<K: RotatingKeys>(keys: &K, part: K::Part, plan: &PartPlan<'_>) -> Option<UnixTime> {
    let current = keys.find(part, State::Current);
    let is_wanted = plan.is_requested(keys, part) || plan.differs(keys, part);
    let ends = current.filter(|_| !is_wanted).map_or(UnixTime::default(), |key| key.since + plan.period);
    match keys.find(part, State::Next) {
        Some(next) => Some(ends.max(next.since + plan.publish_for)),
        None if keys.keys().len() >= K::MAX => None,
        None if is_wanted || current.is_none() => Some(UnixTime::default()),
        None => Some(ends - plan.publish_for),
    }
}
