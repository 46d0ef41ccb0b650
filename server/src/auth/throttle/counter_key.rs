//! The key of all counters. It is generated once, and outlives the refresh keys: each of them seals a copy of it in the
//! database, so that guessing the name behind a counter takes both the database and the keys file.

use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sc_auth_contract::time::UnixTime;
use secrecy::ExposeSecret as _;

use crate::auth::keys::Keys;
use crate::auth::seal::{LENGTH, Seal, Secret};
use crate::store::{SealedKey, Store};

/// How long a copy under an unknown refresh key is kept: another replica may already know that key.
const KEEP_UNKNOWN: Duration = Duration::from_hours(24);

/// The key that names and networks are hashed with.
#[derive(Debug, Clone)]
pub struct CounterKey(hmac::Key);

impl CounterKey {
    /// A digest that cannot be computed or reversed without the key. Only the last part may contain a line break.
    pub fn digest(&self, parts: &[&str]) -> String {
        URL_SAFE_NO_PAD.encode(self.tag(parts))
    }

    /// A number that is constant for a name, uniformly distributed and as secret as a digest.
    pub fn place(&self, name: &str) -> u64 {
        let tag = self.tag(&["place", name]);
        tag.as_ref().iter().take(8).fold(0, |place, byte| place << 8 | u64::from(*byte))
    }

    fn tag(&self, parts: &[&str]) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(b"sc-auth/counters");
        for part in parts {
            context.update(b"\n");
            context.update(part.as_bytes());
        }
        context.sign()
    }
}

struct Generated {
    at: UnixTime,
    secret: Secret,
}

/// The key in use, which is shared by all replicas on a database.
pub struct CounterKeys(RwLock<Generated>);

impl CounterKeys {
    /// Reads the key, or generates it from `random` if the refresh keys open none.
    ///
    /// # Errors
    /// If the database is unavailable.
    pub async fn load(store: &Store, keys: &Keys, random: [u8; LENGTH], now: UnixTime) -> anyhow::Result<Self> {
        let copies = store.sealed_keys().await?;
        if let Some(born) = oldest(&copies, keys.seals()) {
            let loaded = Self(RwLock::new(born));
            loaded.sync(store, keys, now).await?;
            return Ok(loaded);
        }
        if !copies.is_empty() {
            tracing::warn!(
                "no refresh key opens the key of the failed-login counters; all counters start from zero, and all known \
                 networks are forgotten"
            );
        }
        let generated = Self(RwLock::new(Generated { at: now, secret: Secret::new(Box::new(random)) }));
        // The second call reads the key of another replica that was faster: then both use that key.
        generated.sync(store, keys, now).await?;
        generated.sync(store, keys, now).await?;
        Ok(generated)
    }

    /// Uses the oldest key that the refresh keys open, and stores a copy for each refresh key that has none.
    ///
    /// # Errors
    /// If the database is unavailable.
    pub async fn sync(&self, store: &Store, keys: &Keys, now: UnixTime) -> anyhow::Result<()> {
        let copies = store.sealed_keys().await?;
        if let Some(found) = oldest(&copies, keys.seals()) {
            *self.0.write().unwrap_or_else(PoisonError::into_inner) = found;
        }
        for seal in keys.seals() {
            let right = self.copy(seal, now)?;
            match copies.iter().find(|copy| copy.kid == seal.kid()) {
                // Another replica generated another key at the same time: all use the oldest.
                Some(copy) if !self.is_same(seal, copy) => {
                    store.delete_sealed_key(copy).await?;
                    store.add_sealed_key(&right).await?;
                }
                Some(_) => {}
                None => store.add_sealed_key(&right).await?,
            }
        }
        let is_known = |kid: &str| keys.seals().iter().any(|seal| seal.kid() == kid);
        for copy in copies.iter().filter(|copy| !is_known(&copy.kid)) {
            if copy.sealed_at + KEEP_UNKNOWN < now {
                store.delete_sealed_key(copy).await?;
            }
        }
        Ok(())
    }

    pub fn get(&self) -> CounterKey {
        let born = self.0.read().unwrap_or_else(PoisonError::into_inner);
        CounterKey(hmac::Key::new(hmac::HMAC_SHA256, born.secret.expose_secret()))
    }

    /// Whether a copy holds the key in use.
    fn is_same(&self, seal: &Seal, copy: &SealedKey) -> bool {
        let born = self.0.read().unwrap_or_else(PoisonError::into_inner);
        seal.open(&copy.sealed).is_some_and(|secret| secret.expose_secret() == born.secret.expose_secret())
    }

    fn copy(&self, seal: &Seal, now: UnixTime) -> anyhow::Result<SealedKey> {
        let born = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let sealed = seal.seal(&born.secret)?;
        Ok(SealedKey { kid: seal.kid().to_owned(), sealed, born_at: born.at, sealed_at: now })
    }
}

/// The oldest key: if replicas have generated several, all of them choose the same.
fn oldest(copies: &[SealedKey], seals: &[Seal]) -> Option<Generated> {
    let mut copies: Vec<_> = copies.iter().collect();
    copies.sort_by_key(|copy| (copy.born_at, &copy.kid));
    copies.into_iter().find_map(|copy| {
        let seal = seals.iter().find(|seal| seal.kid() == copy.kid)?;
        Some(Generated { at: copy.born_at, secret: seal.open(&copy.sealed)? })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seal(kid: &str, byte: u8) -> Seal {
        Seal::new(kid, &[byte; 32]).unwrap()
    }

    fn copy(seal: &Seal, born_at: i64, byte: u8) -> SealedKey {
        let sealed = seal.seal(&Secret::new(Box::new([byte; LENGTH]))).unwrap();
        SealedKey { kid: seal.kid().into(), sealed, born_at: born_at.into(), sealed_at: UnixTime::EPOCH }
    }

    #[test]
    fn every_replica_uses_the_oldest_key_that_it_can_open() {
        let seals = [seal("one", 1), seal("two", 2)];
        let lost = seal("lost", 3);
        let copies = [copy(&lost, 1, 7), copy(&seals[1], 3, 8), copy(&seals[0], 2, 9)];
        let found = oldest(&copies, &seals).unwrap();
        assert_eq!((found.at.seconds(), found.secret.expose_secret()), (2, &[9; LENGTH]));
        assert_eq!(oldest(&copies, &seals[1..]).unwrap().at.seconds(), 3);
        assert!(oldest(&copies[..1], &seals).is_none() && oldest(&[], &seals).is_none());
        let mut broken = copies[2].clone();
        broken.sealed.replace_range(..4, "AAAA");
        assert!(oldest(&[broken], &seals).is_none());
    }

    #[test]
    fn digests_depend_on_the_key_and_on_each_part() {
        let key = |byte| CounterKey(hmac::Key::new(hmac::HMAC_SHA256, &[byte; LENGTH]));
        let digest = key(1).digest(&["name", "0", "alice"]);
        assert_eq!(digest, key(1).digest(&["name", "0", "alice"]));
        assert!(digest.len() <= 64, "the column holds it");
        for other in [key(2).digest(&["name", "0", "alice"]), key(1).digest(&["name", "1", "alice"])] {
            assert_ne!(digest, other);
        }
    }
}
