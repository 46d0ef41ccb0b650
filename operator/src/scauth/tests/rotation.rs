//! The signing keys by the clock. Times are in seconds.

use std::collections::BTreeSet;
use std::time::Duration;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::CustomResourceExt as _;
use sc_auth_contract::keys::{Algorithm, KeySet};
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::{external, scauth};
use crate::api::{ScAuth, ScAuthStatus};
use crate::scauth::rotation::{Change, Plan, Stored, advance, algorithm_of_new_keys, next_step};
use crate::shared::reasons::Reason;

const DAY: i64 = 86_400;
const NOW: i64 = 1_800_000_000;

/// A Secret that changes as the API server would change it.
struct Cluster(Secret);

impl Cluster {
    /// With the keys that releases up to 0.2 created by default.
    fn new() -> Self {
        let keys = KeySet::generate(Algorithm::EdDSA, NOW.into(), &mut rand::rng()).unwrap().to_json().unwrap();
        let data = [("keys.json".to_owned(), ByteString(keys.expose_secret().as_bytes().to_vec()))].into();
        Self(Secret { data: Some(data), ..Secret::default() })
    }

    fn stored(&self) -> Stored {
        Stored::read(&self.0).unwrap()
    }

    /// One reconcile at that time. Returns what it did.
    fn reconcile(&mut self, plan: &Plan, now: i64) -> Vec<Reason> {
        let Some(change) = advance(&mut self.stored(), plan, now.into(), &mut rand::rng()).unwrap() else {
            return Vec::new();
        };
        self.apply(&change);
        change.notes.iter().map(|(reason, _)| *reason).collect()
    }

    fn apply(&mut self, change: &Change) {
        use base64::Engine as _;
        let patch = change.patch();
        if let Some(file) = patch["data"]["keys.json"].as_str() {
            let file = base64::engine::general_purpose::STANDARD.decode(file).unwrap();
            self.0.data = Some([("keys.json".to_owned(), ByteString(file))].into());
        }
        let annotations = self.0.metadata.annotations.get_or_insert_default();
        for (name, value) in patch["metadata"]["annotations"].as_object().unwrap() {
            annotations.insert(name.clone(), value.as_str().unwrap().to_owned());
        }
    }

    /// State of each key for access tokens, the newest last.
    fn access(&self) -> Vec<String> {
        let keys = self.stored().status();
        keys.into_iter().filter(|key| key.purpose == "access").map(|key| key.state).collect()
    }

    fn kid(&self, state: &str) -> String {
        let keys = self.stored().status();
        keys.into_iter().find(|key| key.purpose == "access" && key.state == state).unwrap().kid
    }
}

fn plan() -> Plan {
    let mut spec = external();
    spec["keys"] = json!({"rotation": "10d"});
    Plan::of(&scauth(spec), std::time::Duration::from_mins(15))
}

#[test]
fn nothing_happens_before_its_time() {
    let mut cluster = Cluster::new();
    let due = next_step(&cluster.stored(), &plan()).seconds();
    assert_eq!(due, NOW + 10 * DAY - 900);
    assert_eq!(cluster.reconcile(&plan(), due - 1), [] as [Reason; 0]);
}

#[test]
fn a_key_is_published_before_its_time_signs_verifies_and_goes() {
    let mut cluster = Cluster::new();
    let first = cluster.kid("current");
    let published = NOW + 10 * DAY - 900;
    assert_eq!(cluster.reconcile(&plan(), published), [Reason::KeyPublished]);
    assert_eq!(cluster.access(), ["current", "next"]);
    assert_eq!(cluster.kid("current"), first, "it still signs");
    assert_eq!(next_step(&cluster.stored(), &plan()).seconds(), published + 900);
    assert_eq!(cluster.reconcile(&plan(), published + 899), [] as [Reason; 0]);
    let second = cluster.kid("next");
    assert_eq!(cluster.reconcile(&plan(), published + 900), [Reason::KeyPromoted]);
    assert_eq!((cluster.kid("retired"), cluster.kid("current")), (first, second));
    // A day for the longest access token, and an hour.
    let dropped = next_step(&cluster.stored(), &plan()).seconds();
    assert_eq!(dropped, published + 900 + DAY + 3_600);
    cluster.reconcile(&plan(), dropped);
    assert_eq!(cluster.access(), ["current"]);
}

#[test]
fn an_operator_that_was_away_goes_on_where_it_was() {
    let mut cluster = Cluster::new();
    // Nobody was there for a year: still, no key signs before it has been published for long enough.
    let late = NOW + 365 * DAY;
    assert_eq!(
        cluster.reconcile(&plan(), late),
        [Reason::KeyPublished, Reason::KeyPublished],
        "for access and for refresh tokens"
    );
    assert_eq!(cluster.reconcile(&plan(), late + 1), [] as [Reason; 0]);
    assert_eq!(cluster.reconcile(&plan(), late + 900), [Reason::KeyPromoted, Reason::KeyPromoted]);
    assert_eq!(cluster.access(), ["retired", "current"]);
}

#[test]
fn a_request_is_met_once() {
    let mut cluster = Cluster::new();
    let plan = Plan { rotate: Some("after the incident".into()), ..plan() };
    assert_eq!(cluster.reconcile(&plan, NOW + 60), [Reason::KeyPublished, Reason::KeyPublished]);
    assert_eq!(next_step(&cluster.stored(), &plan).seconds(), NOW + 960);
    assert_eq!(cluster.reconcile(&plan, NOW + 960), [Reason::KeyPromoted, Reason::KeyPromoted]);
    assert_eq!(cluster.reconcile(&plan, NOW + 961), [] as [Reason; 0]);
    let again = Plan { rotate: Some("once more".into()), ..plan };
    assert_eq!(cluster.reconcile(&again, NOW + 962), [Reason::KeyPublished, Reason::KeyPublished]);
}

#[test]
fn a_leaked_key_goes_at_once_and_one_that_never_was_is_told_once() {
    let mut cluster = Cluster::new();
    let leaked = cluster.kid("current");
    let plan = Plan { revoke: Some(leaked.clone()), ..plan() };
    assert_eq!(cluster.reconcile(&plan, NOW + 1), [Reason::KeyRevoked]);
    assert_ne!(cluster.kid("current"), leaked);
    assert_eq!(cluster.reconcile(&plan, NOW + 2), [] as [Reason; 0]);
    let misspelt = Plan { revoke: Some("no-such-key".into()), ..plan };
    assert_eq!(cluster.reconcile(&misspelt, NOW + 3), [Reason::KeyUnknown]);
    assert_eq!(cluster.reconcile(&misspelt, NOW + 4), [] as [Reason; 0]);
}

#[test]
fn another_algorithm_comes_with_the_rotation_that_it_brings_about() {
    let mut cluster = Cluster::new();
    let plan = Plan { algorithm: Some(Algorithm::ES256), ..plan() };
    assert_eq!(cluster.reconcile(&plan, NOW + 1), [Reason::KeyPublished]);
    assert_eq!(cluster.reconcile(&plan, NOW + 901), [Reason::KeyPromoted]);
    let signs = cluster.stored().status().into_iter().find(|key| key.state == "current" && key.purpose == "access");
    assert_eq!(signs.unwrap().alg, "ES256");
    assert_eq!(cluster.reconcile(&plan, NOW + 902), [] as [Reason; 0]);
}

/// The algorithms of all access keys.
fn algorithms(cluster: &Cluster) -> BTreeSet<String> {
    let keys = cluster.stored().status();
    keys.into_iter().filter(|key| key.purpose == "access").map(|key| key.alg).collect()
}

#[test]
fn keys_of_an_earlier_release_keep_their_algorithm() {
    for manifest in ["embedded", "full", "url"] {
        let path = format!("{}/tests/releases/{manifest}.yaml", env!("CARGO_MANIFEST_DIR"));
        let stored: ScAuth = serde_yaml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let mut cluster = Cluster::new();
        for day in 0..100 {
            let rotate = (day == 50).then(|| "after the upgrade".to_owned());
            let plan = Plan { rotate, ..Plan::of(&stored, Duration::from_mins(15)) };
            cluster.reconcile(&plan, NOW + day * DAY);
        }
        let revoke = Some(cluster.kid("current"));
        cluster.reconcile(&Plan { revoke, ..Plan::of(&stored, Duration::from_mins(15)) }, NOW + 100 * DAY);
        assert_eq!(algorithms(&cluster), ["EdDSA".to_owned()].into(), "{manifest}");
    }
}

#[test]
fn new_keys_use_es256_unless_the_spec_or_the_lost_keys_have_another_algorithm() {
    let mut new = scauth(external());
    assert_eq!(algorithm_of_new_keys(&new), Algorithm::ES256);
    new.status = Some(ScAuthStatus { keys: Cluster::new().stored().status(), ..ScAuthStatus::default() });
    assert_eq!(algorithm_of_new_keys(&new), Algorithm::EdDSA, "that of the lost keys");
    let mut spec = external();
    spec["keys"] = json!({"algorithm": "RS256"});
    new.spec = scauth(spec).spec;
    assert_eq!(algorithm_of_new_keys(&new), Algorithm::RS256);
}

/// The API server applies defaults of the schema to the objects of earlier releases, too.
#[test]
fn the_schema_has_no_default_algorithm() {
    let definition = json!(ScAuth::crd());
    let schema = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
    let keys = &schema["properties"]["keys"];
    assert_eq!((keys.get("default"), keys["properties"]["algorithm"].get("default")), (None, None));
    assert!(keys["properties"]["algorithm"]["enum"].is_array());
}

#[test]
fn a_waiting_key_is_promoted_although_the_spec_has_another_algorithm_by_then() {
    let mut cluster = Cluster::new();
    let wants = |algorithm| Plan { algorithm: Some(algorithm), ..plan() };
    assert_eq!(cluster.reconcile(&wants(Algorithm::ES256), NOW + 1), [Reason::KeyPublished]);
    assert_eq!(cluster.reconcile(&wants(Algorithm::RS256), NOW + 901), [Reason::KeyPromoted]);
    assert_eq!(cluster.reconcile(&wants(Algorithm::RS256), NOW + 902), [Reason::KeyPublished]);
    assert_eq!(cluster.reconcile(&wants(Algorithm::RS256), NOW + 1_802), [Reason::KeyPromoted]);
    let signs = cluster.stored().status().into_iter().find(|key| key.state == "current" && key.purpose == "access");
    assert_eq!(signs.unwrap().alg, "RS256");
}

#[test]
fn requests_without_end_do_not_fill_the_secret() {
    let mut cluster = Cluster::new();
    for request in 0..60 {
        let plan = Plan { rotate: Some(request.to_string()), ..plan() };
        for step in 0..2 {
            cluster.reconcile(&plan, NOW + 10_000 * request + 1_000 * step);
        }
    }
    assert!(cluster.stored().status().len() <= 64);
}

#[test]
fn a_secret_without_usable_keys_is_explained_without_its_content() {
    let broken = |content: &str| {
        let data = [("keys.json".to_owned(), ByteString(content.as_bytes().to_vec()))].into();
        Stored::read(&Secret { data: Some(data), ..Secret::default() }).unwrap_err()
    };
    assert_eq!(Stored::read(&Secret::default()).unwrap_err(), "it has no key keys.json");
    assert!(broken("hunter2").starts_with("not a JSON Web Key Set"));
    assert!(!broken("{\"keys\": \"hunter2\"}").contains("hunter2"));
}

#[test]
fn a_period_is_a_number_of_hours_or_days_and_nonsense_is_the_default() {
    let period = |rotation: &str| {
        let mut spec = external();
        spec["keys"] = json!({"rotation": rotation});
        Plan::of(&scauth(spec), Duration::ZERO).period.as_secs()
    };
    assert_eq!([period("12h"), period("10d"), period("366d")], [12, 10 * 24, 366 * 24].map(|hours| hours * 3_600));
    assert_eq!([period("soon"), period("xh"), period("")], [30 * 24 * 3_600; 3]);
}
