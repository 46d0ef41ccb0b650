//! What is said of the database, the sessions' keys and the first Admin, and whether it is Ready then.

mod secrets;
mod silence;
mod trouble;
mod volume;
mod warnings;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use k8s_openapi::jiff::Timestamp;
use sc_auth_contract::keys::{Algorithm, KeySet, Purpose};
use sc_auth_contract::status::Status;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::{embedded, environment, external, owned_by, scauth};
use crate::api::{KeyStatus, ScAuth, ScAuthStatus};
use crate::scauth::apply::{Applied, Keys};
use crate::scauth::child::Child;
use crate::scauth::children::build;
use crate::scauth::health::{Health, PodReports};
use crate::scauth::observe::Observed;
use crate::scauth::release::UpgradeTurn;
use crate::scauth::report::{self, Outcome, Pause};
use crate::scauth::rotation::Stored;
use crate::scauth::validate::validate;

/// A ScAuth whose pods said that, with `one` as the database that holds the data.
struct Case {
    scauth: ScAuth,
    observed: Observed,
    ready: i32,
    keys_were_lost: bool,
    keys: Vec<KeyStatus>,
    now: Timestamp,
}

impl Case {
    fn new(spec: Value, answers: Value) -> Self {
        let file = json!({"name": "tenant", "uid": "our-uid", "created": 0, "instance": "i", "database": "one"});
        let data = [("scauth.json".to_owned(), ByteString(file.to_string().into_bytes()))].into();
        let secret = Secret { metadata: owned_by("our-uid"), data: Some(data), ..Secret::default() };
        let observed = Observed { secret: Some(secret), reports: saying(answers), ..Observed::default() };
        let ready = if spec["database"]["embedded"].is_null() { 2 } else { 1 };
        Self {
            scauth: scauth(spec),
            observed,
            ready,
            keys_were_lost: false,
            keys: Vec::new(),
            now: Timestamp::UNIX_EPOCH,
        }
    }

    /// Puts these keys into the Secret.
    fn hold(&mut self, keys: &KeySet) {
        let file = ByteString(keys.to_json().unwrap().expose_secret().as_bytes().to_vec());
        let secret = self.observed.secret.as_mut().unwrap();
        secret.data.as_mut().unwrap().insert("keys.json".to_owned(), file);
        self.keys = Stored::read(secret).unwrap().status();
    }

    fn status(&self) -> ScAuthStatus {
        let resolved = validate(&self.scauth, &self.observed, &environment(), &UpgradeTurn::Now).unwrap();
        let mut children = self.observed.children.clone();
        let mut deployment = build(&resolved).unwrap()[&Child::Deployment].clone();
        deployment["metadata"]["generation"] = json!(5);
        deployment["status"] = rollout(self.ready);
        children.insert(Child::Deployment, serde_json::from_value(deployment).unwrap());
        let keys = Keys { were_lost: self.keys_were_lost, status: self.keys.clone(), ..Keys::default() };
        let outcome = if self.scauth.spec.suspend == Some(true) {
            let mut observed = self.observed.clone();
            observed.children = children;
            let outcome = {
                let why = Pause::Suspended { pending: Vec::new() };
                Outcome::Paused { resolved: Box::new(resolved), why }
            };
            return report::status(&self.scauth, &observed, &outcome, &UpgradeTurn::Now, self.now);
        } else {
            Outcome::Applied {
                resolved: Box::new(resolved),
                applied: Box::new(Applied { children, keys, ..Applied::default() }),
            }
        };
        report::status(&self.scauth, &self.observed, &outcome, &UpgradeTurn::Now, self.now)
    }

    /// The next look, when the pods have that to say.
    fn then(&mut self, reports: PodReports) -> ScAuthStatus {
        self.scauth.status = Some(self.status());
        self.observed.reports = reports;
        self.status()
    }
}

fn saying(answers: Value) -> PodReports {
    let answers: Vec<Status> = serde_json::from_value(answers).unwrap();
    Health::of(&answers).map_or(PodReports::NotPolled, |health| PodReports::Received(Box::new(health)))
}

/// Nobody has answered since ten seconds after midnight.
fn silent() -> PodReports {
    PodReports::Unreachable { since: Some(Timestamp::from_second(10).unwrap()) }
}

fn rollout(ready: i32) -> Value {
    json!({"observedGeneration": 5, "replicas": ready, "updatedReplicas": ready, "readyReplicas": ready, "availableReplicas": ready,
        "conditions": [{"type": "Available", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}]})
}

fn condition(status: &ScAuthStatus, kind: &str) -> (String, String, String) {
    let found = status.conditions.iter().find(|condition| condition.type_ == kind);
    found.map(|found| (found.status.clone(), found.reason.clone(), found.message.clone())).unwrap_or_default()
}

fn is(status: &ScAuthStatus, kind: &str, expected: &str, reason: &str) -> String {
    let found = condition(status, kind);
    assert_eq!((found.0.as_str(), found.1.as_str()), (expected, reason), "{kind}: {}", found.2);
    found.2
}

fn serving() -> Value {
    json!({"database": {"reachable": true, "schema": 2, "identity": "one"}})
}

fn with(field: &str, value: Value) -> Value {
    let mut answer = serving();
    answer[field] = value;
    answer
}

fn offering(offered: Value) -> Value {
    let mut answer = serving();
    answer["database"]["offered"] = offered;
    answer
}

fn held(reason: &str, found: &str) -> Value {
    json!({"hold": {"reason": reason, "expected": "one", "found": found}, "database": {"reachable": false}})
}

#[test]
fn where_all_is_well_nothing_but_that_is_said() {
    let status = Case::new(external(), json!([serving(), serving()])).status();
    assert_eq!(is(&status, "Ready", "True", "Serving"), "2 of 2 replicas serve");
    is(&status, "DatabaseReady", "True", "Migrated");
    is(&status, "KeysReady", "True", "KeysKnown");
    assert_eq!(condition(&status, "AdminReady").0, "", "nobody knows");
    assert_eq!(status.database.unwrap().identity.as_deref(), Some("one"));
}

#[test]
fn release_0_2_says_less_and_nothing_is_made_up() {
    let status = Case::new(external(), json!([{"version": "0.2.0", "database": {"reachable": true}}])).status();
    is(&status, "Ready", "True", "Serving");
    is(&status, "DatabaseReady", "True", "Migrated");
    assert_eq!((condition(&status, "KeysReady").0, condition(&status, "AdminReady").0), (String::new(), String::new()));
}

#[test]
fn while_pods_stay_on_their_database_it_is_ready_and_says_how_to_accept_the_other() {
    let status = Case::new(external(), json!([serving(), offering(json!({"identity": "two"}))])).status();
    let message = is(&status, "DatabaseReady", "False", "DatabaseChanged");
    for words in [
        "database one",
        "a different one, two",
        "the pods keep using the first",
        "kubectl annotate scauth tenant sc-auth.io/accept-database=two --overwrite",
    ] {
        assert!(message.contains(words), "{words}: {message}");
    }
    assert!(is(&status, "Ready", "True", "Serving").ends_with("; see DatabaseReady"));
}

#[test]
fn a_pod_that_holds_back_makes_it_not_ready() {
    for (answers, ready, words) in [
        (json!([serving(), held("EmptyDatabase", "empty-1")]), 1, "running pods keep using the first"),
        (json!([held("AnotherDatabase", "empty-1")]), 0, "no pod serves"),
    ] {
        let status = Case { ready, ..Case::new(external(), answers) }.status();
        let message = is(&status, "DatabaseReady", "False", "DatabaseChanged");
        assert!(message.contains(words) && message.contains("accept-database=empty-1"), "{message}");
        is(&status, "Ready", "False", "DatabaseChanged");
    }
}

#[test]
fn an_embedded_database_that_is_gone_is_lost_and_another_one_in_its_place_is_a_change() {
    let mut case = Case::new(embedded(), json!([held("EmptyDatabase", "empty-1")]));
    let lost = case.status();
    let message = is(&lost, "DatabaseReady", "False", "DatabaseLost");
    assert!(message.contains("volume tenant-data") && message.contains("accept-database=empty-1"), "{message}");
    // The pod is ready, so that it can be asked.
    is(&lost, "Ready", "False", "DatabaseLost");
    // After a restart of the operator, and before the pod was asked.
    is(&case.then(PodReports::NotPolled), "Ready", "False", "DatabaseLost");
    is(&case.then(silent()), "Ready", "Unknown", "PodsUnreachable");
    is(&case.then(saying(json!([serving()]))), "Ready", "True", "Serving");
    let status = Case::new(embedded(), json!([held("AnotherDatabase", "two")])).status();
    is(&status, "DatabaseReady", "False", "DatabaseChanged");
}

/// SQLite reads on, and refuses writes.
#[test]
fn an_embedded_database_that_was_removed_under_its_pod_is_lost_too() {
    let answer = json!({"database": {"reachable": false, "identity": "one", "offered": {"identity": "empty-1"}}});
    let status = Case::new(embedded(), json!([answer])).status();
    is(&status, "DatabaseReady", "False", "DatabaseLost");
    is(&status, "Ready", "False", "DatabaseLost");
}

#[test]
fn once_accepted_the_pods_are_about_to_use_it() {
    let mut case = Case::new(embedded(), json!([held("EmptyDatabase", "empty-1")]));
    let annotations = [("sc-auth.io/accept-database".to_owned(), "empty-1".to_owned())];
    case.scauth.metadata.annotations = Some(annotations.into());
    let status = case.status();
    is(&status, "DatabaseReady", "Unknown", "Starting");
    is(&status, "Ready", "False", "RollingOut");
    assert_eq!(status.database.unwrap().identity.as_deref(), Some("empty-1"));
}

#[test]
fn an_annotation_that_names_another_one_is_told() {
    let mut case = Case::new(external(), json!([offering(json!({"identity": "two"}))]));
    case.scauth.metadata.annotations = Some([("sc-auth.io/accept-database".to_owned(), "three".to_owned())].into());
    let message = is(&case.status(), "DatabaseReady", "False", "DatabaseChanged");
    assert!(message.contains("the annotation now names three, which no pod has found"), "{message}");
}

#[test]
fn it_is_never_ready_while_clients_meet_errors_and_recovers_by_itself() {
    for (answer, reason) in [
        (with("server_errors", json!(1)), "ServerErrors"),
        (json!({"database": {"reachable": false, "identity": "one"}}), "DatabaseUnreachable"),
        (held("AnotherDatabase", "two"), "DatabaseChanged"),
        (
            json!({"database": {"reachable": false, "identity": "one", "offered": {"identity": "two"}}}),
            "DatabaseChanged",
        ),
    ] {
        let mut case = Case::new(external(), json!([serving(), answer]));
        is(&case.status(), "Ready", "False", reason);
        is(&case.then(PodReports::NotPolled), "Ready", "False", reason);
        case.scauth.spec.suspend = Some(true);
        is(&case.status(), "Ready", "False", "Suspended");
        case.scauth.spec.suspend = None;
        is(&case.then(saying(json!([serving(), serving()]))), "Ready", "True", "Serving");
    }
}

#[test]
fn an_upgrade_that_is_not_known_is_told_once_whatever_else_is_told_and_for_no_longer_than_it_is_so() {
    let annotated = |case: &mut Case, value: &str| {
        case.scauth.metadata.annotations = Some([("sc-auth.io/upgrade-to".to_owned(), value.to_owned())].into());
    };
    let note = "; annotation sc-auth.io/upgrade-to has no effect: ";
    for (answer, status, reason) in
        [(serving(), "True", "Serving"), (with("server_errors", json!(1)), "False", "ServerErrors")]
    {
        let mut case = Case::new(external(), json!([answer]));
        annotated(&mut case, "latest");
        let first = is(&case.status(), "Ready", status, reason);
        assert_eq!(first.matches(note).count(), 1, "{first}");
        assert_eq!(is(&case.then(PodReports::NotPolled), "Ready", status, reason), first);
        annotated(&mut case, "9.0.0");
        assert_eq!(is(&case.then(PodReports::NotPolled), "Ready", status, reason), first.split(note).next().unwrap());
    }
}

#[test]
fn an_address_that_does_not_work_is_named_and_keeps_nobody_from_being_served() {
    let status = Case::new(external(), json!([offering(json!({"error": "password authentication failed"}))])).status();
    let message = is(&status, "DatabaseReady", "False", "AddressUnusable");
    assert!(message.contains("password authentication failed") && message.contains("cannot serve"), "{message}");
    is(&status, "Ready", "True", "Serving");
    // The same one, on another engine: a pod that starts now finds it.
    let moved = json!({"identity": "one", "error": "the engine has changed to PostgreSQL; restart the server"});
    let message =
        is(&Case::new(external(), json!([offering(moved)])).status(), "DatabaseReady", "False", "AddressUnusable");
    assert!(
        message.contains("a pod that starts now uses the new one") && !message.contains("cannot serve"),
        "{message}"
    );
}

#[test]
fn of_two_on_one_database_the_younger_is_told() {
    let other = |created: i64, uid: &str| {
        let answers = json!([with("others", json!([{"name": "elder", "uid": uid, "created": created}]))]);
        let mut case = Case::new(external(), answers);
        case.scauth.metadata.creation_timestamp = Some(Time(Timestamp::from_second(100).unwrap()));
        case.status()
    };
    let message = is(&other(99, "z"), "DatabaseReady", "False", "DatabaseShared");
    assert!(message.contains("ScAuth elder"), "{message}");
    is(&other(99, "z"), "Ready", "True", "Serving");
    is(&other(100, "a"), "DatabaseReady", "False", "DatabaseShared");
    is(&other(100, "z"), "DatabaseReady", "True", "Migrated");
    is(&other(101, "a"), "DatabaseReady", "True", "Migrated");
}

#[test]
fn keys_that_are_gone_are_told_while_sessions_miss_them() {
    let mut case = Case::new(external(), json!([with("keys_lost", json!(true))]));
    let message = is(&case.status(), "KeysReady", "False", "KeysLost");
    assert!(message.contains("Secret tenant-secret"), "{message}");
    is(&case.status(), "Ready", "True", "Serving");
    is(&case.then(PodReports::NotPolled), "KeysReady", "False", "KeysLost");
    is(&case.then(saying(json!([serving()]))), "KeysReady", "True", "KeysKnown");
    case.keys_were_lost = true;
    is(&case.status(), "KeysReady", "False", "KeysLost");
}

#[test]
fn new_keys_are_ready_once_all_pods_use_them() {
    let set = || KeySet::generate(Algorithm::EdDSA, 0.into(), &mut rand::rng()).unwrap();
    let saying_keys = |set: &KeySet| {
        let keys = set.keys().iter().map(|key| {
            json!({"kid": key.kid, "purpose": key.purpose.to_string(), "state": key.state.to_string(), "since": 0})
        });
        with("keys", keys.collect())
    };
    let (old, mut new) = (set(), set());
    let mut case = Case::new(external(), json!([saying_keys(&old), saying_keys(&new)]));
    case.hold(&new);
    let message = is(&case.status(), "KeysReady", "False", "KeysLost");
    assert!(message.starts_with("pods still use keys that Secret tenant-secret no longer holds"), "{message}");
    is(&case.then(PodReports::NotPolled), "KeysReady", "False", "KeysLost");
    let followed = saying(json!([saying_keys(&new), saying_keys(&new)]));
    is(&case.then(followed.clone()), "KeysReady", "True", "KeysKnown");
    // A rotation, which the pods read later.
    for _ in 0..2 {
        new.rotate(Purpose::Access, None, true, 0.into(), &mut rand::rng()).unwrap();
    }
    case.hold(&new);
    is(&case.then(followed), "KeysReady", "True", "KeysKnown");
}

#[test]
fn a_password_that_is_nobodys_is_not_called_one() {
    let mut case = Case::new(external(), json!([with("admin", json!({"secret_id": "i", "made": false}))]));
    assert_eq!(condition(&case.status(), "AdminReady").0, "", "a person has deleted the Secret");
    case.observed.admin_secret = Some(owned_by("our-uid"));
    let message = is(&case.status(), "AdminReady", "False", "AdminNotCreated");
    assert!(message.contains("Secret tenant-admin") && message.contains("sc-auth-server admin create"), "{message}");
    is(&case.then(saying(json!([with("admin", json!({"made": true}))]))), "AdminReady", "True", "AdminCreated");
    // Nobody can be asked, and the status is lost: the Secret says it.
    case.scauth.status = None;
    case.observed.reports = PodReports::default();
    for (note, status, reason) in [("created", "True", "AdminCreated"), ("not-created", "False", "AdminNotCreated")] {
        let annotations = Some([("sc-auth.io/admin".to_owned(), note.to_owned())].into());
        case.observed.admin_secret = Some(ObjectMeta { annotations, ..owned_by("our-uid") });
        is(&case.status(), "AdminReady", status, reason);
    }
}

#[test]
fn an_admin_of_another_name_than_in_the_spec_is_named() {
    let mut spec = external();
    spec["bootstrapAdmin"] = json!({"username": "root"});
    let mut case = Case::new(spec, json!([with("admin", json!({"made": true}))]));
    case.observed.admin_secret = Some(owned_by("our-uid"));
    case.observed.admin_name = Some("root".into());
    let message = is(&case.status(), "AdminReady", "True", "AdminCreated");
    assert!(message.ends_with("Secret tenant-admin"), "{message}");
    case.observed.admin_name = Some("boss".into());
    let message = is(&case.status(), "AdminReady", "True", "AdminCreated");
    for words in ["is called boss, not root as in spec.bootstrapAdmin", "log in as boss", "admin create root"] {
        assert!(message.contains(words), "{message}");
    }
}
