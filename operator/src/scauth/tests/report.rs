//! What a user is told.

mod keys;
mod notes;
mod paused;
mod pods;
mod refused;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use super::{embedded, external, resolved, scauth};
use crate::api::{ScAuth, ScAuthStatus};
use crate::scauth::apply::Applied;
use crate::scauth::child::Child;
use crate::scauth::children::build;
use crate::scauth::exposure::Exposure;
use crate::scauth::hosts::{Hosts, Other};
use crate::scauth::names::Names;
use crate::scauth::observe::Observed;
use crate::scauth::references::references;
use crate::scauth::release::UpgradeTurn;
use crate::scauth::report::{self, Outcome};
use crate::scauth::rollout::{self, Pod};
use crate::shared::reasons::Reason;
use crate::shared::refusal::Refusal;

fn status(scauth: &ScAuth, observed: &Observed, outcome: &Outcome, now: Timestamp) -> ScAuthStatus {
    report::status(scauth, observed, outcome, &UpgradeTurn::Now, now)
}

/// The message of Ready while all pods of the release that it has serve, and another release is there.
pub fn ready_message(scauth: &ScAuth, turn: &UpgradeTurn) -> String {
    let mut outcome = applied(external(), serving(2));
    if let Outcome::Applied { resolved, .. } = &mut outcome {
        resolved.release.available = Some("9.0.0".into());
    }
    report::status(scauth, &Observed::default(), &outcome, turn, at(0)).conditions[0].message.clone()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// What was applied, where the Deployment's status is this one.
fn applied(spec: Value, live: Value) -> Outcome {
    let resolved = resolved(spec, &Observed::default()).unwrap();
    let mut deployment = build(&resolved).unwrap()[&Child::Deployment].clone();
    deployment["metadata"]["generation"] = json!(5);
    deployment["status"] = live;
    let children = [(Child::Deployment, serde_json::from_value(deployment).unwrap())].into();
    Outcome::Applied { resolved: Box::new(resolved), applied: Box::new(Applied { children, ..Applied::default() }) }
}

fn serving(replicas: i32) -> Value {
    json!({"observedGeneration": 5, "replicas": replicas, "updatedReplicas": replicas, "readyReplicas": replicas, "availableReplicas": replicas})
}

fn condition(status: &ScAuthStatus, kind: &str) -> (String, String) {
    let condition = status.conditions.iter().find(|condition| condition.type_ == kind).unwrap();
    (condition.status.clone(), condition.reason.clone())
}

fn pair(status: &str, reason: &str) -> (String, String) {
    (status.to_owned(), reason.to_owned())
}

fn pod(container: Value) -> Pod {
    serde_json::from_value(
        json!({"metadata": {"name": "tenant-1"}, "spec": {}, "status": {"initContainerStatuses": [container]}}),
    )
    .unwrap()
}

#[test]
fn when_all_replicas_of_the_current_spec_serve_it_is_ready() {
    let status = status(&scauth(external()), &Observed::default(), &applied(external(), serving(2)), at(0));
    assert_eq!(condition(&status, "Ready"), pair("True", "Serving"));
    assert_eq!(condition(&status, "Reconciling").0, "False");
    assert_eq!(condition(&status, "Stalled").0, "False");
    assert_eq!(condition(&status, "DatabaseReady").0, "True");
    assert_eq!(condition(&status, "Exposed"), pair("False", "NotWanted"));
    assert_eq!((status.observed_generation, status.replicas, status.ready_replicas), (Some(3), Some(2), Some(2)));
}

#[test]
fn while_pods_are_replaced_it_is_not_ready() {
    for live in [
        json!({}),
        // The Deployment's controller has not looked yet.
        json!({"observedGeneration": 4, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}),
        json!({"observedGeneration": 5, "replicas": 3, "updatedReplicas": 2, "availableReplicas": 3}),
        json!({"observedGeneration": 5, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 1}),
    ] {
        let status = status(&scauth(external()), &Observed::default(), &applied(external(), live.clone()), at(0));
        assert_eq!(condition(&status, "Ready"), pair("False", "RollingOut"), "{live}");
        assert_eq!(condition(&status, "Reconciling").0, "True", "{live}");
    }
}

#[test]
fn a_missing_secret_is_named() {
    let missing = references(&scauth(external()).spec, &Names::of(&scauth(external())), &Exposure::None);
    let observed = Observed { missing, ..Observed::default() };
    let status = status(&scauth(external()), &observed, &applied(external(), json!({})), at(0));
    assert_eq!(condition(&status, "DatabaseReady"), pair("False", "SecretNotFound"));
    assert_eq!(condition(&status, "Ready"), pair("False", "SecretNotFound"));
    assert!(status.conditions[0].message.contains("Secret db is missing in namespace tenant"));
}

#[test]
fn the_last_words_of_a_failed_pod_are_passed_on() {
    let log = "{\"level\":\"INFO\",\"message\":\"one\"}\n{\"level\":\"ERROR\",\"message\":\"connecting: refused\"}\n";
    for (state, words) in [
        (json!({"terminated": {"exitCode": 1, "message": log}}), "connecting: refused"),
        (json!({"terminated": {"exitCode": 2, "message": "plain text"}}), "plain text"),
        (json!({"terminated": {"exitCode": 1}}), "the container ended with exit code 1 and no output"),
    ] {
        // Crashed and waiting to be started again.
        let container = json!({"name": "migrate", "image": "", "imageID": "", "ready": false, "restartCount": 1,
            "state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": state});
        let troubles = vec![rollout::trouble(&pod(container)).unwrap()];
        let observed = Observed { troubles, ..Observed::default() };
        let status = status(&scauth(external()), &observed, &applied(external(), json!({})), at(0));
        assert_eq!(condition(&status, "DatabaseReady"), pair("False", "MigrationFailed"));
        let message = &status.conditions.iter().find(|condition| condition.type_ == "DatabaseReady").unwrap().message;
        assert_eq!(*message, format!("pod tenant-1, migrate: {words}"));
    }
}

#[test]
fn a_kill_for_lack_of_memory_is_no_trouble_of_the_database() {
    for name in ["migrate", "server"] {
        let container = json!({"name": name, "image": "", "imageID": "", "ready": false, "restartCount": 1,
            "state": {"waiting": {"reason": "CrashLoopBackOff"}},
            "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled", "message": "listening"}}});
        let observed = Observed { troubles: vec![rollout::trouble(&pod(container)).unwrap()], ..Observed::default() };
        let status = status(&scauth(external()), &observed, &applied(external(), json!({})), at(0));
        assert_eq!(condition(&status, "Ready"), pair("False", "OutOfMemory"), "{name}");
        assert_eq!(condition(&status, "DatabaseReady"), pair("Unknown", "Starting"), "{name}");
    }
}

#[test]
fn only_what_the_spec_must_mend_is_stalled() {
    for (is_final, reconciling, stalled) in [(true, "False", "True"), (false, "True", "False")] {
        let refusal = Refusal { reason: Reason::NameConflict, message: "it is theirs".into(), is_final };
        let status =
            status(&scauth(embedded()), &Observed::default(), &Outcome::Refused { refusal, resolved: None }, at(0));
        assert_eq!(condition(&status, "Ready"), pair("False", "NameConflict"));
        assert_eq!(
            (condition(&status, "Reconciling").0.as_str(), condition(&status, "Stalled").0.as_str()),
            (reconciling, stalled)
        );
    }
}

#[test]
fn a_refusal_leaves_standing_what_was_known_before() {
    let before = status(&scauth(external()), &Observed::default(), &applied(external(), serving(2)), at(0));
    let known = ScAuth { status: Some(before.clone()), ..scauth(external()) };
    let refusal = Refusal { reason: Reason::NamespaceTerminating, message: String::new(), is_final: false };
    let after = status(&known, &Observed::default(), &Outcome::Refused { refusal, resolved: None }, at(9));
    assert_eq!(condition(&after, "DatabaseReady"), condition(&before, "DatabaseReady"));
    assert_eq!(after.url, before.url);
}

#[test]
fn the_time_of_a_change_stays_where_nothing_changed() {
    let first = status(&scauth(external()), &Observed::default(), &applied(external(), serving(2)), at(0));
    let known = ScAuth { status: Some(first.clone()), ..scauth(external()) };
    let again = status(&known, &Observed::default(), &applied(external(), serving(2)), at(60));
    assert_eq!(again, first, "nothing to write");
    let later = status(&known, &Observed::default(), &applied(external(), json!({})), at(60));
    let changed = later.conditions.iter().find(|condition| condition.type_ == "Ready").unwrap();
    assert_eq!(changed.last_transition_time.0, at(60));
}

/// Observes an autoscaler as `kubectl autoscale deployment tenant` makes it.
fn autoscaled(spec: &Value) -> Observed {
    let target = json!({"spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "tenant"}}});
    let metadata = ObjectMeta { name: Some("theirs".into()), ..ObjectMeta::default() };
    let theirs = super::live(Child::Autoscaler, metadata, target);
    let mut observed = Observed::default();
    observed.take(Child::Autoscaler, theirs, &scauth(spec.clone()).spec, &super::owner("tenant", "our-uid"));
    observed
}

#[test]
fn an_autoscaler_of_somebody_else_gets_the_number_of_replicas_and_is_named() {
    let observed = autoscaled(&external());
    let resolved = resolved(external(), &observed).unwrap();
    assert_eq!(build(&resolved).unwrap()[&Child::Deployment]["spec"]["replicas"], Value::Null);
    let mut outcome = applied(external(), serving(2));
    if let Outcome::Applied { resolved: stored, .. } = &mut outcome {
        stored.scale = resolved.scale;
    }
    let status = status(&scauth(external()), &observed, &outcome, at(0));
    assert_eq!(condition(&status, "Ready"), pair("True", "Serving"));
    let message = &status.conditions[0].message;
    assert!(message.contains("HorizontalPodAutoscaler theirs sets the number of replicas"), "{message}");
}

#[test]
fn the_budget_beside_an_autoscaler_of_somebody_else_does_not_follow_the_replicas_of_the_spec() {
    let budget = |spec: &Value, observed: &Observed| build(&resolved(spec.clone(), observed).unwrap()).unwrap();
    let mut spec = external();
    spec["replicas"] = json!(1);
    let mut observed = autoscaled(&spec);
    assert_eq!(budget(&spec, &observed)[&Child::DisruptionBudget]["spec"]["maxUnavailable"], 1);
    assert!(!budget(&spec, &Observed::default()).contains_key(&Child::DisruptionBudget));
    assert!(!budget(&embedded(), &autoscaled(&embedded())).contains_key(&Child::DisruptionBudget), "it has one pod");
    observed.has_foreign_budget = true;
    assert!(!budget(&spec, &observed).contains_key(&Child::DisruptionBudget), "of two, Kubernetes evicts no pod");
}

#[test]
fn without_pods_it_is_not_ready() {
    let none = status(&scauth(external()), &Observed::default(), &applied(external(), serving(0)), at(0));
    assert_eq!(condition(&none, "Ready"), pair("False", "RollingOut"));
}

#[test]
fn an_embedded_database_keeps_one_pod_whatever_an_autoscaler_wants() {
    let observed = autoscaled(&embedded());
    let resolved = resolved(embedded(), &observed).unwrap();
    assert_eq!(build(&resolved).unwrap()[&Child::Deployment]["spec"]["replicas"], 1);
    let status = status(&scauth(embedded()), &observed, &applied(embedded(), serving(1)), at(0));
    let message = &status.conditions[0].message;
    assert!(message.contains("the operator sets it back to 1, since an embedded database has one writer"), "{message}");
}

#[test]
fn one_whose_host_another_has_is_not_ready_and_says_who() {
    let mut spec = external();
    spec["expose"] = json!({"ingress": {"host": "auth.test", "className": "traefik"}});
    let other =
        || Other { host: "auth.test".into(), scauth: "first".into(), entry_point: "IngressClass traefik".into() };
    let hosts = Hosts { taken: vec![other()], shared: Vec::new() };
    let observed = Observed { hosts, ..Observed::default() };
    let mut outcome = applied(spec.clone(), serving(2));
    if let Outcome::Applied { resolved, .. } = &mut outcome {
        resolved.taken = vec![other()];
    }
    let status = status(&scauth(spec), &observed, &outcome, at(0));
    assert_eq!(condition(&status, "Exposed"), pair("False", "HostTaken"));
    assert_eq!(condition(&status, "Ready"), pair("False", "HostTaken"));
    assert_eq!((condition(&status, "Reconciling").0, condition(&status, "Stalled").0), ("True".into(), "False".into()));
    let message = &status.conditions[0].message;
    assert!(
        message.starts_with("auth.test leads to ScAuth first, which had it first, through IngressClass traefik"),
        "{message}"
    );
    assert_eq!((status.exposure, status.url.unwrap().as_str()), (None, "http://tenant-svc.tenant.svc:8000"));
}

#[test]
fn of_several_hosts_each_is_told_where_it_leads() {
    let mut spec = external();
    let hosts = ["a.test", "b.test", "c.test", "d.test"];
    spec["expose"] = json!({"httpRoute": {"parentRefs": [{"name": "edge"}], "hostnames": hosts}});
    let other = |host: &str, scauth: &str| Other {
        host: host.into(),
        scauth: scauth.into(),
        entry_point: "Gateway edge/edge".into(),
    };
    let taken = [other("a.test", "first"), other("c.test", "second"), other("d.test", "first")];
    let mut outcome = applied(spec.clone(), serving(2));
    if let Outcome::Applied { resolved, .. } = &mut outcome {
        resolved.taken = taken.to_vec();
    }
    let status = status(&scauth(spec), &Observed::default(), &outcome, at(0));
    assert_eq!(condition(&status, "Ready"), pair("False", "HostTaken"));
    assert_eq!(
        status.conditions[0].message,
        "a.test, d.test lead to ScAuth first, which had them first, through Gateway edge/edge; c.test leads to ScAuth \
         second, which had it first, through Gateway edge/edge; b.test leads to this ScAuth; its pods run and can be \
         reached at https://b.test: choose another host, or remove it from the other ScAuth"
    );
}

#[test]
fn an_ingress_without_an_address_names_the_class_of_its_field_or_annotation() {
    let by_annotation = json!({"host": "a.test", "annotations": {"kubernetes.io/ingress.class": "traefik"}});
    let by_field = json!({"host": "a.test", "className": "nginx"});
    for (ingress, class) in
        [(json!({"host": "a.test"}), "the default class"), (by_annotation, "traefik"), (by_field, "nginx")]
    {
        let mut spec = external();
        spec["expose"] = json!({"ingress": ingress});
        let status = status(&scauth(spec.clone()), &Observed::default(), &applied(spec, serving(2)), at(0));
        let exposed = status.conditions.iter().find(|condition| condition.type_ == "Exposed").unwrap();
        assert!(exposed.message.ends_with(&format!("does the cluster have one for {class}?")), "{}", exposed.message);
    }
}

#[test]
fn no_condition_has_an_empty_message() {
    let refusal = || Refusal { reason: Reason::NamespaceTerminating, message: String::new(), is_final: false };
    let word = |kind: &str, status: &str| json!({"observedGeneration": 5, "conditions": [{"type": kind, "status": status, "message": ""}]});
    for (spec, outcome) in [
        (external(), applied(external(), serving(2))),
        (embedded(), applied(embedded(), json!({}))),
        (external(), applied(external(), word("ReplicaFailure", "True"))),
        (external(), applied(external(), word("Progressing", "False"))),
        (external(), Outcome::Refused { refusal: refusal(), resolved: None }),
    ] {
        let status = status(&scauth(spec), &Observed::default(), &outcome, at(0));
        for condition in status.conditions {
            assert!(!condition.message.trim().is_empty(), "{}: {}", condition.type_, condition.reason);
        }
    }
}

#[test]
fn what_a_pod_reports_without_words_has_some() {
    let unscheduled = json!({"metadata": {"name": "a"}, "spec": {}, "status": {
        "conditions": [{"type": "PodScheduled", "status": "False", "message": ""}]}});
    let waiting = |reason: &str| {
        pod(json!({"name": "migrate", "image": "a", "imageID": "", "ready": false, "restartCount": 0,
            "state": {"waiting": {"reason": reason, "message": " "}}}))
    };
    for (pod, expected) in [
        (serde_json::from_value(unscheduled).unwrap(), "pod a, no node fits it"),
        (waiting("ErrImagePull"), "pod tenant-1, image a: ErrImagePull"),
        (waiting("CreateContainerError"), "pod tenant-1, migrate: CreateContainerError"),
    ] {
        assert_eq!(rollout::trouble(&pod).unwrap().message, expected);
    }
}

#[test]
fn a_paused_deployment_is_named_with_what_to_do() {
    for (live, expected) in [
        (json!({"observedGeneration": 5, "replicas": 2, "availableReplicas": 2}), pair("False", "RolloutPaused")),
        (serving(2), pair("True", "Serving")),
    ] {
        let mut outcome = applied(external(), live);
        if let Outcome::Applied { applied, .. } = &mut outcome {
            applied.children.get_mut(&Child::Deployment).unwrap().data["spec"]["paused"] = json!(true);
        }
        let status = status(&scauth(external()), &Observed::default(), &outcome, at(0));
        assert_eq!(condition(&status, "Ready"), expected);
        let message = &status.conditions[0].message;
        assert!(message.contains("kubectl -n tenant rollout resume deployment/tenant"), "{message}");
    }
}
