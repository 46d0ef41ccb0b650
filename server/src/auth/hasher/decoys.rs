//! The hash that a password is compared with if the user name does not exist, so that both cases take the same time.
//!
//! Imported hashes wait in another part of the queue than ours, and may be refused sooner. So unknown names are spread
//! over the kinds of hashes in the same proportions as the users: the treatment of a login does not reveal whether its
//! name exists.

use std::cmp::Reverse;
use std::sync::{Arc, PoisonError, RwLock};

use rand::CryptoRng;
use tokio::sync::Notify;

use super::queue::Weight;
use crate::auth::password::{self, Caps, Stored};

/// The most kinds of imported hashes to distinguish. Some services vary the work from hash to hash.
const MAX_KINDS: usize = 64;

/// The kinds of hashes that the users have.
#[derive(Debug, Default)]
pub struct Kinds {
    own: u64,
    /// Sorted, the most work first.
    imported: Vec<Kind>,
}

/// Imported hashes that take the same time.
#[derive(Debug)]
struct Kind {
    name: String,
    /// One of them.
    hash: String,
    work: u64,
    count: u64,
}

impl Kinds {
    /// `own` hashes of ours, and no imported ones.
    #[cfg(test)]
    pub const fn new(own: u64) -> Self {
        Self { own, imported: Vec::new() }
    }

    /// The numbers of hashes of ours, and of imported ones.
    #[cfg(test)]
    pub fn counts(&self) -> (u64, u64) {
        (self.own, self.imported.iter().map(|kind| kind.count).sum())
    }

    /// Adds a hash of ours.
    pub const fn add_own(&mut self) {
        self.own += 1;
    }

    /// Adds a user's hash. A hash that cannot be used is ignored: its user is treated like an unknown name.
    pub fn add(&mut self, hash: String, caps: Caps) {
        let Ok(stored) = Stored::parse(&hash) else { return };
        if stored.check(caps).is_err() {
            return;
        }
        let (name, work) = (stored.kind(), stored.work());
        let same = self.imported.iter().position(|kind| kind.name == name);
        let like = || (self.imported.len() >= MAX_KINDS).then(|| self.nearest(work)).flatten();
        if let Some(kind) = same.or_else(like).and_then(|place| self.imported.get_mut(place)) {
            kind.count += 1;
            return;
        }
        self.imported.push(Kind { name, hash, work, count: 1 });
        self.imported.sort_by_key(|kind| Reverse(kind.work));
    }

    /// The kind whose work is closest.
    fn nearest(&self, work: u64) -> Option<usize> {
        (0..self.imported.len()).min_by_key(|place| self.imported[*place].work.abs_diff(work))
    }

    /// Whether these kinds include the named one, or are so many that it counts as the most similar one.
    fn covers(&self, name: &str) -> bool {
        self.imported.len() >= MAX_KINDS || self.imported.iter().any(|kind| kind.name == name)
    }

    /// The hash of the user at `place`, a fraction of all users in units of 2^-64; `None` for one of ours.
    fn at(&self, place: u64) -> Option<&str> {
        let total = self.own + self.imported.iter().map(|kind| kind.count).sum::<u64>();
        let mut rest = (u128::from(place) * u128::from(total)) >> u64::BITS;
        for kind in &self.imported {
            if rest < u128::from(kind.count) {
                return Some(&kind.hash);
            }
            rest -= u128::from(kind.count);
        }
        None
    }
}

/// The hashes for unknown names.
pub struct Decoys {
    own: Arc<str>,
    /// `None` until the users' hashes have been counted.
    kinds: RwLock<Option<Kinds>>,
    unknown: Notify,
}

impl Decoys {
    pub fn new(rng: &mut impl CryptoRng) -> Self {
        Self { own: own(rng).into(), kinds: RwLock::default(), unknown: Notify::new() }
    }

    /// Spreads unknown names over these kinds from now on.
    pub fn replace(&self, kinds: Kinds) {
        *self.kinds.write().unwrap_or_else(PoisonError::into_inner) = Some(kinds);
    }

    /// The names of the `count` imported kinds with the most work, with a hash of each, the most work first; `None`
    /// until the users' hashes have been counted.
    pub fn most_work(&self, count: usize) -> Option<Vec<(String, String)>> {
        let kinds = self.kinds.read().unwrap_or_else(PoisonError::into_inner);
        let most_work = kinds.as_ref()?.imported.iter().take(count);
        Some(most_work.map(|kind| (kind.name.clone(), kind.hash.clone())).collect())
    }

    pub fn at(&self, place: u64) -> String {
        let kinds = self.kinds.read().unwrap_or_else(PoisonError::into_inner);
        kinds.as_ref().and_then(|kinds| kinds.at(place)).unwrap_or(&self.own).to_owned()
    }

    /// Wakes [`Self::unknown`] if the hash is of a kind that did not exist at the last count.
    pub(super) fn notice(&self, hash: &str, weight: Weight) {
        if weight == Weight::Own {
            return;
        }
        let kinds = self.kinds.read().unwrap_or_else(PoisonError::into_inner);
        let is_known = |kinds: &Kinds| Stored::parse(hash).is_ok_and(|stored| kinds.covers(&stored.kind()));
        if !kinds.as_ref().is_some_and(is_known) {
            self.unknown.notify_one();
        }
    }

    /// Waits for a hash of a kind that has not been counted.
    pub async fn unknown(&self) {
        self.unknown.notified().await;
    }
}

/// A hash of ours that no password matches: its value is random.
pub fn own(rng: &mut impl CryptoRng) -> String {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD_NO_PAD;
    let (mut salt, mut value) = ([0; 16], [0; 32]);
    rng.fill_bytes(&mut salt);
    rng.fill_bytes(&mut value);
    format!("{}{}${}", password::OURS, STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAPS: Caps = Caps { memory_kib: 32 * 1024 };

    fn pbkdf2(iterations: u32) -> String {
        format!("pbkdf2:sha256:{iterations}$salt${}", "aa".repeat(32))
    }

    /// How many of `names` names get a hash with this prefix.
    fn share(kinds: &Kinds, prefix: &str, names: u64) -> u64 {
        let places = (0..names).map(|name| u64::MAX / names * name);
        places.filter(|place| kinds.at(*place).unwrap_or("ours").starts_with(prefix)).count() as u64
    }

    #[test]
    fn unknown_names_are_spread_over_the_kinds_as_users_are() {
        let mut kinds = Kinds::new(50);
        for iterations in [[150_000; 30].as_slice(), &[1_000_000; 20]].concat() {
            kinds.add(pbkdf2(iterations), CAPS);
        }
        for useless in ["nonsense".to_owned(), pbkdf2(9_000_000)] {
            kinds.add(useless, CAPS);
        }
        assert_eq!(
            kinds.imported.iter().map(|kind| kind.name.as_str()).collect::<Vec<_>>(),
            ["pbkdf2:1000000", "pbkdf2:150000"]
        );
        for (prefix, expected) in [("pbkdf2:sha256:1000000$", 200), ("pbkdf2:sha256:150000$", 300), ("ours", 500)] {
            assert!(share(&kinds, prefix, 1_000).abs_diff(expected) <= 1, "{prefix}");
        }
    }

    #[test]
    fn every_name_gets_the_kind_that_all_users_have() {
        let mut kinds = Kinds::new(0);
        kinds.add(pbkdf2(1_000_000), CAPS);
        assert_eq!(share(&kinds, "pbkdf2", 100), 100);
        assert!(kinds.at(u64::MAX).is_some());
        let ours = Kinds::new(5);
        assert_eq!((ours.at(0), ours.at(u64::MAX), Kinds::default().at(7)), (None, None, None));
    }

    #[tokio::test]
    async fn a_kind_that_has_not_been_counted_is_noticed() {
        let decoys = Decoys::new(&mut rand::rng());
        let is_noticed = async || futures::poll!(std::pin::pin!(decoys.unknown())).is_ready();
        decoys.notice(&pbkdf2(150_000), Weight::Imported);
        assert!(is_noticed().await && decoys.most_work(8).is_none(), "nothing was counted");
        let mut kinds = Kinds::new(5);
        kinds.add(pbkdf2(150_000), CAPS);
        decoys.replace(kinds);
        for (hash, weight, expected) in [
            (pbkdf2(150_000), Weight::Imported, false),
            (own(&mut rand::rng()), Weight::Own, false),
            (pbkdf2(1_000_000), Weight::Costly, true),
        ] {
            decoys.notice(&hash, weight);
            assert_eq!(is_noticed().await, expected, "{hash}");
        }
        let mut kinds = Kinds::new(0);
        for number in 0..1_000 {
            kinds.add(pbkdf2(100_000 + number), CAPS);
        }
        decoys.replace(kinds);
        decoys.notice(&pbkdf2(200_000), Weight::Imported);
        assert!(!is_noticed().await, "one more would not be distinguished");
    }

    #[test]
    fn the_number_of_kinds_is_bounded() {
        let mut kinds = Kinds::new(0);
        for number in 0..1_000 {
            kinds.add(pbkdf2(100_000 + number), CAPS);
        }
        assert_eq!(kinds.imported.len(), MAX_KINDS);
        assert_eq!(kinds.imported.iter().map(|kind| kind.count).sum::<u64>(), 1_000);
    }
}
