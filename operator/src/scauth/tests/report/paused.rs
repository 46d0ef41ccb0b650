//! What is said while the operator changes nothing: of pods that do not run, and of what a deletion takes with it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use k8s_openapi::jiff::Timestamp;
use serde_json::json;

use super::super::{embedded, environment, external, live, observing, owned_by, resolved, scauth};
use super::{applied, at, serving, status};
use crate::api::ScAuth;
use crate::scauth::child::Child;
use crate::scauth::exposure::Exposure;
use crate::scauth::names::Names;
use crate::scauth::observe::Observed;
use crate::scauth::references::references;
use crate::scauth::release::UpgradeTurn;
use crate::scauth::report::{Outcome, Pause, fate, news};
use crate::scauth::rollout::{Cause, Trouble};
use crate::scauth::validate::validate;
use crate::shared::events::News;
use crate::shared::reasons::Reason;
use crate::shared::refusal::Refusal;

#[test]
fn while_suspended_what_pods_lack_and_why_they_do_not_run_is_said() {
    let mut spec = external();
    spec["suspend"] = json!(true);
    spec["auth"] = json!({"legacyTokens": {"secretKeyFrom": {"name": "legacy", "key": "secret"}}});
    let scauth = scauth(spec.clone());
    let ready = |replicas: i32, pending: &[&str]| {
        let Outcome::Applied { resolved, applied } = applied(spec.clone(), serving(replicas)) else {
            panic!("it is applied")
        };
        let mut children = applied.children;
        children.get_mut(&Child::Deployment).unwrap().data["spec"]["replicas"] = json!(2);
        let mut missing = references(&scauth.spec, &Names::of(&scauth), &Exposure::None);
        missing.retain(|reference| reference.name == "legacy");
        let troubles = vec![Trouble { cause: Cause::OutOfMemory, message: "pod a, server: no memory".into() }];
        let observed = Observed { children, missing, troubles, ..Observed::default() };
        let pending = pending.iter().map(|kind| (*kind).to_owned()).collect();
        let outcome = Outcome::Paused { resolved, why: Pause::Suspended { pending } };
        status(&scauth, &observed, &outcome, at(0)).conditions[0].message.clone()
    };
    let missing = "; Secret legacy is missing in namespace tenant, see spec.auth.legacyTokens.secretKeyFrom; ";
    for (replicas, pending, has_trouble) in [(2, &[][..], false), (0, &[][..], true), (0, &["Service"][..], true)] {
        let message = ready(replicas, pending);
        assert!(message.contains(missing), "{message}");
        assert_eq!(message.contains("; pod a, server: no memory"), has_trouble, "{message}");
    }
}

fn going() -> Time {
    Time(Timestamp::UNIX_EPOCH)
}

fn terminating(spec: serde_json::Value, finalizers: &[&str]) -> ScAuth {
    let mut scauth = scauth(spec);
    scauth.metadata.deletion_timestamp = Some(going());
    scauth.metadata.finalizers = Some(finalizers.iter().map(|name| (*name).to_owned()).collect());
    scauth
}

#[test]
fn nothing_is_refused_of_a_scauth_that_is_being_deleted() {
    let mut spec = embedded();
    spec["image"] = json!("elsewhere.test/server:1");
    spec["login"] = json!({"accentColor": {"light": "#ffffff"}});
    let terminating = terminating(spec, &["example.com/hold"]);
    let mut environment = environment();
    environment.allowed_images = vec!["registry.test/".into()];
    let check = |scauth: &ScAuth, observed: &Observed| validate(scauth, observed, &environment, &UpgradeTurn::Now);
    let child = ObjectMeta { deletion_timestamp: Some(going()), ..owned_by("our-uid") };
    for namespace in [owned_by("our-uid"), child.clone(), owned_by("an-earlier-uid"), ObjectMeta::default()] {
        for metadata in [child.clone(), owned_by("an-earlier-uid"), ObjectMeta::default()] {
            let mut observed = observing(Child::Namespace, namespace.clone());
            observed.children.insert(Child::Deployment, live(Child::Deployment, metadata, json!({})));
            check(&terminating, &observed).unwrap();
        }
    }
    let mut staying = terminating.clone();
    staying.metadata.deletion_timestamp = None;
    check(&staying, &observing(Child::Namespace, owned_by("our-uid"))).unwrap_err();
}

#[test]
fn its_fate_follows_from_what_exists() {
    let ours = || observing(Child::Namespace, owned_by("our-uid"));
    let theirs = || observing(Child::Namespace, ObjectMeta::default());
    for (finalizers, observed, expected) in [
        (
            &["foregroundDeletion"][..],
            ours(),
            "are deleted now; the generated Secrets and the volume and namespace tenant stay",
        ),
        (&["example.com/hold"][..], ours(), "are deleted once the finalizers are removed (example.com/hold); "),
        (&["orphan"][..], ours(), "its objects stay, without an owner"),
        (&["example.com/hold"][..], theirs(), "it has no objects"),
        (&["example.com/hold"][..], Observed::default(), "it has no objects"),
    ] {
        let resolved = resolved(embedded(), &observed).unwrap_or_else(|_| resolved(embedded(), &ours()).unwrap());
        let resolved = crate::scauth::validate::resolve(
            &terminating(embedded(), finalizers),
            resolved.owner,
            &observed,
            &environment(),
            &UpgradeTurn::Now,
        );
        let fate = fate(&terminating(embedded(), finalizers), &resolved, &observed);
        assert!(fate.contains(expected), "{fate}");
    }
}

#[test]
fn the_event_on_its_fate_comes_once_also_after_a_refusal() {
    let observed = observing(Child::Namespace, owned_by("our-uid"));
    let paused = |fate: &str| {
        let why = Pause::Terminating { fate: fate.to_owned() };
        Outcome::Paused { resolved: Box::new(resolved(embedded(), &observed).unwrap()), why }
    };
    let mut scauth = terminating(embedded(), &["example.com/hold"]);
    // As an earlier release of the operator wrote it.
    let message = "the ScAuth is being deleted, and so are its objects".to_owned();
    let refusal = Refusal { reason: Reason::Terminating, message, is_final: false };
    let mut look = |outcome: &Outcome| {
        let status = status(&scauth, &observed, outcome, at(0));
        let news = news(&scauth, &status, &observed, outcome);
        scauth.status = Some(status);
        news
    };
    look(&Outcome::Refused { refusal, resolved: None });
    assert_eq!(look(&paused("it goes")), [News::of(Reason::Terminating, "it goes".into())]);
    assert_eq!(look(&paused("it goes")), []);
}
