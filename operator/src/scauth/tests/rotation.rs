//! The signing keys by the clock. Times are in seconds.

mod waiting;

use std::collections::BTreeSet;
use std::time::Duration;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::CustomResourceExt as _;
use sc_auth_contract::keys::{Algorithm, KeySet, Purpose};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::{external, scauth};
use crate::api::{ScAuth, ScAuthStatus};
use crate::scauth::rotation::{Change, OPENID, Plan, Stored, advance, algorithm_of_new_keys, is_due, next_step};
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
        let change = advance(&mut self.stored(), plan, now.into(), &mut rand::rng()).unwrap();
        assert!(change.is_none() || is_due(&self.stored(), plan, now.into()), "nobody would have looked");
        let Some(change) = change else { return Vec::new() };
        self.apply(&change);
        change.notes.iter().map(|(reason, _)| *reason).collect()
    }

    fn apply(&mut self, change: &Change) {
        use base64::Engine as _;
        let patch = change.patch();
        for (name, file) in patch["data"].as_object().into_iter().flatten() {
            let file = base64::engine::general_purpose::STANDARD.decode(file.as_str().unwrap()).unwrap();
            self.0.data.get_or_insert_default().insert(name.clone(), ByteString(file));
        }
        let annotations = self.0.metadata.annotations.get_or_insert_default();
        for (name, value) in patch["metadata"]["annotations"].as_object().unwrap() {
            annotations.insert(name.clone(), value.as_str().unwrap().to_owned());
        }
    }

    /// Adds the second file.
    fn with_openid(mut self) -> Self {
        let change = Change::of_first_oidc_keys(None, NOW.into(), &mut rand::rng()).unwrap();
        self.apply(&change);
        self
    }

    /// State of each key of OpenID Connect with this algorithm, the newest last.
    fn openid(&self, alg: &str) -> Vec<String> {
        let keys = self.stored().status();
        keys.into_iter().filter(|key| key.purpose == OPENID && key.alg == alg).map(|key| key.state).collect()
    }

    fn file(&self, name: &str) -> Vec<u8> {
        self.0.data.as_ref().unwrap()[name].0.clone()
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

#[test]
fn the_keys_of_openid_connect_rotate_by_algorithm_and_keys_json_stays() {
    let mut cluster = Cluster::new().with_openid();
    let keys = cluster.file("keys.json");
    let revoke = cluster.stored().status().into_iter().find(|key| key.alg == "ES256").unwrap().kid;
    let revoking = Plan { revoke: Some(revoke), ..plan() };
    assert_eq!(cluster.reconcile(&revoking, NOW + DAY), [Reason::KeyRevoked]);
    assert_eq!(cluster.file("keys.json"), keys, "the other file has nothing to do with it");
    // The new key is a day younger than the other one.
    let published = NOW + 10 * DAY - 900;
    assert_eq!(next_step(&cluster.stored(), &revoking).seconds(), published);
    assert_eq!(cluster.reconcile(&revoking, published), [Reason::KeyPublished, Reason::KeyPublished]);
    assert_eq!(
        (cluster.openid("RS256"), cluster.openid("ES256")),
        (states(&["current", "next"]), states(&["current"]))
    );
    assert_eq!(cluster.reconcile(&revoking, published + 899), [] as [Reason; 0]);
    cluster.reconcile(&revoking, published + 900);
    assert_eq!(cluster.openid("RS256"), ["retired", "current"]);
    cluster.reconcile(&revoking, published + 900 + DAY + 3_600);
    assert_eq!(cluster.openid("RS256"), ["current"], "a day for the longest token, and an hour");
}

fn states(states: &[&str]) -> Vec<String> {
    states.iter().map(|state| (*state).to_owned()).collect()
}

#[test]
fn keys_of_openid_connect_rotate_no_more_than_once_a_day_and_stay_few() {
    let mut cluster = Cluster::new().with_openid();
    let hourly = Plan { period: Duration::from_hours(1), ..plan() };
    let mut rotations = 0;
    for hour in 1..=10 * 24 {
        cluster.reconcile(&hourly, NOW + hour * 3_600);
        cluster.reconcile(&hourly, NOW + hour * 3_600 + 900);
        rotations = rotations.max(cluster.openid("ES256").len() + cluster.openid("RS256").len());
    }
    assert!((4..=8).contains(&rotations), "{rotations}");
    assert!(cluster.access().len() > 10, "the others rotate each hour");
}

#[test]
fn repeated_requests_wait_when_oidc_keys_json_is_full() {
    let mut cluster = Cluster::new().with_openid();
    for request in 0..12 {
        let plan = Plan { rotate: Some(request.to_string()), ..plan() };
        for step in 0..2 {
            cluster.reconcile(&plan, NOW + 2_000 * request + 1_000 * step);
        }
    }
    let all = || cluster.stored().status().into_iter().filter(|key| key.purpose == OPENID).count();
    assert!(all() <= 16, "{}", all());
    let annotations = cluster.0.metadata.annotations.clone().unwrap();
    assert_ne!(annotations["sc-auth.io/rotated-for"], "11");
    let plan = Plan { rotate: Some("11".into()), ..plan() };
    for step in 0..3 {
        cluster.reconcile(&plan, NOW + 3 * DAY + 1_000 * step);
    }
    assert_eq!(cluster.0.metadata.annotations.unwrap()["sc-auth.io/rotated-for"], "11");
}

/// The keys of one file may wait to sign while those of the other are not published yet.
#[test]
fn a_request_while_a_rotation_is_under_way_rotates_each_key_once() {
    let mut cluster = Cluster::new().with_openid();
    let under_way = Plan { algorithm: Some(Algorithm::RS256), ..plan() };
    assert_eq!(cluster.reconcile(&under_way, NOW + 1), [Reason::KeyPublished]);
    let plan = Plan { rotate: Some("all".into()), ..under_way };
    let steps = (0..100).flat_map(|step| cluster.reconcile(&plan, NOW + 600 + 100 * step)).collect::<Vec<_>>();
    let count = |reason| steps.iter().filter(|step| **step == reason).count();
    assert_eq!((count(Reason::KeyPublished), count(Reason::KeyPromoted)), (3, 4));
    assert_eq!(cluster.0.metadata.annotations.unwrap()["sc-auth.io/rotated-for"], "all");
}

#[test]
fn an_unreadable_keys_file_is_never_replaced() {
    let mut cluster = Cluster::new();
    for content in ["", "{}", "hunter2", r#"{"keys": []}"#, "\u{0}"] {
        let data = cluster.0.data.get_or_insert_default();
        data.insert("oidc-keys.json".to_owned(), ByteString(content.as_bytes().to_vec()));
        let problem = cluster.stored().oidc.problem().unwrap().to_owned();
        assert!(!problem.contains("hunter2"), "{problem}");
        let plan = Plan { rotate: Some(content.into()), ..plan() };
        for step in 0..400 {
            cluster.reconcile(&plan, NOW + 12 * 3_600 * step);
        }
        assert_eq!(cluster.file("oidc-keys.json"), content.as_bytes());
    }
    cluster.0.data.get_or_insert_default().insert("oidc-keys.json".to_owned(), ByteString(vec![0xff]));
    assert_eq!(cluster.stored().oidc.problem(), Some("it is not text"));
}

/// Release 0.2 knows keys.json alone: it reads that file, and changes it by a merge patch.
#[test]
fn release_0_2_finds_its_keys_in_the_new_secret_and_leaves_the_second_file() {
    let mut cluster = Cluster::new().with_openid();
    let second = cluster.file("oidc-keys.json");
    let text = String::from_utf8(cluster.file("keys.json")).unwrap();
    let mut keys = KeySet::parse(&text.into()).unwrap();
    assert_eq!(keys.keys().len(), 2, "access and refresh, as it demands");
    for step in 0..2 {
        keys.rotate(Purpose::Access, None, true, (NOW + step).into(), &mut rand::rng()).unwrap();
    }
    let written = keys.to_json().unwrap();
    let data = cluster.0.data.as_mut().unwrap();
    data.insert("keys.json".to_owned(), ByteString(written.expose_secret().as_bytes().to_vec()));
    assert_eq!(cluster.access(), ["retired", "current"]);
    assert_eq!(cluster.file("oidc-keys.json"), second);
    // Back again, after so long that both should have rotated.
    let steps = cluster.reconcile(&plan(), NOW + 40 * DAY);
    assert_eq!(steps, [Reason::KeyPublished; 4], "none signs before it has been published");
    cluster.reconcile(&plan(), NOW + 40 * DAY + 900);
    assert_eq!(cluster.openid("RS256"), ["retired", "current"]);
}

/// A person may have copied a key from one file to the other.
#[test]
fn a_key_in_both_files_is_listed_once_and_revoked_in_both() {
    let mut cluster = Cluster::new().with_openid();
    let parsed = |name| serde_json::from_slice::<Value>(&cluster.file(name)).unwrap();
    let (mut keys, oidc) = (parsed("keys.json"), parsed("oidc-keys.json"));
    let copied = oidc["keys"].as_array().unwrap().iter().find(|key| key["alg"] == "ES256").unwrap();
    let own = keys["keys"].as_array_mut().unwrap().iter_mut().find(|key| key["purpose"] == "access").unwrap();
    own.clone_from(copied);
    let content = ByteString(keys.to_string().into_bytes());
    cluster.0.data.as_mut().unwrap().insert("keys.json".to_owned(), content);
    assert_eq!(cluster.stored().status().len(), 3);
    let plan = Plan { revoke: copied["kid"].as_str().map(str::to_owned), ..plan() };
    assert_eq!(cluster.reconcile(&plan, NOW), [Reason::KeyRevoked; 2]);
    let kids: BTreeSet<_> = cluster.stored().status().into_iter().map(|key| key.kid).collect();
    assert!(kids.len() == 4 && !kids.contains(copied["kid"].as_str().unwrap()), "{kids:?}");
}
