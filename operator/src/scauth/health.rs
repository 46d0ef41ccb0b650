//! Combines the answers of a ScAuth's pods to `/status`. Pure functions.

mod cache;

use std::collections::BTreeSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use k8s_openapi::jiff::Timestamp;
use sc_auth_contract::status::{Hold, Offered, Other, Status, Trouble};

use super::clients::Clients;
use super::names::Names;
use crate::api::ScAuth;
use crate::shared::conditions::{ConditionStatus, ConditionType, find};
pub use cache::{Ask, HealthCache};

/// The knowledge from the pods themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PodReports {
    /// They have not been polled since they last changed.
    NotPolled,
    /// They were polled more than once and none answers: only their probes show their state.
    Unreachable {
        /// The time of the first poll without an answer, if known.
        since: Option<Timestamp>,
    },
    Received(Box<Health>),
}

impl Default for PodReports {
    fn default() -> Self {
        Self::Unreachable { since: None }
    }
}

impl PodReports {
    pub fn health(&self) -> Option<&Health> {
        match self {
            Self::Received(health) => Some(health),
            Self::NotPolled | Self::Unreachable { .. } => None,
        }
    }
}

/// A database that pods serve from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Served {
    pub identity: String,
    /// The name under which it was accepted.
    pub accepted_as: Option<String>,
}

/// The answers of all pods that are not terminating.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Health {
    /// Whether each pod that serves reaches its database.
    pub database_reachable: bool,
    /// Why a pod cannot use its database.
    pub trouble: Option<Trouble>,
    /// The databases that pods serve from: several only during a rollout. Pods of release 0.2 do not report theirs.
    pub served: BTreeSet<Served>,
    /// Why a pod does not serve.
    pub hold: Option<Hold>,
    /// Another database, or one that cannot be opened, which the settings name now.
    pub offered: Option<Offered>,
    /// Whether the first Admin was created with the Secret that the pods have.
    pub admin_made: Option<bool>,
    /// Whether the keys of unexpired sessions are lost.
    pub keys_lost: Option<bool>,
    /// The identifiers of each serving pod's signing keys.
    pub keys: BTreeSet<BTreeSet<String>>,
    /// The applications that log users in; `None` if no pod has a file of them.
    pub declared: Option<Clients>,
    /// Other ScAuths on the same database.
    pub others: Vec<Other>,
    /// Whether requests were answered with a 5xx status within the last minute.
    pub fails: bool,
    /// Settings of the pods that have no effect.
    pub warnings: BTreeSet<String>,
}

impl Health {
    /// `None` if no pod answered.
    pub fn of(answers: &[Status]) -> Option<Self> {
        let staying: Vec<_> = answers.iter().filter(|answer| !answer.draining).collect();
        if staying.is_empty() {
            return None;
        }
        let serving = || staying.iter().filter(|answer| answer.hold.is_none());
        let databases = serving().map(|answer| &answer.database);
        let served = databases.clone().filter_map(|database| {
            let accepted_as = database.accepted_as.clone();
            database.identity.clone().map(|identity| Served { identity, accepted_as })
        });
        let served: BTreeSet<_> = served.collect();
        let mut others: Vec<_> = serving().flat_map(|answer| answer.others.clone()).collect();
        others.sort_by(|left, right| (left.created, &left.uid).cmp(&(right.created, &right.uid)));
        others.dedup_by(|left, right| left.uid == right.uid);
        // One pod may not have the Secret yet that another has read.
        let made = serving().filter_map(|answer| answer.admin.made).max();
        Some(Self {
            database_reachable: databases.clone().all(|database| database.reachable),
            trouble: databases.clone().find_map(|database| database.trouble.clone()),
            hold: staying.iter().filter_map(|answer| answer.hold.clone()).min_by(|a, b| a.found.cmp(&b.found)),
            offered: databases.filter_map(|database| database.offered.clone()).max_by_key(rank),
            admin_made: made,
            keys_lost: (!served.is_empty()).then(|| serving().any(|answer| answer.keys_lost)),
            keys: serving().map(|answer| answer.keys.iter().map(|key| key.kid.clone()).collect()).collect(),
            fails: staying.iter().any(|answer| answer.server_errors > 0),
            declared: Clients::of(serving().copied()),
            warnings: staying.iter().flat_map(|answer| answer.warnings.clone()).collect(),
            served,
            others,
        })
    }

    /// Whether there is nothing to report and nothing to wait for.
    pub fn is_well(&self) -> bool {
        let Self {
            database_reachable,
            trouble: _,
            served: _,
            hold,
            offered,
            admin_made: _,
            keys_lost,
            keys: _,
            declared: _,
            others,
            fails,
            warnings: _,
        } = self;
        *database_reachable
            && hold.is_none()
            && offered.is_none()
            && *keys_lost != Some(true)
            && others.is_empty()
            && !fails
    }

    /// Whether the status contains all of it already, as after a restart of the operator.
    pub fn is_told_by(&self, scauth: &ScAuth) -> bool {
        // What `is_well` has looked at is not looked at again.
        let Self {
            database_reachable: _,
            trouble: _,
            served,
            hold: _,
            offered: _,
            admin_made,
            keys_lost,
            keys: _,
            declared,
            others: _,
            fails: _,
            warnings,
        } = self;
        let Some(status) = &scauth.status else { return false };
        let is = |type_: ConditionType, expected: ConditionStatus| {
            find(&status.conditions, type_).is_some_and(|condition| condition.status == expected)
        };
        let is_true = |type_| is(type_, ConditionStatus::True);
        let known = status.database.as_ref().and_then(|database| database.identity.as_ref());
        let admin_is_told = admin_made.is_none_or(|made| is(ConditionType::AdminReady, made.into()));
        let openid = find(&status.conditions, ConditionType::OpenIdReady);
        let ready = find(&status.conditions, ConditionType::Ready).map_or("", |ready| ready.message.as_str());
        self.is_well()
            && warnings.iter().all(|warning| ready.contains(warning.as_str()))
            && is_true(ConditionType::Ready)
            && is_true(ConditionType::DatabaseReady)
            && keys_lost.is_none_or(|_| is_true(ConditionType::KeysReady))
            && served.iter().all(|served| Some(&served.identity) == known)
            && admin_is_told
            && clients_are_told(declared.as_ref(), openid, &Names::of(scauth))
    }
}

/// Whether OpenIdReady has what the pods report of the applications.
fn clients_are_told(clients: Option<&Clients>, openid: Option<&Condition>, names: &Names) -> bool {
    // It may be False for a reason that the pods do not know.
    let is_of_pods = openid.is_some_and(|openid| openid.reason.parse().is_ok_and(Clients::report));
    match (clients, openid) {
        (Some(clients), Some(openid)) if is_of_pods => {
            openid.reason == clients.reason().to_string() && openid.message.starts_with(&clients.message(names))
        }
        (Some(_), openid) => openid.is_some(),
        (None, _) => !is_of_pods,
    }
}

/// Another database is more specific than an error.
fn rank(offered: &Offered) -> (bool, Option<String>, Option<String>) {
    (offered.identity.is_some(), offered.identity.clone(), offered.error.clone())
}

#[cfg(test)]
mod tests {
    use sc_auth_contract::status::HoldReason;
    use serde_json::{Value, json};

    use super::*;

    fn health(answers: Value) -> Option<Health> {
        Health::of(&serde_json::from_value::<Vec<Status>>(answers).unwrap())
    }

    fn well() -> Value {
        json!({"version": "9", "database": {"reachable": true, "schema": 2, "identity": "one"}, "admin": {"made": true}})
    }

    #[test]
    fn pods_that_are_about_to_stop_do_not_count() {
        let mut leaving = well();
        leaving["draining"] = json!(true);
        leaving["database"]["reachable"] = json!(false);
        assert_eq!(health(json!([leaving])), None);
        assert!(health(json!([well(), leaving])).unwrap().is_well());
    }

    #[test]
    fn release_0_2_says_less_and_is_well() {
        let old = json!({"version": "0.2.0", "database": {"engine": "SQLite", "reachable": true, "taken_over": false}});
        let health = health(json!([old])).unwrap();
        assert!(health.is_well());
        assert_eq!((health.served.len(), health.admin_made, health.keys_lost), (0, None, None));
    }

    #[test]
    fn each_pods_trouble_is_told() {
        let mut held = well();
        held["hold"] = json!({"reason": "EmptyDatabase", "expected": "one", "found": "empty-1"});
        held["database"]["reachable"] = json!(false);
        let together = health(json!([well(), held])).unwrap();
        assert!(together.database_reachable, "the one that serves reaches its own");
        assert_eq!(together.hold.as_ref().unwrap().reason, HoldReason::EmptyDatabase);
        assert_eq!(together.served.len(), 1);
        for (field, value) in [
            ("keys_lost", json!(true)),
            ("server_errors", json!(3)),
            ("others", json!([{"name": "b", "uid": "u", "created": 1}])),
            ("database", json!({"reachable": false})),
            ("database", json!({"reachable": true, "offered": {"error": "refused"}})),
        ] {
            let mut other = well();
            other[field] = value;
            assert!(!health(json!([well(), other])).unwrap().is_well(), "{field}");
        }
    }

    #[test]
    fn another_database_is_told_rather_than_an_error() {
        let offering = |offered: Value| {
            let mut answer = well();
            answer["database"]["offered"] = offered;
            answer
        };
        let answers = [offering(json!({"identity": "two"})), offering(json!({"error": "refused"}))];
        assert_eq!(health(json!(answers)).unwrap().offered.unwrap().identity.as_deref(), Some("two"));
    }
}
