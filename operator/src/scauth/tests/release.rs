//! Which image and which template the pods have, and when that changes.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::DynamicObject;
use serde_json::{Value, json};

use super::{environment, external, live, scauth};
use crate::api::ScAuth;
use crate::scauth::child::Child;
use crate::scauth::names::ANNOTATION_UPGRADE_TO;
use crate::scauth::release::{LATEST, PodIds, Release, UpgradeTurn, choose, turn, unknown_upgrade};

const OLD: &str = "registry.test/server:1";
const NEW: &str = "registry.test/server:9";

/// The Deployment that an earlier operator has made.
fn earlier(annotations: Value) -> DynamicObject {
    let metadata: ObjectMeta = serde_json::from_value(json!({"annotations": annotations})).unwrap();
    let content = json!({"spec": {"template": {"spec": {"containers": [{"image": OLD}]}}}});
    live(Child::Deployment, metadata, content)
}

fn by_a_pinning_operator() -> DynamicObject {
    earlier(json!({"sc-auth.io/template-revision": "1", "sc-auth.io/image": OLD}))
}

fn chosen(scauth: &ScAuth, deployment: Option<&DynamicObject>) -> Release {
    choose(scauth, deployment, &environment().defaults, &UpgradeTurn::Now)
}

fn stays() -> Release {
    Release { revision: 1, image: OLD.into(), ids: PodIds::Fixed, available: Some("9.0.0".into()) }
}

fn moves(image: &str) -> Release {
    Release { revision: LATEST, image: image.into(), ids: PodIds::Fixed, available: None }
}

fn with_image(image: &str) -> ScAuth {
    let mut spec = external();
    spec["image"] = json!(image);
    scauth(spec)
}

#[test]
fn a_new_one_has_the_latest() {
    assert_eq!(chosen(&scauth(external()), None), moves(NEW));
    assert_eq!(chosen(&with_image("registry.test/own:3"), None), moves("registry.test/own:3"));
}

#[test]
fn an_upgrade_of_the_operator_changes_nothing_and_says_that_it_could() {
    assert_eq!(chosen(&scauth(external()), Some(&by_a_pinning_operator())), stays());
    // Release 0.1.0 wrote no annotations.
    assert_eq!(chosen(&scauth(external()), Some(&earlier(json!({})))), stays());
    // With an image in the spec it is the template that could be newer.
    assert_eq!(chosen(&with_image(OLD), Some(&earlier(json!({})))), stays());
    let pinned = earlier(json!({
        "sc-auth.io/template-revision": "1", "sc-auth.io/image": OLD, "sc-auth.io/spec-image": OLD,
    }));
    assert_eq!(chosen(&with_image(OLD), Some(&pinned)), stays());
}

#[test]
fn a_change_of_the_image_in_the_spec_moves_both() {
    assert_eq!(
        chosen(&with_image("registry.test/own:3"), Some(&by_a_pinning_operator())),
        moves("registry.test/own:3")
    );
    let pinned = earlier(json!({
        "sc-auth.io/template-revision": "1", "sc-auth.io/image": OLD, "sc-auth.io/spec-image": OLD,
    }));
    assert_eq!(chosen(&scauth(external()), Some(&pinned)), moves(NEW), "it was taken out of the spec");
}

#[test]
fn an_annotation_that_names_the_release_moves_both_and_another_one_nothing() {
    let annotated = |version: &str| {
        let mut scauth = scauth(external());
        scauth.metadata.annotations = Some([(ANNOTATION_UPGRADE_TO.to_owned(), version.to_owned())].into());
        scauth
    };
    assert_eq!(chosen(&annotated("9.0.0"), Some(&by_a_pinning_operator())), moves(NEW));
    assert_eq!(chosen(&annotated("8.0.0"), Some(&by_a_pinning_operator())), stays());
}

/// An older release may be the one that an earlier operator accepted: it is not told.
#[test]
fn an_annotation_that_can_be_no_release_of_this_operator_or_an_earlier_one_is_told() {
    let told = |value: &str| {
        let mut scauth = scauth(external());
        scauth.metadata.annotations = Some([(ANNOTATION_UPGRADE_TO.to_owned(), value.to_owned())].into());
        unknown_upgrade(&scauth, &environment().defaults)
    };
    for (value, words) in [
        ("", "is empty"),
        ("v9.0.0", "is \"v9.0.0\", which is not the name of a release"),
        ("9.0", "is \"9.0\", which"),
        ("9.O.0", "is \"9.O.0\", which"),
        (" 9.0.0", "is \" 9.0.0\", which"),
        ("9.0.1", "is \"9.0.1\", a release later than this operator's"),
        ("10.0.0-rc.1", "is \"10.0.0-rc.1\", a release later than"),
    ] {
        let message = told(value).unwrap_or_default();
        assert!(
            message.contains(words) && message.ends_with("; this operator has release 9.0.0"),
            "{value}: {message}"
        );
        assert!(message.starts_with("annotation sc-auth.io/upgrade-to has no effect: it "), "{message}");
    }
    for value in ["9.0.0", "8.9.9", "0.1.0", "9.0.0-rc.1", "9.0.0+build.1"] {
        assert_eq!(told(value), None, "{value}");
    }
    assert_eq!(unknown_upgrade(&scauth(external()), &environment().defaults), None);
    assert!(told(&"x".repeat(100_000)).unwrap().len() < 300);
}

#[test]
fn a_deployment_that_was_deleted_comes_back_as_it_was() {
    let mut scauth = scauth(external());
    scauth.status = serde_json::from_value(json!({"image": OLD, "templateRevision": 1})).unwrap();
    assert_eq!(chosen(&scauth, None), stays());
}

#[test]
fn a_template_of_a_later_operator_cannot_be_kept() {
    let later = earlier(json!({"sc-auth.io/template-revision": "99", "sc-auth.io/image": OLD}));
    assert_eq!(chosen(&scauth(external()), Some(&later)), moves(NEW));
}

/// One that upgrades by itself, of that name, with that image and state.
fn automatic(name: &str, image: &str, ready: &str) -> ScAuth {
    automatic_with(name, image, ready, "")
}

fn automatic_with(name: &str, image: &str, ready: &str, reason: &str) -> ScAuth {
    let mut scauth = scauth(super::children::with(external(), "upgrade", json!("Automatic")));
    scauth.metadata.name = Some(name.into());
    let revision = if image == NEW { LATEST } else { 1 };
    scauth.status = serde_json::from_value(json!({
        "image": image, "templateRevision": revision,
        "conditions": [{"type": "Ready", "status": ready, "reason": reason, "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"}],
    }))
    .unwrap();
    scauth
}

fn turn_of(name: &str, fleet: &[ScAuth]) -> UpgradeTurn {
    let me = fleet.iter().find(|scauth| scauth.metadata.name.as_deref() == Some(name)).unwrap();
    turn(me, fleet, &environment().defaults)
}

fn after(name: &str) -> UpgradeTurn {
    UpgradeTurn::After { scauth: name.into(), reason: None }
}

fn stopped_by(name: &str, reason: &str) -> UpgradeTurn {
    UpgradeTurn::After { scauth: name.into(), reason: Some(reason.into()) }
}

#[test]
fn automatic_upgrades_go_one_after_the_other() {
    let fleet = [automatic("a", OLD, "True"), automatic("b", OLD, "True"), automatic("c", OLD, "True")];
    assert_eq!(
        [turn_of("a", &fleet), turn_of("b", &fleet), turn_of("c", &fleet)],
        [UpgradeTurn::Now, after("a"), after("a")]
    );
    let a = automatic_with("a", NEW, "False", "RollingOut");
    let fleet = [a, automatic("b", OLD, "True"), automatic("c", OLD, "True")];
    let rolling = || stopped_by("a", "RollingOut");
    assert_eq!([turn_of("b", &fleet), turn_of("c", &fleet)], [rolling(), rolling()]);
    let fleet = [automatic("a", NEW, "True"), automatic("b", OLD, "True"), automatic("c", OLD, "True")];
    assert_eq!([turn_of("b", &fleet), turn_of("c", &fleet)], [UpgradeTurn::Now, after("b")]);
}

/// A release that answers with errors goes no further, and the others tell whose errors they are.
#[test]
fn errors_of_the_new_release_stop_the_others_until_they_pass() {
    let others = || [automatic("b", OLD, "True"), automatic("c", OLD, "True")];
    let [b, c] = others();
    let fleet = [automatic_with("a", NEW, "False", "ServerErrors"), b, c];
    let turn = turn_of("c", &fleet);
    assert_eq!(turn, stopped_by("a", "ServerErrors"));
    let message = super::report::ready_message(&fleet[2], &turn);
    assert!(
        message.ends_with("waits for ScAuth a, which has that release and is not Ready (ServerErrors)"),
        "{message}"
    );
    let [b, c] = others();
    let fleet = [automatic("a", NEW, "True"), b, c];
    assert_eq!([turn_of("b", &fleet), turn_of("c", &fleet)], [UpgradeTurn::Now, after("b")]);
}

#[test]
fn one_whose_volume_is_at_risk_neither_begins_nor_keeps_the_others_from_it() {
    let mut at_risk = automatic("a", OLD, "True");
    let risk: ScAuth = automatic_with("a", OLD, "False", "VolumeAtRisk");
    let mut risk = risk.status.unwrap().conditions.remove(0);
    risk.type_ = "DatabaseReady".into();
    at_risk.status.as_mut().unwrap().conditions.push(risk);
    let fleet = [at_risk, automatic("b", OLD, "True")];
    assert_eq!([turn_of("a", &fleet), turn_of("b", &fleet)], [after("a"), UpgradeTurn::Now]);
}

#[test]
fn one_that_was_broken_before_neither_begins_nor_keeps_the_others_from_it() {
    let fleet = [automatic("a", OLD, "False"), automatic("b", OLD, "True")];
    assert_eq!([turn_of("a", &fleet), turn_of("b", &fleet)], [after("a"), UpgradeTurn::Now]);
}

/// The remedy for a release whose pods do not start is the next one.
#[test]
fn one_whose_last_upgrade_failed_takes_the_next_one_and_the_others_wait_for_it() {
    const BROKEN: &str = "registry.test/server:8";
    for reason in ["ImagePullFailed", "MigrationFailed", "StartFailed", "RolloutStuck"] {
        let fleet = [automatic_with("a", BROKEN, "False", reason), automatic("b", OLD, "True")];
        assert_eq!([turn_of("a", &fleet), turn_of("b", &fleet)], [UpgradeTurn::Now, after("a")], "{reason}");
    }
    let fleet = [automatic_with("a", OLD, "False", "DatabaseUnreachable"), automatic("b", OLD, "True")];
    assert_eq!([turn_of("a", &fleet), turn_of("b", &fleet)], [after("a"), UpgradeTurn::Now]);
}

#[test]
fn one_that_waits_for_a_person_or_is_suspended_is_in_nobody_s_way() {
    let mut manual = automatic("a", OLD, "True");
    manual.spec.upgrade = None;
    let mut suspended = automatic("b", OLD, "True");
    suspended.spec.suspend = Some(true);
    let fleet = [manual, suspended, automatic("c", OLD, "True")];
    assert_eq!(turn_of("c", &fleet), UpgradeTurn::Now);
}
