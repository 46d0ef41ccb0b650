//! The keys that servers of this database have used. Keys are lost if live sessions were signed with missing keys and
//! the keys file is an older one, or has none of the known keys. After a rotation or a revocation, the file is newer
//! than the missing keys.
//!
//! A loss is recorded with each lost key, because later rotations make an older file look newer. It ends when the keys
//! are back or their last session ends. A key that was rotated out or revoked becomes a former key.

use sc_auth_contract::status::{KeyPurpose, KeyStatus};
use sc_auth_contract::time::UnixTime;
use sea_query::{Expr, ExprTrait as _, Iden, OnConflict, Query};
use sqlx::FromRow;

use super::schema::Sessions;
use super::times::Nullable;
use super::{Store, StoreError};

#[derive(Iden, Clone, Copy)]
enum ScAuthKeys {
    Table,
    Id,
    FirstSeenAt,
    LostAt,
}

#[derive(Debug, Clone, FromRow)]
struct Known {
    id: String,
    #[sqlx(try_from = "i64")]
    first_seen_at: UnixTime,
    /// When its loss was detected.
    #[sqlx(try_from = "Nullable")]
    lost_at: Option<UnixTime>,
}

impl Store {
    /// Whether live sessions have lost keys. `keys` are all keys of the file; if nothing is lost, they are known from
    /// now on.
    pub async fn are_keys_lost(&self, keys: &[KeyStatus], now: UnixTime) -> Result<bool, StoreError> {
        let columns = [ScAuthKeys::Id, ScAuthKeys::FirstSeenAt, ScAuthKeys::LostAt];
        let select = Query::select().columns(columns).from(ScAuthKeys::Table).to_owned();
        let mut known: Vec<Known> = self.fetch_all(&select).await?;
        self.restore_returned(&mut known, keys).await?;
        let missing = missing(keys, &known);
        let lost: Vec<_> = recorded(&known).chain(missing.iter().cloned()).collect();
        if !lost.is_empty() && self.has_session(&lost, now, true).await? {
            self.set_lost_at(missing, Some(now)).await?;
            return Ok(true);
        }
        let kids: Vec<_> = keys.iter().map(|key| key.kid.clone()).collect();
        // Release 0.2 recorded no keys. Then they are lost if there are sessions, but none of them is ours.
        if known.is_empty() && self.has_session(&kids, now, false).await? && !self.has_session(&kids, now, true).await?
        {
            return Ok(true);
        }
        // A missing key without a session is kept: another replica may have it in a newer file.
        let gone = known.iter().filter(|key| !kids.contains(&key.id) && !missing.contains(&key.id));
        let gone: Vec<_> = gone.map(|key| key.id.clone()).collect();
        self.add_former_keys(&gone, now).await?;
        self.delete_all(ScAuthKeys::Table, ScAuthKeys::Id, gone).await?;
        for key in keys.iter().filter(|key| known.iter().all(|known| known.id != key.kid)) {
            self.add_key(key, now).await?;
        }
        Ok(false)
    }

    /// All keys that servers have used, in use or not.
    pub async fn remembered_keys(&self) -> Result<Vec<String>, StoreError> {
        let select = Query::select().column(ScAuthKeys::Id).from(ScAuthKeys::Table).to_owned();
        let known: Vec<(String,)> = self.fetch_all(&select).await?;
        let former = self.former_keys().await?;
        Ok(known.into_iter().map(|(kid,)| kid).chain(former).collect())
    }

    /// Clears the loss of keys that are in the file again.
    async fn restore_returned(&self, known: &mut [Known], keys: &[KeyStatus]) -> Result<(), StoreError> {
        let is_back = |known: &Known| known.lost_at.is_some() && is_in_file(&known.id, keys);
        let mut back = Vec::new();
        for key in known.iter_mut().filter(|known| is_back(known)) {
            key.lost_at = None;
            back.push(key.id.clone());
        }
        self.set_lost_at(back, None).await
    }

    async fn set_lost_at(&self, kids: Vec<String>, lost_at: Option<UnixTime>) -> Result<(), StoreError> {
        if kids.is_empty() {
            return Ok(());
        }
        let update = Query::update()
            .table(ScAuthKeys::Table)
            .value(ScAuthKeys::LostAt, lost_at.map(UnixTime::seconds))
            .and_where(Expr::col(ScAuthKeys::Id).is_in(kids))
            .to_owned();
        self.execute_varying(&update).await.map(|_| ())
    }

    /// Records a key as seen since its present state began: otherwise, a key that was revoked meanwhile would look new
    /// when a replica with an older file records it.
    async fn add_key(&self, key: &KeyStatus, now: UnixTime) -> Result<(), StoreError> {
        let insert = Query::insert()
            .into_table(ScAuthKeys::Table)
            .columns([ScAuthKeys::Id, ScAuthKeys::FirstSeenAt])
            .values_panic([key.kid.as_str().into(), Ord::min(now, key.since).seconds().into()])
            .on_conflict(OnConflict::column(ScAuthKeys::Id).do_nothing_on([ScAuthKeys::Id]).to_owned())
            .to_owned();
        self.execute(&insert).await.map(|_| ())
    }

    /// Whether there is a live session whose refresh token was signed with one of `kids`, or (`with` is false) with
    /// none.
    async fn has_session(&self, kids: &[String], now: UnixTime, with: bool) -> Result<bool, StoreError> {
        let kid = Expr::col(Sessions::RefreshKid);
        let is_in = if with { kid.is_in(kids) } else { kid.is_not_in(kids) };
        let select = Query::select()
            .column(Sessions::Id)
            .from(Sessions::Table)
            .and_where(Expr::col(Sessions::ExpiresAt).gt(now.seconds()))
            // Sessions that an old token began were not signed with our keys.
            .and_where(Expr::col(Sessions::RefreshKid).ne(""))
            .and_where(is_in)
            .limit(1)
            .to_owned();
        Ok(!self.fetch_varying::<(i64,)>(&select).await?.is_empty())
    }
}

fn is_in_file(kid: &str, keys: &[KeyStatus]) -> bool {
    keys.iter().any(|key| key.kid == kid)
}

/// The keys whose loss is recorded.
fn recorded(known: &[Known]) -> impl Iterator<Item = String> {
    known.iter().filter(|key| key.lost_at.is_some()).map(|key| key.id.clone())
}

/// The known keys that are missing but cannot have been revoked, and whose loss is not yet recorded: they are newer
/// than all keys in the file, which is then an older one, or the file has no known key at all.
fn missing(keys: &[KeyStatus], known: &[Known]) -> Vec<String> {
    let seen = |kid: &str| known.iter().find(|known| known.id == kid).map(|known| known.first_seen_at);
    let is_another = keys.iter().all(|key| seen(&key.kid).is_none());
    // Revoking the current key promotes another one at that time.
    let refresh = keys.iter().filter(|key| key.purpose == KeyPurpose::Refresh);
    let times = refresh.flat_map(|key| [Some(key.since), seen(&key.kid)]);
    let newest = times.flatten().max();
    let missing = known.iter().filter(|known| known.lost_at.is_none() && !is_in_file(&known.id, keys));
    missing.filter(|known| is_another || Some(known.first_seen_at) > newest).map(|known| known.id.clone()).collect()
}

#[cfg(test)]
mod tests {
    use sc_auth_contract::keys::{Algorithm, Key, KeySet, Purpose, Rotation, State};

    use super::*;

    fn rotate(set: &mut KeySet, now: i64) -> String {
        for _ in 0..2 {
            let step = set.rotate(Purpose::Refresh, None, true, now.into(), &mut rand::rng()).unwrap();
            if let Rotation::Promoted { kid, .. } = step {
                return kid;
            }
        }
        panic!("no key was promoted");
    }

    fn keys(set: &KeySet) -> Vec<KeyStatus> {
        let status = |key: &Key| KeyStatus {
            kid: key.kid.clone(),
            purpose: key.purpose.into(),
            state: key.state.into(),
            since: key.since,
        };
        set.keys().iter().map(status).collect()
    }

    fn file() -> KeySet {
        KeySet::generate(Algorithm::EdDSA, 100.into(), &mut rand::rng()).unwrap()
    }

    fn known(set: &KeySet, seen: i64) -> Vec<Known> {
        set.keys().iter().map(|key| known_key(&key.kid, seen)).collect()
    }

    fn known_key(kid: &str, seen: i64) -> Known {
        Known { id: kid.into(), first_seen_at: seen.into(), lost_at: None }
    }

    #[test]
    fn keys_newer_than_the_file_are_missing_until_their_loss_is_recorded() {
        let (mut newer, older) = (file(), file());
        let mut known = known(&older, 110);
        let lost = rotate(&mut newer, 200);
        known.push(known_key(&lost, 210));
        assert_eq!(missing(&keys(&older), &known), std::slice::from_ref(&lost));
        assert_eq!(recorded(&known).count(), 0);
        known[2].lost_at = Some(220.into());
        assert_eq!(missing(&keys(&older), &known), Vec::<String>::new());
        assert_eq!(recorded(&known).collect::<Vec<_>>(), [lost]);
    }

    #[test]
    fn in_another_file_all_known_keys_are_missing() {
        let set = file();
        assert_eq!(missing(&keys(&file()), &known(&set, 10)).len(), set.keys().len());
    }

    #[test]
    fn a_revoked_key_is_not_missing() {
        let mut set = file();
        let mut known = known(&set, 110);
        let first = set.find(Purpose::Refresh, State::Current).unwrap().kid.clone();
        let second = rotate(&mut set, 200);
        known.push(known_key(&second, 210));
        set.revoke(&first, 300.into(), &mut rand::rng()).unwrap();
        assert!(missing(&keys(&set), &known).is_empty(), "a key that no longer signs");
        set.revoke(&second, 400.into(), &mut rand::rng()).unwrap();
        assert!(missing(&keys(&set), &known).is_empty(), "the current key");
    }

    #[test]
    fn a_revocation_after_an_upgrade_from_release_0_2_is_not_a_loss() {
        let mut set = file();
        let first = set.find(Purpose::Refresh, State::Current).unwrap().kid.clone();
        rotate(&mut set, 200);
        let known = known(&set, 900);
        set.revoke(&first, 950.into(), &mut rand::rng()).unwrap();
        assert!(missing(&keys(&set), &known).is_empty());
    }
}
