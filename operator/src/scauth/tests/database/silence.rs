//! What is said before the pods were asked, and once none of them answers any more.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use serde_json::json;

use super::super::external;
use super::{Case, condition, held, is, offering, saying, serving, silent, with};
use crate::scauth::health::PodReports;

/// As the conditions of a node whose kubelet is not heard of any more.
#[test]
fn what_pods_said_is_unknown_once_they_fall_silent() {
    let elder = json!([{"name": "elder", "uid": "0", "created": -1}]);
    for (answer, kind, reason, ready) in [
        (
            json!({"database": {"reachable": false, "identity": "one"}}),
            "DatabaseReady",
            "DatabaseUnreachable",
            "Unknown",
        ),
        (held("AnotherDatabase", "two"), "DatabaseReady", "DatabaseChanged", "Unknown"),
        (offering(json!({"identity": "two"})), "DatabaseReady", "DatabaseChanged", "True"),
        (offering(json!({"error": "refused"})), "DatabaseReady", "AddressUnusable", "True"),
        (with("others", elder), "DatabaseReady", "DatabaseShared", "True"),
        (with("keys_lost", json!(true)), "KeysReady", "KeysLost", "True"),
        (with("server_errors", json!(1)), "Ready", "ServerErrors", "Unknown"),
    ] {
        let mut case = Case::new(external(), json!([serving(), answer]));
        case.scauth.metadata.creation_timestamp = Some(Time(Timestamp::UNIX_EPOCH));
        is(&case.status(), kind, "False", reason);
        let status = case.then(silent());
        let message = is(&status, kind, "Unknown", "PodsUnreachable");
        assert!(message.contains("since 1970-01-01T00:00:10Z") && message.contains(reason), "{message}");
        let (now, _, message) = condition(&status, "Ready");
        assert_eq!(now, ready, "{reason}: {message}");
        assert_eq!(condition(&status, "Reconciling").0, if ready == "True" { "False" } else { "True" });
        // Nothing is written while nothing changes, and a new operator knows no more.
        assert_eq!(case.then(PodReports::default()).conditions, status.conditions, "{reason}");
        assert_eq!(case.then(PodReports::NotPolled).conditions, status.conditions, "{reason}");
        assert_eq!(case.then(silent()).conditions, status.conditions, "{reason}");
        case.scauth.spec.suspend = Some(true);
        is(&case.then(silent()), "Ready", ready, "Suspended");
        case.scauth.spec.suspend = None;
        let recovered = case.then(saying(json!([serving(), serving()])));
        for (kind, reason) in [("Ready", "Serving"), ("DatabaseReady", "Migrated"), ("KeysReady", "KeysKnown")] {
            is(&recovered, kind, "True", reason);
        }
    }
}

/// Their migration and their probes vouch for them, but not for the keys.
#[test]
fn pods_that_were_well_and_fall_silent_stay_ready_and_it_is_told_what_is_not_known() {
    let mut case = Case::new(external(), json!([serving()]));
    let status = case.then(silent());
    is(&status, "Ready", "True", "Serving");
    let message = is(&status, "DatabaseReady", "True", "Migrated");
    assert!(message.contains("no pod answers the operator"), "{message}");
    assert!(is(&status, "KeysReady", "Unknown", "PodsUnreachable").contains("KeysKnown"));
}

#[test]
fn pods_that_have_just_become_ready_are_asked_first() {
    let mut case = Case::new(external(), json!([]));
    is(&case.status(), "Ready", "False", "RollingOut");
    is(&case.then(PodReports::default()), "Ready", "True", "Serving");
    is(&case.then(PodReports::NotPolled), "Ready", "True", "Serving");
}

/// Their probes count then, as for pods that never answered.
#[test]
fn the_last_report_of_pods_that_stay_silent_expires() {
    for (field, value) in [
        ("database", json!({"reachable": false, "identity": "one"})),
        ("server_errors", json!(1)),
        ("keys_lost", json!(true)),
    ] {
        let mut case = Case::new(external(), json!([with(field, value)]));
        case.then(silent());
        case.then(silent());
        case.now = Timestamp::from_second(599).unwrap();
        let status = case.then(silent());
        assert!(status.conditions.iter().any(|condition| condition.reason == "PodsUnreachable"), "{field}");
        case.now = Timestamp::from_second(600).unwrap();
        for status in [case.then(silent()), case.then(silent()), case.then(PodReports::NotPolled)] {
            is(&status, "Ready", "True", "Serving");
            let message = is(&status, "DatabaseReady", "True", "Migrated");
            assert!(message.contains("no pod answers the operator"), "{message}");
            assert_eq!(condition(&status, "KeysReady").0, "", "only pods know");
        }
    }
}
