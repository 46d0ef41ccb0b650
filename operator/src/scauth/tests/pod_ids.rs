//! Whether the pods name user and group ids, and when that changes.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::DynamicObject;
use serde_json::{Value, json};

use super::{environment, external, live, resolved, scauth};
use crate::api::ScAuth;
use crate::scauth::child::Child;
use crate::scauth::children::build;
use crate::scauth::names::ANNOTATION_UPGRADE_TO;
use crate::scauth::observe::Observed;
use crate::scauth::release::{LATEST, PodIds, ReleaseDefaults, UpgradeTurn, choose};

const NOW: &str = "registry.test/server:9";

fn defaults(ids: PodIds) -> ReleaseDefaults {
    ReleaseDefaults { ids, ..environment().defaults }
}

/// The Deployment as it was built with these ids, of that image.
fn deployment(ids: PodIds, image: &str) -> DynamicObject {
    let mut annotations = json!({"sc-auth.io/template-revision": LATEST.to_string(), "sc-auth.io/image": image});
    if ids == PodIds::Assigned {
        annotations["sc-auth.io/pod-ids"] = json!("assigned");
    }
    let metadata = serde_json::from_value(json!({"annotations": annotations})).unwrap();
    live(Child::Deployment, metadata, json!({}))
}

/// Each way to ask for this release.
fn asking() -> [ScAuth; 3] {
    let mut named = scauth(external());
    named.metadata.annotations = Some([(ANNOTATION_UPGRADE_TO.to_owned(), "9.0.0".to_owned())].into());
    let automatic = scauth(super::children::with(external(), "upgrade", json!("Automatic")));
    [named, automatic, scauth(super::children::with(external(), "image", json!(NOW)))]
}

fn ids(scauth: &ScAuth, deployment: Option<&DynamicObject>, setting: PodIds) -> PodIds {
    choose(scauth, deployment, &defaults(setting), &UpgradeTurn::Now).ids
}

const BOTH: [(PodIds, PodIds); 2] = [(PodIds::Fixed, PodIds::Assigned), (PodIds::Assigned, PodIds::Fixed)];

#[test]
fn the_pods_of_a_new_one_are_as_the_operator_is_set() {
    for (setting, _) in BOTH {
        assert_eq!(ids(&scauth(external()), None, setting), setting);
    }
}

#[test]
fn another_setting_of_the_operator_moves_no_pod() {
    for (before, setting) in BOTH {
        let current = deployment(before, NOW);
        for scauth in asking().iter().chain([&scauth(external())]) {
            let chosen = choose(scauth, Some(&current), &defaults(setting), &UpgradeTurn::Now);
            assert_eq!((chosen.ids, chosen.available), (before, None));
        }
        let older = deployment(before, "registry.test/server:1");
        assert_eq!(ids(&scauth(external()), Some(&older), setting), before, "it waits for its upgrade");
    }
    let by_release_0_1 = live(Child::Deployment, ObjectMeta::default(), json!({}));
    assert_eq!(ids(&scauth(external()), Some(&by_release_0_1), PodIds::Assigned), PodIds::Fixed);
}

#[test]
fn an_upgrade_takes_the_setting_along() {
    for (before, setting) in BOTH {
        let older = deployment(before, "registry.test/server:1");
        for scauth in asking() {
            assert_eq!(ids(&scauth, Some(&older), setting), setting);
        }
    }
}

#[test]
fn pods_that_are_gone_come_back_as_the_operator_is_set() {
    let mut scauth = scauth(external());
    scauth.status = serde_json::from_value(json!({"image": "registry.test/server:1", "templateRevision": 1})).unwrap();
    for (setting, _) in BOTH {
        let chosen = choose(&scauth, None, &defaults(setting), &UpgradeTurn::Now);
        assert_eq!((chosen.ids, chosen.revision), (setting, 1));
    }
}

/// What the operator applies, it finds again.
#[test]
fn the_deployment_notes_ids_that_are_assigned() {
    for (ids, setting) in BOTH {
        let mut resolved = resolved(external(), &Observed::default()).unwrap();
        resolved.release.ids = ids;
        let built = build(&resolved).unwrap().remove(&Child::Deployment).unwrap();
        let applied = live(Child::Deployment, serde_json::from_value(built["metadata"].clone()).unwrap(), built);
        assert_eq!(self::ids(&scauth(external()), Some(&applied), setting), ids);
    }
}

fn pod(spec: Value, revision: i32, ids: PodIds) -> Value {
    let mut resolved = resolved(spec, &Observed::default()).unwrap();
    (resolved.release.ids, resolved.release.revision) = (ids, revision);
    build(&resolved).unwrap()[&Child::Deployment]["spec"]["template"]["spec"].clone()
}

/// All that Pod Security's `restricted` asks for stays.
#[test]
fn pods_without_ids_differ_in_nothing_else() {
    for revision in 1..=LATEST {
        for spec in [super::embedded(), external()] {
            let (mut fixed, assigned) =
                (pod(spec.clone(), revision, PodIds::Fixed), pod(spec, revision, PodIds::Assigned));
            let expected = json!({"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}});
            assert_eq!(assigned["securityContext"], expected);
            let of_container = json!({
                "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "runAsNonRoot": true,
                "capabilities": {"drop": ["ALL"]},
            });
            for list in ["containers", "initContainers"].into_iter().filter(|list| assigned[*list].is_array()) {
                assert_eq!(assigned[list][0]["securityContext"], of_container, "{list}");
            }
            fixed["securityContext"] = expected;
            assert_eq!(assigned, fixed);
        }
    }
}
