//! What is said of an embedded database's volume that is about to be lost.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use serde_json::json;

use super::super::{embedded, environment, live, owned_by, scauth};
use super::{Case, is, rollout, serving};
use crate::scauth::child::Child;
use crate::scauth::health::PodReports;
use crate::scauth::observe::Observed;
use crate::scauth::release::UpgradeTurn;
use crate::scauth::validate::validate;

/// The claim as it is, for a pod that became ready on 2026-01-01.
fn claim(created: &str, phase: &str, is_going: bool) -> Observed {
    let mut metadata = owned_by("our-uid");
    metadata.creation_timestamp = Some(Time(created.parse().unwrap()));
    metadata.deletion_timestamp = is_going.then_some(Time(Timestamp::UNIX_EPOCH));
    let mut observed = Case::new(embedded(), json!([serving()])).observed;
    let deployment = live(Child::Deployment, owned_by("our-uid"), json!({"status": rollout(1)}));
    observed.children.insert(Child::Deployment, deployment);
    let claim = live(Child::VolumeClaim, metadata, json!({"status": {"phase": phase}}));
    observed.children.insert(Child::VolumeClaim, claim);
    observed
}

#[test]
fn users_on_a_volume_that_is_about_to_go_can_still_be_saved() {
    let before = "2025-12-31T00:00:00Z";
    let export = "kubectl -n tenant exec deploy/tenant -c server -- /sc-auth-server users export -";
    for (created, phase) in [(before, "Lost"), ("2026-01-02T00:00:00Z", "Bound")] {
        let case = Case { observed: claim(created, phase, false), ..Case::new(embedded(), json!([])) };
        let message = is(&case.status(), "DatabaseReady", "False", "VolumeAtRisk");
        assert!(message.contains(export), "{message}");
        is(&case.status(), "Ready", "True", "Serving");
    }
    let fine = Case { observed: claim(before, "Bound", false), ..Case::new(embedded(), json!([])) };
    is(&fine.status(), "DatabaseReady", "True", "Migrated");
}

#[test]
fn a_claim_that_is_being_deleted_under_its_pod_stops_nothing_but_is_told() {
    let before = "2025-12-31T00:00:00Z";
    let export = "kubectl -n tenant exec deploy/tenant -c server -- /sc-auth-server users export -";
    let mut going = claim(before, "Bound", true);
    let mut case = Case { observed: going.clone(), ..Case::new(embedded(), json!([])) };
    let message = is(&case.status(), "DatabaseReady", "False", "VolumeAtRisk");
    assert!(message.contains(export) && message.contains("does not change the Deployment"), "{message}");
    is(&case.status(), "Ready", "True", "Serving");
    is(&case.then(PodReports::NotPolled), "DatabaseReady", "False", "VolumeAtRisk");
    is(&case.status(), "Ready", "True", "Serving");
    // Pods that cannot be asked have no say in it.
    for reports in [PodReports::NotPolled, PodReports::default()] {
        let mut case = Case { observed: claim(before, "Bound", false), ..Case::new(embedded(), json!([])) };
        is(&case.status(), "DatabaseReady", "True", "Migrated");
        case.scauth.status = Some(case.status());
        case.observed = Observed { reports, ..going.clone() };
        is(&case.status(), "DatabaseReady", "False", "VolumeAtRisk");
    }
    // Once the pod is gone, there is nothing to save.
    going.children.insert(Child::Deployment, live(Child::Deployment, owned_by("our-uid"), json!({})));
    let refused = validate(&scauth(embedded()), &going, &environment(), &UpgradeTurn::Now).unwrap_err();
    assert_eq!(refused.reason.to_string(), "ChildTerminating");
}
