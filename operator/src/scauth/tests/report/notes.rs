//! Notes that come once, or as long as they hold; and how soon the operator looks again.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Value, json};

use super::super::{external, live, resolved, scauth};
use super::{applied, at, serving, status};
use crate::api::ScAuth;
use crate::scauth::apply::Applied;
use crate::scauth::child::Child;
use crate::scauth::children::build;
use crate::scauth::exposure::Exposure;
use crate::scauth::is_waiting;
use crate::scauth::names::Names;
use crate::scauth::observe::Observed;
use crate::scauth::references::references;
use crate::scauth::report::{Outcome, news};
use crate::scauth::storage::Storage;
use crate::scauth::volume::on_network;
use crate::shared::events::News;
use crate::shared::reasons::Reason;
use crate::shared::refusal::Refusal;

#[test]
fn a_volume_on_a_network_is_an_event_once_and_none_where_its_condition_is_not_written() {
    let storage = Storage { network: Some("nfs.csi.k8s.io".into()), ..Storage::default() };
    let observed = Observed { storage, ..Observed::default() };
    let events = |scauth: &ScAuth, outcome: &Outcome| {
        let status = status(scauth, &observed, outcome, at(0));
        let note = News::of(Reason::VolumeOnNetwork, on_network("nfs.csi.k8s.io"));
        (news(scauth, &status, &observed, outcome).into_iter().filter(|news| *news == note).count(), status)
    };
    let refusal = Refusal { reason: Reason::NameConflict, message: "it is theirs".into(), is_final: false };
    let mut one = scauth(external());
    assert_eq!(events(&one, &Outcome::Refused { refusal, resolved: None }).0, 0);
    let outcome = applied(external(), serving(2));
    let (count, status) = events(&one, &outcome);
    assert_eq!(count, 1);
    one.status = Some(status);
    assert_eq!(events(&one, &outcome).0, 0);
}

#[test]
fn labels_that_the_namespace_of_a_user_lacks_are_named() {
    let mut spec = external();
    spec["namespaceLabels"] = json!({"team": "billing"});
    spec["namespaceAnnotations"] = json!({"linkerd.io/inject": "enabled"});
    let message = |metadata: Value| {
        let metadata: ObjectMeta = serde_json::from_value(metadata).unwrap();
        let children = [(Child::Namespace, live(Child::Namespace, metadata, json!({})))].into();
        let observed = Observed { children, ..Observed::default() };
        let mut outcome = applied(spec.clone(), serving(2));
        if let Outcome::Applied { resolved: stored, .. } = &mut outcome {
            **stored = resolved(spec.clone(), &observed).unwrap();
        }
        status(&scauth(spec.clone()), &observed, &outcome, at(0)).conditions[0].message.clone()
    };
    let found = message(json!({"name": "tenant", "annotations": {"sc-auth.io/allow": "tenant"}}));
    let expected = "does not apply spec.namespaceLabels and spec.namespaceAnnotations to it";
    assert!(found.contains(expected), "{found}");
    let annotations = json!({"sc-auth.io/allow": "*", "linkerd.io/inject": "enabled"});
    let found = message(json!({"name": "tenant", "labels": {"team": "billing"}, "annotations": annotations}));
    assert!(found.ends_with("2 of 2 replicas serve"), "{found}");
}

#[test]
fn settings_that_an_earlier_release_does_not_know_are_named_and_not_sent() {
    let mut spec = external();
    spec["auth"] = json!({"maxSessions": 5, "nameMinLength": 1, "sessionTtl": "60d"});
    spec["login"] = json!({"title": "Example"});
    for (revision, is_known) in [(1, false), (2, false), (3, true)] {
        let mut outcome = applied(spec.clone(), serving(2));
        let Outcome::Applied { resolved, .. } = &mut outcome else { unreachable!() };
        resolved.release.revision = revision;
        let pods = build(resolved).unwrap()[&Child::Deployment].to_string();
        for setting in ["SC_AUTH_MAX_SESSIONS", "SC_AUTH_NAME_MIN_LENGTH", "SC_AUTH_LOGIN_TITLE"] {
            assert_eq!(pods.contains(setting), is_known, "{revision}: {setting}");
        }
        assert!(pods.contains("SC_AUTH_SESSION_TTL"));
        let message =
            status(&scauth(spec.clone()), &Observed::default(), &outcome, at(0)).conditions[0].message.clone();
        let note = "without spec.auth.maxSessions and spec.auth.nameMinLength: upgrade them with the annotation sc-auth.io/upgrade-to";
        assert_eq!(message.contains(note), !is_known, "{message}");
    }
}

#[test]
fn it_looks_again_soon_only_for_what_may_change_unwatched() {
    let refused = |message: &str| json!({"observedGeneration": 5, "conditions": [{"type": "ReplicaFailure", "status": "True", "message": message}]});
    let missing = references(&scauth(external()).spec, &Names::of(&scauth(external())), &Exposure::None);
    let without_secret = Observed { missing, ..Observed::default() };
    for (deployment, observed, expected) in [
        (serving(2), Observed::default(), false),
        (serving(2), without_secret.clone(), false),
        (serving(1), without_secret, true),
        (refused("exceeded quota: few"), Observed::default(), true),
        (refused("violates PodSecurity \"restricted\""), Observed::default(), false),
    ] {
        let Outcome::Applied { applied, .. } = applied(external(), deployment.clone()) else { unreachable!() };
        assert_eq!(is_waiting(&applied, &observed), expected, "{deployment}");
    }
    let not_grown = Some((Reason::QuotaExceeded, String::new()));
    assert!(is_waiting(&Applied { not_grown, ..Applied::default() }, &Observed::default()));
}
