//! What is said of the pods, and of what clients reach, while the spec is refused, or a part of it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::DynamicObject;
use serde_json::{Value, json};

use super::super::{external, live, owned_by, resolved, scauth};
use super::{applied, at, condition, pair, serving, status};
use crate::api::{ScAuth, ScAuthStatus};
use crate::scauth::apply::Applied;
use crate::scauth::child::Child;
use crate::scauth::exposure::{Exposure, Ingress};
use crate::scauth::health::{Health, PodReports};
use crate::scauth::names::Names;
use crate::scauth::observe::Observed;
use crate::scauth::report::Outcome;
use crate::shared::error::ApplyError;
use crate::shared::reasons::Reason;
use crate::shared::refusal::Refusal;

fn spec(class: &str) -> Value {
    let mut spec = external();
    spec["expose"] = json!({"ingress": {"host": "auth.test", "className": class}});
    spec
}

/// The Ingress of that class, whose address the first class's controller wrote.
fn ingress(class: &str) -> DynamicObject {
    let content = json!({
        "spec": {"ingressClassName": class, "rules": [{"host": "auth.test"}]},
        "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}},
    });
    live(Child::Ingress, owned_by("our-uid"), content)
}

fn with_ingress(outcome: Outcome, class: &str) -> Outcome {
    let Outcome::Applied { resolved, mut applied } = outcome else { return outcome };
    applied.children.insert(Child::Ingress, ingress(class));
    Outcome::Applied { resolved, applied }
}

/// A ScAuth that served clients through the first class.
fn served() -> ScAuth {
    let outcome = with_ingress(applied(spec("first"), serving(2)), "first");
    let status = status(&scauth(spec("first")), &Observed::default(), &outcome, at(0));
    assert_eq!(condition(&status, "Exposed"), pair("True", "Admitted"));
    ScAuth { status: Some(status), ..scauth(spec("nobody")) }
}

fn denied() -> ApplyError {
    let status = json!({"status": "Failure", "code": 403, "reason": "Forbidden",
        "message": "ValidatingAdmissionPolicy 'no-budgets' denied request: no budgets"});
    let source = kube::Error::Api(Box::new(serde_json::from_value(status).unwrap()));
    ApplyError::Refused { kind: "PodDisruptionBudget".into(), name: "tenant".into(), source }
}

/// A policy refuses the budget; the rest was applied, and the pods have that to say.
fn blocked(outcome: Outcome, answers: Value) -> ScAuthStatus {
    let Outcome::Applied { resolved, applied } = outcome else { panic!("it is applied") };
    let outcome = Outcome::Blocked { resolved, applied, error: denied() };
    status(&served(), &saying(answers), &outcome, at(9))
}

fn saying(answers: Value) -> Observed {
    let answers: Vec<_> = serde_json::from_value(answers).unwrap();
    let reports = PodReports::Received(Box::new(Health::of(&answers).unwrap()));
    let children = [(Child::Ingress, ingress("first"))].into();
    Observed { children, reports, ..Observed::default() }
}

fn well() -> Value {
    json!([{"database": {"reachable": true, "schema": 2, "identity": "one"}}])
}

#[test]
fn while_a_child_is_refused_the_other_conditions_follow_the_cluster() {
    let now = |class: &str, ready: i32, answers: Value| {
        blocked(with_ingress(applied(spec("nobody"), serving(ready)), class), answers)
    };
    let status = now("nobody", 2, well());
    for (kind, expected) in [
        ("Ready", pair("False", "PolicyDenied")),
        ("Reconciling", pair("True", "PolicyDenied")),
        ("Stalled", pair("False", "PolicyDenied")),
        ("DatabaseReady", pair("True", "Migrated")),
        ("KeysReady", pair("True", "KeysKnown")),
        // Nobody serves that class.
        ("Exposed", pair("Unknown", "NoAddress")),
    ] {
        assert_eq!(condition(&status, kind), expected, "{kind}");
    }
    let dead = json!([{"database": {"reachable": false, "identity": "one"}}]);
    let status = now("first", 1, dead);
    assert_eq!(condition(&status, "DatabaseReady"), pair("False", "DatabaseUnreachable"));
    assert_eq!(condition(&status, "Exposed"), pair("True", "Admitted"), "the Ingress itself is refused");
    assert_eq!((status.replicas, status.ready_replicas), (Some(1), Some(1)));
    assert_eq!(status.url.as_deref(), Some("http://auth.test"));
}

#[test]
fn of_a_deployment_that_is_refused_the_status_names_no_image() {
    let Outcome::Applied { resolved, .. } = applied(spec("first"), json!({})) else { panic!("it is applied") };
    let namespace = live(Child::Namespace, owned_by("our-uid"), json!({}));
    let now = Applied { children: [(Child::Namespace, namespace)].into(), ..Applied::default() };
    let outcome = Outcome::Blocked { resolved, applied: Box::new(now), error: denied() };
    let status = status(&scauth(spec("first")), &Observed::default(), &outcome, at(0));
    assert_eq!((status.image, status.template_revision), (None, None));
    assert_eq!(status.url.as_deref(), Some("http://auth.test"), "the namespace can no longer change");
    let exposed = status.conditions.iter().find(|condition| condition.type_ == "Exposed").unwrap();
    assert!(exposed.message.contains("Ready has the reason"), "{}", exposed.message);
}

#[test]
fn where_nothing_exists_only_the_refusal_is_said() {
    let Outcome::Applied { resolved, .. } = applied(external(), json!({})) else { panic!("it is applied") };
    let outcome = Outcome::Blocked { resolved, applied: Box::default(), error: denied() };
    let status = status(&scauth(external()), &Observed::default(), &outcome, at(0));
    assert_eq!((status.conditions.len(), status.url), (3, None));
}

#[test]
fn while_the_spec_is_refused_the_objects_that_exist_count() {
    let refusal = || Refusal { reason: Reason::ImageNotAllowed, message: "not that one".into(), is_final: true };
    let mut observed = saying(json!([{"database": {"reachable": false, "identity": "one"}}]));
    let Outcome::Applied { applied, .. } = with_ingress(applied(spec("first"), serving(1)), "first") else {
        panic!("it is applied")
    };
    observed.children = applied.children;
    let known = served();
    let resolved = || Some(Box::new(resolved(spec("nobody"), &Observed::default()).unwrap()));
    let now = status(&known, &observed, &Outcome::Refused { refusal: refusal(), resolved: resolved() }, at(9));
    assert_eq!(condition(&now, "Ready"), pair("False", "ImageNotAllowed"));
    assert_eq!(condition(&now, "Stalled"), pair("True", "ImageNotAllowed"));
    assert_eq!(condition(&now, "DatabaseReady"), pair("False", "DatabaseUnreachable"));
    assert_eq!(condition(&now, "Exposed"), pair("True", "Admitted"), "through the class that the Ingress has");
    let before = known.status.clone().unwrap();
    assert_eq!(now.ready_replicas, Some(1));
    assert_eq!((&now.url, &now.exposure, &now.image), (&before.url, &before.exposure, &before.image));
    // The certificate in the spec, which is not that of the Ingress.
    observed.bad_certificate = Some("it has expired".into());
    let Exposure::Ingress(wanted) = Exposure::of(&scauth(spec("nobody")).spec, &Names::of(&known)) else {
        panic!("it is an Ingress")
    };
    for (certificate, expected) in
        [(Some("new".to_owned()), pair("True", "Admitted")), (None, pair("False", "CertificateInvalid"))]
    {
        observed.ingress = Some(Ingress { certificate, ..wanted.clone() });
        let now = status(&known, &observed, &Outcome::Refused { refusal: refusal(), resolved: resolved() }, at(9));
        assert_eq!(condition(&now, "Exposed"), expected);
    }
    // All of it was deleted since.
    let none = Observed::default();
    let gone = status(&known, &none, &Outcome::Refused { refusal: refusal(), resolved: resolved() }, at(9));
    assert_eq!(condition(&gone, "DatabaseReady"), pair("Unknown", "Starting"));
    assert_eq!(condition(&gone, "Exposed"), pair("False", "NoAddress"));
    // One that never had anything.
    let new = scauth(spec("nobody"));
    let new = status(&new, &none, &Outcome::Refused { refusal: refusal(), resolved: resolved() }, at(9));
    assert_eq!((new.conditions.len(), new.url), (3, None));
}

#[test]
fn objects_of_others_are_no_part_of_the_status() {
    let theirs = ObjectMeta { name: Some("tenant".into()), ..ObjectMeta::default() };
    let mut observed = Observed::default();
    for (child, metadata) in [
        (Child::Namespace, ObjectMeta::default()),
        (Child::Deployment, theirs),
        (Child::Service, owned_by("an-earlier-uid")),
        (Child::Ingress, owned_by("our-uid")),
    ] {
        observed.children.insert(child, live(child, metadata, json!({})));
    }
    observed.keep_own(&super::super::owner("tenant", "our-uid"));
    assert_eq!(observed.children.into_keys().collect::<Vec<_>>(), [Child::Namespace, Child::Ingress]);
}
