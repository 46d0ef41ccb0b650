//! The next step of one key's rotation, for both files of the Secret.

use std::collections::BTreeSet;
use std::time::Duration;

use rand::CryptoRng;
use sc_auth_contract::keys::{
    Algorithm, Key, KeySet, KeysError, OIDC_ALGORITHMS, OidcKeySet, Purpose, Rotation, State,
};
use sc_auth_contract::limits::OIDC_KEYS_MAX;
use sc_auth_contract::time::UnixTime;

/// A keys file can contain 64 keys; requests are refused before that.
const MOST_KEYS: usize = 60;

/// A file whose keys rotate one by one.
pub trait RotatingKeys {
    /// What one key at a time signs.
    type Slot: Copy;
    /// The most keys of the file.
    const MOST: usize;

    fn slots(&self) -> Vec<Self::Slot>;
    fn keys(&self) -> &[Key];
    fn find(&self, slot: Self::Slot, state: State) -> Option<&Key>;
    /// Publishes a new key, or signs with the one that waits, whatever its age.
    fn rotate(
        &mut self,
        slot: Self::Slot,
        algorithm: Option<Algorithm>,
        now: UnixTime,
        rng: &mut impl CryptoRng,
    ) -> Result<Rotation, KeysError>;
    /// What the key signs, in messages.
    fn words(slot: Self::Slot) -> String;
}

impl RotatingKeys for KeySet {
    type Slot = Purpose;
    const MOST: usize = MOST_KEYS;

    fn slots(&self) -> Vec<Purpose> {
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

    fn words(purpose: Purpose) -> String {
        format!("{purpose} tokens")
    }
}

impl RotatingKeys for OidcKeySet {
    type Slot = Algorithm;
    const MOST: usize = OIDC_KEYS_MAX;

    fn slots(&self) -> Vec<Algorithm> {
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

    fn words(algorithm: Algorithm) -> String {
        format!("tokens of applications with {algorithm}")
    }
}

/// How the key of one slot rotates.
#[derive(Debug, Clone, Copy)]
pub struct SlotPlan<'a> {
    pub period: Duration,
    pub publish_for: Duration,
    /// The algorithm of a new key; that of the current key by default.
    pub algorithm: Option<Algorithm>,
    /// The keys that a person wants to rotate.
    pub requested: Option<&'a BTreeSet<String>>,
}

impl SlotPlan<'_> {
    /// Whether the slot's key is one that a person wants to rotate.
    pub fn is_requested<K: RotatingKeys>(&self, keys: &K, slot: K::Slot) -> bool {
        let current = keys.find(slot, State::Current);
        current.zip(self.requested).is_some_and(|(key, requested)| requested.contains(&key.kid))
    }
}

/// Performs the slot's step, if one is due.
pub fn step<K: RotatingKeys>(
    keys: &mut K,
    slot: K::Slot,
    plan: &SlotPlan<'_>,
    now: UnixTime,
    rng: &mut impl CryptoRng,
) -> Result<Option<Rotation>, KeysError> {
    let current = keys.find(slot, State::Current);
    let differs = current.zip(plan.algorithm).is_some_and(|(key, wanted)| key.material.algorithm() != wanted);
    let is_wanted = differs || plan.is_requested(keys, slot);
    let ends = current.map_or(now, |key| key.since + plan.period);
    if let Some(next) = keys.find(slot, State::Next) {
        if now < next.since + plan.publish_for || (!is_wanted && now < ends) {
            return Ok(None);
        }
        // Whatever its algorithm: if the spec has changed meanwhile, the next rotation follows it.
        return keys.rotate(slot, None, now, rng).map(Some);
    }
    if !(is_wanted || now >= ends - plan.publish_for) || keys.keys().len() >= K::MOST {
        return Ok(None);
    }
    keys.rotate(slot, plan.algorithm, now, rng).map(Some)
}

/// When the slot's next step is due; `None` until a key is deleted, if the file is full.
pub fn next_step<K: RotatingKeys>(keys: &K, slot: K::Slot, plan: &SlotPlan<'_>) -> Option<UnixTime> {
    let since = |state| keys.find(slot, state).map(|key| key.since);
    let ends = since(State::Current).unwrap_or_default() + plan.period;
    match since(State::Next).map(|since| since + plan.publish_for) {
        Some(ready_at) if plan.is_requested(keys, slot) => Some(ready_at),
        Some(ready_at) => Some(ready_at.max(ends)),
        None => (keys.keys().len() < K::MOST).then_some(ends - plan.publish_for),
    }
}
