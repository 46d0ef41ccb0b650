//! What is said of Secrets that the spec names and that do not exist, by the condition that they belong to.

use serde_json::{Value, json};

use super::super::external;
use super::{Case, condition, is, serving};
use crate::scauth::exposure::Exposure;
use crate::scauth::names::Names;
use crate::scauth::references::{Reference, references};

/// A spec that names a Secret in each of its fields.
fn spec() -> Value {
    json!({
        "database": {"external": {"host": "db.test", "name": "auth", "credentialsFrom": {"name": "login"},
            "tls": {"mode": "verify-ca", "caFrom": {"name": "ca", "key": "ca.crt"}}}},
        "auth": {"legacyTokens": {"secretKeyFrom": {"name": "legacy", "key": "secret"}}},
        "expose": {"ingress": {"host": "auth.test", "className": "nginx", "tls": {}}},
        "podTemplate": {
            "imagePullSecrets": [{"name": "pull"}],
            "env": [
                {"name": "A", "valueFrom": {"secretKeyRef": {"name": "variable", "key": "a"}}},
                {"name": "B", "valueFrom": {"secretKeyRef": {"name": "spare", "key": "a", "optional": true}}},
            ],
            "volumes": [
                {"name": "a", "secret": {"secretName": "volume"}},
                {"name": "b", "secret": {"secretName": "spare", "optional": true}},
                {"name": "c", "projected": {"sources": [{"secret": {"name": "projected"}}]}},
            ],
        },
    })
}

fn all(case: &Case) -> Vec<Reference> {
    let (spec, names) = (&case.scauth.spec, Names::of(&case.scauth));
    references(spec, &names, &Exposure::of(spec, &names))
}

fn missing(spec: &Value, secrets: &[&str], ready: i32) -> Case {
    let mut case = Case::new(spec.clone(), json!([serving()]));
    let all = all(&case);
    case.observed.missing = all.into_iter().filter(|one| secrets.contains(&one.name.as_str())).collect();
    case.ready = ready;
    case
}

#[test]
fn each_secret_that_the_spec_names_is_looked_for() {
    let case = missing(&spec(), &[], 2);
    let all = all(&case);
    let mut names: Vec<_> = all.iter().map(|reference| reference.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["ca", "legacy", "login", "projected", "pull", "tenant-tls", "variable", "volume"]);
    let url = missing(&external(), &["db"], 2);
    assert_eq!(url.observed.missing[0].field, "spec.database.external.urlFrom");
}

#[test]
fn before_pods_serve_a_missing_secret_keeps_them_from_starting() {
    for (secret, kind) in [
        ("login", "DatabaseReady"),
        ("ca", "DatabaseReady"),
        ("legacy", "Ready"),
        ("variable", "Ready"),
        ("volume", "Ready"),
        ("projected", "Ready"),
    ] {
        let status = missing(&spec(), &[secret], 0).status();
        for kind in [kind, "Ready"] {
            let message = is(&status, kind, "False", "SecretNotFound");
            let expected = format!("Secret {secret} is missing in namespace tenant");
            assert!(message.starts_with(&expected) && message.contains("cannot start without it"), "{message}");
        }
        if kind == "Ready" {
            is(&status, "DatabaseReady", "Unknown", "Starting");
        }
    }
}

#[test]
fn pods_that_serve_are_not_said_to_be_unable_to_start() {
    let status = missing(&spec(), &["login", "ca"], 2).status();
    let message = is(&status, "DatabaseReady", "False", "SecretNotFound");
    assert!(message.starts_with("Secrets ca, login are missing") && !message.contains("cannot start"), "{message}");
    assert!(is(&status, "Ready", "True", "Serving").contains("see DatabaseReady"));
    for secret in ["legacy", "variable", "volume", "projected", "pull"] {
        let status = missing(&spec(), &[secret], 2).status();
        let message = is(&status, "Ready", "True", "Serving");
        let expected = format!("Secret {secret} is missing in namespace tenant");
        assert!(message.contains(&expected) && !message.contains("cannot start"), "{message}");
        is(&status, "DatabaseReady", "True", "Migrated");
    }
}

#[test]
fn a_problem_of_running_pods_comes_first() {
    let mut case = missing(&spec(), &["login"], 2);
    case.observed.reports = super::saying(json!([{"database": {"reachable": false, "identity": "one"}}]));
    let status = case.status();
    let message = is(&status, "DatabaseReady", "False", "DatabaseUnreachable");
    assert!(message.contains("Secret login is missing"), "{message}");
    // It is not added to itself while the pods have not been asked.
    let again = condition(&case.then(crate::scauth::health::PodReports::NotPolled), "DatabaseReady").2;
    assert_eq!(again, message);
}

#[test]
fn exposed_names_a_missing_certificate() {
    let status = missing(&spec(), &["tenant-tls"], 2).status();
    let (status, _, message) = condition(&status, "Exposed");
    assert_eq!(status, "Unknown", "there is no Ingress yet");
    assert!(message.contains("Secret tenant-tls is missing in namespace tenant"), "{message}");
}

#[test]
fn a_password_that_a_url_may_have_changed_is_said_to_be_encoded_there() {
    use crate::scauth::rollout::{Cause, Trouble};
    let parts = json!({"host": "db.test", "name": "auth", "credentialsFrom": {"name": "login"}});
    for (external, is_url) in [
        (json!({"urlFrom": {"name": "db", "key": "uri"}}), true),
        (json!({"urlFile": "/vault/uri"}), true),
        (parts, false),
    ] {
        let mut case = Case::new(json!({"database": {"external": external}}), json!([]));
        let message = "password authentication failed for user \"app\"".into();
        case.observed.troubles = vec![Trouble { cause: Cause::Migration, message }];
        let message = is(&case.status(), "DatabaseReady", "False", "MigrationFailed");
        assert_eq!(message.contains("percent-encoded"), is_url, "{message}");
    }
}

#[test]
fn an_image_that_cannot_be_pulled_names_the_secret_that_is_missing() {
    use crate::scauth::rollout::{Cause, Trouble};
    let mut case = missing(&spec(), &["pull"], 0);
    case.observed.troubles = vec![Trouble { cause: Cause::Image, message: "denied".into() }];
    let message = is(&case.status(), "Ready", "False", "ImagePullFailed");
    assert!(message.starts_with("denied; Secret pull is missing"), "{message}");
}
