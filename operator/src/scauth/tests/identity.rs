//! Which database is expected, and when another one is accepted.

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use sc_auth_contract::deployment::ScAuthRecord;
use sc_auth_contract::status::Status;
use serde_json::{Value, json};

use super::{external, live, owned_by, owner, resolved, scauth};
use crate::api::ScAuth;
use crate::scauth::child::Child;
use crate::scauth::children::build;
use crate::scauth::health::{Health, PodReports};
use crate::scauth::identity::{Expectation, record};
use crate::scauth::names::{ANNOTATION_ACCEPT_DATABASE, ANNOTATION_ACCEPTED, ANNOTATION_DATABASE};
use crate::scauth::observe::Observed;

/// The Secret as it is with that file, and with that acceptance noted.
fn secret(database: Option<&str>, accepted: Option<&str>) -> Secret {
    let file = json!({"name": "tenant", "uid": "our-uid", "created": 0, "instance": "i", "database": database});
    let mut metadata = owned_by("our-uid");
    let accepted = accepted.map(|id| (ANNOTATION_ACCEPTED.to_owned(), id.to_owned()));
    metadata.annotations = Some(accepted.into_iter().collect());
    metadata.resource_version = Some("7".into());
    let data = [("scauth.json".to_owned(), ByteString(file.to_string().into_bytes()))].into();
    Secret { metadata, data: Some(data), ..Secret::default() }
}

fn saying(answers: Value) -> PodReports {
    let answers: Vec<Status> = serde_json::from_value(answers).unwrap();
    PodReports::Received(Box::new(Health::of(&answers).unwrap()))
}

fn serving(identity: &str) -> Value {
    json!({"database": {"reachable": true, "schema": 2, "identity": identity}})
}

fn offered(identity: &str, other: &str) -> Value {
    json!({"database": {"reachable": true, "identity": identity, "offered": {"identity": other}}})
}

fn held(expected: &str, found: &str) -> Value {
    json!({"hold": {"reason": "EmptyDatabase", "expected": expected, "found": found}})
}

fn observed(secret: Option<Secret>, answers: Value) -> Observed {
    Observed { secret, reports: saying(answers), ..Observed::default() }
}

fn annotated(value: &str) -> ScAuth {
    let mut scauth = scauth(external());
    scauth.metadata.annotations = Some([(ANNOTATION_ACCEPT_DATABASE.to_owned(), value.to_owned())].into());
    scauth
}

fn with_status(mut scauth: ScAuth, database: Value) -> ScAuth {
    scauth.status = Some(serde_json::from_value(json!({"database": database})).unwrap());
    scauth
}

fn database(scauth: &ScAuth, observed: &Observed) -> Option<String> {
    Expectation::of(scauth, observed).database
}

#[test]
fn it_is_learned_once_from_pods_that_agree() {
    let plain = scauth(external());
    let learn = |secret, answers| database(&plain, &observed(secret, answers));
    assert_eq!(learn(Some(secret(None, None)), json!([serving("one"), serving("one")])).as_deref(), Some("one"));
    assert_eq!(learn(None, json!([serving("one")])).as_deref(), Some("one"));
    let disagree = json!([serving("one"), serving("two")]);
    assert_eq!(learn(Some(secret(None, None)), disagree.clone()), None);
    let mut accepting = plain.clone();
    accepting.metadata.annotations = Some([(ANNOTATION_ACCEPT_DATABASE.to_owned(), "two".to_owned())].into());
    let accepted = database(&accepting, &observed(Some(secret(None, None)), disagree));
    assert_eq!(accepted.as_deref(), Some("two"), "a person decides between them");
    assert_eq!(learn(Some(secret(Some("one"), None)), json!([serving("two")])).as_deref(), Some("one"));
    // Of release 0.2, which knows of no identity.
    assert_eq!(learn(Some(secret(None, None)), json!([{"database": {"reachable": true}}])), None);
}

#[test]
fn the_secret_has_the_last_word_and_where_it_was_lost_the_status_knows() {
    let known = with_status(scauth(external()), json!({"identity": "of the status"}));
    assert_eq!(database(&known, &Observed::default()).as_deref(), Some("of the status"));
    let lost = observed(None, json!([serving("another")]));
    assert_eq!(database(&known, &lost).as_deref(), Some("of the status"));
    let kept = observed(Some(secret(Some("of the Secret"), None)), json!([serving("another")]));
    assert_eq!(database(&known, &kept).as_deref(), Some("of the Secret"));
    assert_eq!(database(&scauth(external()), &kept).as_deref(), Some("of the Secret"), "as after a restore from Git");
}

#[test]
fn another_database_is_accepted_only_by_its_identity() {
    for answers in [json!([offered("one", "two")]), json!([held("one", "two")]), json!([serving("two")])] {
        let observed = observed(Some(secret(Some("one"), None)), answers.clone());
        let expectation = Expectation::of(&annotated("two"), &observed);
        assert_eq!(expectation.database.as_deref(), Some("two"), "{answers}");
        assert_eq!((expectation.template.as_deref(), expectation.unmet), (Some("two"), None), "{answers}");
        let stale = Expectation::of(&annotated("three"), &observed);
        assert_eq!((stale.database.as_deref(), stale.template.as_deref()), (Some("one"), None), "{answers}");
        assert_eq!(stale.unmet.as_deref(), Some("three"), "{answers}");
    }
    // Nobody has found it.
    let well = observed(Some(secret(Some("one"), None)), json!([serving("one")]));
    assert_eq!(database(&annotated("two"), &well).as_deref(), Some("one"));
    let silent = Observed { reports: PodReports::default(), ..well };
    assert_eq!(database(&annotated("two"), &silent).as_deref(), Some("one"));
}

#[test]
fn an_empty_database_that_was_accepted_becomes_known_by_the_identity_that_it_gets() {
    let migrated = json!({"database": {"reachable": true, "identity": "new", "accepted_as": "empty-1"}});
    let observed = observed(Some(secret(Some("empty-1"), Some("empty-1"))), json!([serving("one"), migrated]));
    let expectation = Expectation::of(&annotated("empty-1"), &observed);
    assert_eq!(expectation.database.as_deref(), Some("new"));
    assert_eq!(expectation.template.as_deref(), Some("empty-1"), "the pods are not replaced a second time");
    assert_eq!(expectation.unmet, None);
}

#[test]
fn an_annotation_that_was_left_does_not_accept_the_next_empty_database() {
    // Its name is the same each time.
    let lost_again = || observed(Some(secret(Some("new"), Some("empty-1"))), json!([held("new", "empty-1")]));
    let left = Expectation::of(&annotated("empty-1"), &lost_again());
    assert_eq!((left.database.as_deref(), left.unmet.as_deref()), (Some("new"), Some("empty-1")));
    // Nor where the Secret was lost with its namespace.
    let known = json!({"identity": "new", "accepted": "empty-1"});
    let lost = Observed { secret: None, ..lost_again() };
    assert_eq!(database(&with_status(annotated("empty-1"), known), &lost).as_deref(), Some("new"));
    // Taken off, it is forgotten, and may be given again.
    let off = Expectation::of(&scauth(external()), &lost_again());
    assert_eq!(off.accepted, None);
    let again = observed(Some(secret(Some("new"), None)), json!([held("new", "empty-1")]));
    assert_eq!(database(&annotated("empty-1"), &again).as_deref(), Some("empty-1"));
}

/// The pod template as a `scauth` gets it.
fn template(scauth: &ScAuth, observed: &Observed) -> Value {
    let environment = super::environment();
    let resolved =
        crate::scauth::validate::validate(scauth, observed, &environment, &crate::scauth::release::UpgradeTurn::Now)
            .unwrap();
    build(&resolved).unwrap()[&Child::Deployment]["spec"]["template"]["metadata"]["annotations"].clone()
}

#[test]
fn the_pod_template_names_a_database_only_after_an_acceptance_and_from_then_on() {
    let plain = scauth(external());
    assert_eq!(template(&plain, &observed(None, json!([serving("one")]))), Value::Null);
    let two = json!({ANNOTATION_DATABASE: "two"});
    let offering = observed(Some(secret(Some("one"), None)), json!([offered("one", "two")]));
    assert_eq!(template(&annotated("two"), &offering), two);
    // The annotation is taken off, or nobody reads the Secret.
    let mut later = Observed::default();
    let content = json!({"spec": {"template": {"metadata": {"annotations": two}}}});
    later.children.insert(Child::Deployment, live(Child::Deployment, owned_by("our-uid"), content));
    assert_eq!(template(&plain, &later), two);
}

#[test]
fn the_file_says_whose_it_is_and_keeps_its_instance() {
    let live = secret(Some("one"), None);
    let expectation = Expectation::of(&scauth(external()), &observed(Some(live.clone()), json!([serving("one")])));
    let make = |name: &str, uid: &str| expectation.file(name, uid, || unreachable!("it has one"));
    assert_eq!(expectation.patch(&live, &make("tenant", "our-uid")).unwrap(), None, "nothing to write");
    // Taken up by a ScAuth of the same name.
    let patch = expectation.patch(&live, &make("tenant", "a-new-uid")).unwrap().unwrap();
    assert_eq!(patch["metadata"]["resourceVersion"], "7");
    let names: Vec<_> = patch["data"].as_object().unwrap().keys().collect();
    assert_eq!(names, ["scauth.json"], "the keys are not touched");
}

#[test]
fn a_secret_of_release_0_2_gets_the_file_and_one_that_cannot_be_read_a_new_one() {
    for data in [None, Some([("scauth.json".to_owned(), ByteString(b"not json".to_vec()))].into())] {
        let live = Secret { data, ..Secret::default() };
        let known = with_status(scauth(external()), json!({"identity": "one"}));
        let expectation = Expectation::of(&known, &observed(Some(live.clone()), json!([serving("one")])));
        let file = expectation.file("tenant", "our-uid", || "new".into());
        assert_eq!((file.instance.as_str(), file.database.as_deref()), ("new", Some("one")));
        assert!(expectation.patch(&live, &file).unwrap().is_some());
    }
}

#[test]
fn new_secrets_have_what_the_server_looks_for() {
    let known = with_status(scauth(external()), json!({"identity": "one", "accepted": "empty-1"}));
    let (environment, turn) = (super::environment(), crate::scauth::release::UpgradeTurn::Now);
    let mut known = known;
    known.metadata.annotations = Some([(ANNOTATION_ACCEPT_DATABASE.to_owned(), "empty-1".to_owned())].into());
    let lost = crate::scauth::validate::validate(&known, &Observed::default(), &environment, &turn).unwrap();
    let made = crate::scauth::children::keys_secret(&lost, 0.into(), &mut rand::rng()).unwrap();
    let content = made.string_data.unwrap();
    let file = ScAuthRecord::parse(&content["scauth.json"]).unwrap();
    assert_eq!((file.name.as_str(), file.uid.as_str(), file.database.as_deref()), ("tenant", "our-uid", Some("one")));
    assert_eq!(made.metadata.annotations.unwrap()[ANNOTATION_ACCEPTED], "empty-1");
    assert!(content.contains_key("keys.json") && file.instance.len() >= 16);

    let admin = crate::scauth::children::admin_secret(&lost, &mut rand::rng()).string_data.unwrap();
    assert!(admin["id"].len() >= 16 && admin["id"] != admin["password"]);
    assert_eq!(resolved(external(), &Observed::default()).unwrap().owner.uid, owner("tenant", "our-uid").uid);
    assert_eq!(record(&Secret::default()), None);
}
