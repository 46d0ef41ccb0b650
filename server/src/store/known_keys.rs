//! Which keys servers had here. The keys were lost where live sessions were signed with keys that are gone and the file
//! is an older one, or has none of the known keys. A rotation or a revocation leaves a file that is newer than what went.

use std::collections::HashMap;

use sc_auth_contract::keys::{Purpose, State};
use sc_auth_contract::status::KeyStatus;
use sea_query::{Expr, ExprTrait as _, Iden, OnConflict, Query};

use super::sessions::Sessions;
use super::{Store, StoreError};

#[derive(Iden, Clone, Copy)]
enum ScAuthKeys {
    Table,
    Id,
    FirstSeenAt,
}

impl Store {
    /// Whether sessions live whose keys are gone, as far as `keys` are all that there are; `were_lost` is the answer
    /// before. Where nothing was lost, `keys` are known from now on. `now` is in seconds since 1970-01-01 UTC.
    pub async fn are_keys_lost(&self, keys: &[KeyStatus], were_lost: bool, now: i64) -> Result<bool, StoreError> {
        let select =
            Query::select().columns([ScAuthKeys::Id, ScAuthKeys::FirstSeenAt]).from(ScAuthKeys::Table).to_owned();
        let known: Vec<(String, i64)> = self.fetch_all(&select).await?;
        let known: HashMap<_, _> = known.into_iter().collect();
        let kids: Vec<_> = keys.iter().map(|key| key.kid.clone()).collect();
        let is_known = |kid: &&String| known.contains_key(*kid);
        let has_known = kids.iter().any(|kid| is_known(&kid));
        if !has_known && self.has_session(&kids, now, false).await? {
            // A server of release 0.2 has noted no keys; then it is lost unless one session at least is ours.
            if !known.is_empty() || !self.has_session(&kids, now, true).await? {
                return Ok(true);
            }
        }
        let missing = missing(keys, &known, were_lost);
        if !missing.is_empty() && self.has_session(&missing, now, true).await? {
            return Ok(true);
        }
        for kid in kids.iter().filter(|kid| !is_known(kid)) {
            let insert = Query::insert()
                .into_table(ScAuthKeys::Table)
                .columns([ScAuthKeys::Id, ScAuthKeys::FirstSeenAt])
                .values_panic([kid.as_str().into(), now.into()])
                .on_conflict(OnConflict::column(ScAuthKeys::Id).do_nothing_on([ScAuthKeys::Id]).to_owned())
                .to_owned();
            self.execute(&insert).await?;
        }
        Ok(false)
    }

    /// Whether a session lives whose refresh token was signed with one of `kids`, or with none of them.
    async fn has_session(&self, kids: &[String], now: i64, with: bool) -> Result<bool, StoreError> {
        let kid = Expr::col(Sessions::RefreshKid);
        let is_in = if with { kid.is_in(kids) } else { kid.is_not_in(kids) };
        let select = Query::select()
            .column(Sessions::Id)
            .from(Sessions::Table)
            .and_where(Expr::col(Sessions::ExpiresAt).gt(now))
            // Sessions that an old service's token began were signed with none of our keys.
            .and_where(Expr::col(Sessions::RefreshKid).ne(""))
            .and_where(is_in)
            .limit(1)
            .to_owned();
        Ok(!self.fetch_varying::<(i64,)>(&select).await?.is_empty())
    }
}

/// The known keys that are missing and cannot have been revoked: they came after all that the file has, as when an older
/// file was restored. Once keys were lost, later steps of a rotation do not bring them back.
fn missing(keys: &[KeyStatus], known: &HashMap<String, i64>, were_lost: bool) -> Vec<String> {
    let refresh = keys.iter().filter(|key| key.purpose == Purpose::Refresh);
    let times = refresh.flat_map(|key| {
        // Whoever revokes the key that signs lets another one sign from then on.
        let signs_since = (key.state == State::Current).then_some(key.since);
        [signs_since, known.get(&key.kid).copied()]
    });
    let newest = times.flatten().max().unwrap_or(i64::MIN);
    let is_missing = |kid: &str| keys.iter().all(|key| key.kid != kid);
    let missing = known.iter().filter(|(kid, seen)| is_missing(kid) && (were_lost || **seen > newest));
    missing.map(|(kid, _)| kid.clone()).collect()
}

#[cfg(test)]
mod tests {
    use sc_auth_contract::keys::{Algorithm, KeySet, Rotation};

    use super::*;

    fn rotate(set: &mut KeySet, now: i64) -> String {
        for _ in 0..2 {
            let step = set.rotate(Purpose::Refresh, None, true, now, &mut rand::rng()).unwrap();
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
        KeySet::generate(Algorithm::EdDSA, 100, &mut rand::rng()).unwrap()
    }

    fn known(set: &KeySet, seen: i64) -> HashMap<String, i64> {
        set.keys().iter().map(|key| (key.kid.clone(), seen)).collect()
    }

    #[test]
    fn keys_that_are_newer_than_the_file_are_missing_and_later_rotations_do_not_hide_that() {
        let (mut newer, mut older) = (file(), file());
        let mut known = known(&older, 110);
        let lost = rotate(&mut newer, 200);
        known.insert(lost.clone(), 210);
        assert_eq!(missing(&keys(&older), &known, false), std::slice::from_ref(&lost));
        rotate(&mut older, 300);
        assert_eq!(missing(&keys(&older), &known, true), [lost]);
    }

    #[test]
    fn a_revoked_key_is_not_missing() {
        let mut set = file();
        let mut known = known(&set, 110);
        let first = set.find(Purpose::Refresh, State::Current).unwrap().kid.clone();
        let second = rotate(&mut set, 200);
        known.insert(second.clone(), 210);
        set.revoke(&first, 300, &mut rand::rng()).unwrap();
        assert!(missing(&keys(&set), &known, false).is_empty(), "one that no longer signs");
        set.revoke(&second, 400, &mut rand::rng()).unwrap();
        assert!(missing(&keys(&set), &known, false).is_empty(), "the one that signs");
    }

    #[test]
    fn release_0_2_noted_no_keys_and_a_later_revocation_is_no_loss() {
        let mut set = file();
        let first = set.find(Purpose::Refresh, State::Current).unwrap().kid.clone();
        rotate(&mut set, 200);
        let known = known(&set, 900);
        set.revoke(&first, 950, &mut rand::rng()).unwrap();
        assert!(missing(&keys(&set), &known, false).is_empty());
    }
}
