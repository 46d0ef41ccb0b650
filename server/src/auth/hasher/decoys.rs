//! What a password is compared with where nobody has the submitted name, so that both cases take the same time.
//!
//! A hash of another service waits elsewhere in the queue than one of ours, and may be refused sooner. So names that
//! nobody has are spread over the kinds of hashes as the users are: how a login with a name is treated says nothing
//! about whether the name exists.

use std::cmp::Reverse;
use std::sync::{Arc, PoisonError, RwLock};

use rand::CryptoRng;
use tokio::sync::Notify;

use super::queue::Weight;
use crate::auth::password::{self, Caps, Stored};

/// How many kinds of hashes of other services are told apart. Some services vary the work from hash to hash.
const MOST: usize = 64;

/// The hashes of all users that a password can be compared with.
#[derive(Debug, Default)]
pub struct Kinds {
    own: u64,
    /// Those with the most work first.
    imported: Vec<Kind>,
}

/// Hashes of another service that take the same time.
#[derive(Debug)]
struct Kind {
    name: String,
    /// One of them.
    hash: String,
    work: u64,
    count: u64,
}

impl Kinds {
    /// So many hashes of ours, and none of another service.
    pub const fn new(own: u64) -> Self {
        Self { own, imported: Vec::new() }
    }

    /// Adds a user's hash. One that cannot be used is treated as a name that nobody has.
    pub fn add(&mut self, hash: String, caps: Caps) {
        let Ok(stored) = Stored::parse(&hash) else { return };
        if stored.check(caps).is_err() {
            return;
        }
        let (name, work) = (stored.kind(), stored.work());
        let same = self.imported.iter().position(|kind| kind.name == name);
        let like = || (self.imported.len() >= MOST).then(|| self.nearest(work)).flatten();
        if let Some(kind) = same.or_else(like).and_then(|place| self.imported.get_mut(place)) {
            kind.count += 1;
            return;
        }
        self.imported.push(Kind { name, hash, work, count: 1 });
        self.imported.sort_by_key(|kind| Reverse(kind.work));
    }

    /// The kind whose work differs least from that.
    fn nearest(&self, work: u64) -> Option<usize> {
        (0..self.imported.len()).min_by_key(|place| self.imported[*place].work.abs_diff(work))
    }

    /// Whether a kind of another service is among these, or is taken for the one that is most like it.
    fn stands_for(&self, name: &str) -> bool {
        self.imported.len() >= MOST || self.imported.iter().any(|kind| kind.name == name)
    }

    /// The hash at a place between 0 and all users, where `place` counts in parts of 2^64; `None` for one of ours.
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

/// The hashes in use.
pub struct Decoys {
    own: Arc<str>,
    /// None until they were counted.
    kinds: RwLock<Option<Kinds>>,
    unknown: Notify,
}

impl Decoys {
    pub fn new(rng: &mut impl CryptoRng) -> Self {
        Self { own: own(rng).into(), kinds: RwLock::default(), unknown: Notify::new() }
    }

    /// From now on names that nobody has are spread over these.
    pub fn replace(&self, kinds: Kinds) {
        *self.kinds.write().unwrap_or_else(PoisonError::into_inner) = Some(kinds);
    }

    /// So many kinds of other services by their names, with a hash of each, those with the most work first; `None` until
    /// they were counted.
    pub fn most_work(&self, count: usize) -> Option<Vec<(String, String)>> {
        let kinds = self.kinds.read().unwrap_or_else(PoisonError::into_inner);
        let most_work = kinds.as_ref()?.imported.iter().take(count);
        Some(most_work.map(|kind| (kind.name.clone(), kind.hash.clone())).collect())
    }

    pub fn at(&self, place: u64) -> String {
        let kinds = self.kinds.read().unwrap_or_else(PoisonError::into_inner);
        kinds.as_ref().and_then(|kinds| kinds.at(place)).unwrap_or(&self.own).to_owned()
    }

    /// Notices a hash of a kind that was not there when they were counted.
    pub(super) fn notice(&self, hash: &str, weight: Weight) {
        if weight == Weight::Own {
            return;
        }
        let kinds = self.kinds.read().unwrap_or_else(PoisonError::into_inner);
        let is_known = |kinds: &Kinds| Stored::parse(hash).is_ok_and(|stored| kinds.stands_for(&stored.kind()));
        if !kinds.as_ref().is_some_and(is_known) {
            self.unknown.notify_one();
        }
    }

    /// Waits for such a hash.
    pub async fn unknown(&self) {
        self.unknown.notified().await;
    }
}

/// A hash of ours that no password has: its value is random.
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

    /// How many of so many names get a hash with such a prefix.
    fn share(kinds: &Kinds, prefix: &str, names: u64) -> u64 {
        let places = (0..names).map(|name| u64::MAX / names * name);
        places.filter(|place| kinds.at(*place).unwrap_or("ours").starts_with(prefix)).count() as u64
    }

    #[test]
    fn names_are_spread_over_the_kinds_as_users_are() {
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
    fn where_all_users_have_one_kind_every_name_has_it() {
        let mut kinds = Kinds::new(0);
        kinds.add(pbkdf2(1_000_000), CAPS);
        assert_eq!(share(&kinds, "pbkdf2", 100), 100);
        assert!(kinds.at(u64::MAX).is_some());
        let ours = Kinds::new(5);
        assert_eq!((ours.at(0), ours.at(u64::MAX), Kinds::default().at(7)), (None, None, None));
    }

    #[tokio::test]
    async fn a_kind_that_was_not_counted_is_noticed() {
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
        assert!(!is_noticed().await, "one more would not be told apart");
    }

    #[test]
    fn no_more_kinds_than_memory_is_meant_for() {
        let mut kinds = Kinds::new(0);
        for number in 0..1_000 {
            kinds.add(pbkdf2(100_000 + number), CAPS);
        }
        assert_eq!(kinds.imported.len(), MOST);
        assert_eq!(kinds.imported.iter().map(|kind| kind.count).sum::<u64>(), 1_000);
    }
}
