//! Which keys servers had here. The keys were lost where live sessions were signed with keys that are gone and the file
//! is an older one, or has none of the known keys. A rotation or a revocation leaves a file that is newer than what went.
//!
//! A loss is noted with each lost key, since later rotations make an older file look newer. It ends when the keys are
//! back or their last session is over. A key that was rotated out or revoked is deleted here as well.

use sc_auth_contract::keys::Purpose;
use sc_auth_contract::status::KeyStatus;
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
    /// When it was found to be lost, if it was.
    #[sqlx(try_from = "Nullable")]
    lost_at: Option<UnixTime>,
}

impl Store {
    /// Whether sessions live whose keys are lost, as far as `keys` are all that there are. Where nothing is lost, `keys`
    /// are known from now on.
    pub async fn are_keys_lost(&self, keys: &[KeyStatus], now: UnixTime) -> Result<bool, StoreError> {
        let columns = [ScAuthKeys::Id, ScAuthKeys::FirstSeenAt, ScAuthKeys::LostAt];
        let select = Query::select().columns(columns).from(ScAuthKeys::Table).to_owned();
        let mut known: Vec<Known> = self.fetch_all(&select).await?;
        self.note_returned(&mut known, keys).await?;
        let missing = missing(keys, &known);
        let lost: Vec<_> = noted(&known).chain(missing.iter().cloned()).collect();
        if !lost.is_empty() && self.has_session(&lost, now, true).await? {
            self.set_lost_at(missing, Some(now)).await?;
            return Ok(true);
        }
        let kids: Vec<_> = keys.iter().map(|key| key.kid.clone()).collect();
        // A server of release 0.2 has noted no keys; then it is lost unless one session at least is ours.
        if known.is_empty() && self.has_session(&kids, now, false).await? && !self.has_session(&kids, now, true).await?
        {
            return Ok(true);
        }
        // What is missing without a session may be a key that another replica's newer file has.
        let gone = known.iter().filter(|key| !kids.contains(&key.id) && !missing.contains(&key.id));
        self.delete_all(ScAuthKeys::Table, ScAuthKeys::Id, gone.map(|key| key.id.clone()).collect()).await?;
        for key in keys.iter().filter(|key| known.iter().all(|known| known.id != key.kid)) {
            self.note_key(key, now).await?;
        }
        Ok(false)
    }

    /// Lost keys that are back in the file are lost no more.
    async fn note_returned(&self, known: &mut [Known], keys: &[KeyStatus]) -> Result<(), StoreError> {
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

    /// It counts from when its present state began: a replica that still has an older file must not take for new what was
    /// revoked since.
    async fn note_key(&self, key: &KeyStatus, now: UnixTime) -> Result<(), StoreError> {
        let insert = Query::insert()
            .into_table(ScAuthKeys::Table)
            .columns([ScAuthKeys::Id, ScAuthKeys::FirstSeenAt])
            .values_panic([key.kid.as_str().into(), Ord::min(now, key.since).seconds().into()])
            .on_conflict(OnConflict::column(ScAuthKeys::Id).do_nothing_on([ScAuthKeys::Id]).to_owned())
            .to_owned();
        self.execute(&insert).await.map(|_| ())
    }

    /// Whether a session lives whose refresh token was signed with one of `kids`, or with none of them.
    async fn has_session(&self, kids: &[String], now: UnixTime, with: bool) -> Result<bool, StoreError> {
        let kid = Expr::col(Sessions::RefreshKid);
        let is_in = if with { kid.is_in(kids) } else { kid.is_not_in(kids) };
        let select = Query::select()
            .column(Sessions::Id)
            .from(Sessions::Table)
            .and_where(Expr::col(Sessions::ExpiresAt).gt(now.seconds()))
            // Sessions that an old service's token began were signed with none of our keys.
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

/// The keys whose loss was noted.
fn noted(known: &[Known]) -> impl Iterator<Item = String> {
    known.iter().filter(|key| key.lost_at.is_some()).map(|key| key.id.clone())
}

/// The known keys whose loss was not noted yet and that cannot have been revoked: they are newer than all that the file
/// has, as when an older file was restored, or the file has no known key at all.
fn missing(keys: &[KeyStatus], known: &[Known]) -> Vec<String> {
    let seen = |kid: &str| known.iter().find(|known| known.id == kid).map(|known| known.first_seen_at);
    let is_another = keys.iter().all(|key| seen(&key.kid).is_none());
    // Whoever revokes the key that signs lets another one sign from then on.
    let refresh = keys.iter().filter(|key| key.purpose == Purpose::Refresh);
    let times = refresh.flat_map(|key| [Some(key.since), seen(&key.kid)]);
    let newest = times.flatten().max();
    let missing = known.iter().filter(|known| known.lost_at.is_none() && !is_in_file(&known.id, keys));
    missing.filter(|known| is_another || Some(known.first_seen_at) > newest).map(|known| known.id.clone()).collect()
}

#[cfg(test)]
mod tests {
    use sc_auth_contract::keys::{Algorithm, KeySet, Rotation, State};

    use super::*;

    fn rotate(set: &mut KeySet, now: i64) -> String {
        for _ in 0..2 {
            let step = set.rotate(Purpose::Refresh, None, true, now.into(), &mut rand::rng()).unwrap();
            if let Rotation::Promoted { kid, .. } = step {
                return kid;
            }
        }
        panic!("nothing was promoted");
    }

    fn keys(set: &KeySet) -> Vec<KeyStatus> {
        let keys = set.keys().iter();
        keys.map(|key| KeyStatus { kid: key.kid.clone(), purpose: key.purpose, state: key.state, since: key.since })
            .collect()
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
    fn keys_that_are_newer_than_the_file_are_missing_and_noted_ones_are_not_found_again() {
        let (mut newer, older) = (file(), file());
        let mut known = known(&older, 110);
        let lost = rotate(&mut newer, 200);
        known.push(known_key(&lost, 210));
        assert_eq!(missing(&keys(&older), &known), std::slice::from_ref(&lost));
        assert_eq!(noted(&known).count(), 0);
        known[2].lost_at = Some(220.into());
        assert_eq!(missing(&keys(&older), &known), Vec::<String>::new());
        assert_eq!(noted(&known).collect::<Vec<_>>(), [lost]);
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
        assert!(missing(&keys(&set), &known).is_empty(), "one that no longer signs");
        set.revoke(&second, 400.into(), &mut rand::rng()).unwrap();
        assert!(missing(&keys(&set), &known).is_empty(), "the one that signs");
    }

    #[test]
    fn release_0_2_noted_no_keys_and_a_later_revocation_is_no_loss() {
        let mut set = file();
        let first = set.find(Purpose::Refresh, State::Current).unwrap().kid.clone();
        rotate(&mut set, 200);
        let known = known(&set, 900);
        set.revoke(&first, 950.into(), &mut rand::rng()).unwrap();
        assert!(missing(&keys(&set), &known).is_empty());
    }
}
