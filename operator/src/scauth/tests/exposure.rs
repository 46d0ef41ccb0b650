//! What Exposed says of an HTTPRoute, from what its Gateways wrote into it, and when the Ingress before it goes.

use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use super::{external, resolved, scauth};
use crate::scauth::apply::Applied;
use crate::scauth::apply::succession::stays;
use crate::scauth::child::Child;
use crate::scauth::children::build;
use crate::scauth::observe::Observed;
use crate::scauth::release::UpgradeTurn;
use crate::scauth::report::{self, Outcome};

fn spec() -> Value {
    let mut spec = external();
    spec["expose"] = json!({"httpRoute": {
        "parentRefs": [{"name": "edge", "namespace": "gateways"}], "hostnames": ["auth.example.com"],
    }});
    spec
}

/// What stands in the route's status of one parent.
fn parent(name: &str, generation: i64, accepted: &str, message: &str) -> Value {
    json!({
        "parentRef": {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": name, "namespace": "gateways"},
        "controllerName": "example.com/gateway",
        "conditions": [
            {"type": "Accepted", "status": accepted, "reason": "Test", "message": message, "observedGeneration": generation},
            {"type": "ResolvedRefs", "status": "True", "reason": "Test", "message": "", "observedGeneration": generation},
        ],
    })
}

fn exposed(parents: Value) -> (String, String, String) {
    let resolved = resolved(spec(), &Observed::default()).unwrap();
    let mut children = build(&resolved).unwrap();
    let mut route = children.remove(&Child::HttpRoute).unwrap();
    route["metadata"]["generation"] = json!(2);
    route["status"] = json!({"parents": parents});
    let children = [(Child::HttpRoute, serde_json::from_value(route).unwrap())].into();
    let outcome = Outcome::Applied {
        resolved: Box::new(resolved),
        applied: Box::new(Applied { children, ..Applied::default() }),
    };
    let status =
        report::status(&scauth(spec()), &Observed::default(), &outcome, &UpgradeTurn::Now, Timestamp::UNIX_EPOCH);
    let exposed = status.conditions.into_iter().find(|condition| condition.type_ == "Exposed").unwrap();
    (exposed.status, exposed.reason, exposed.message)
}

#[test]
fn a_gateways_word_on_this_route_counts() {
    let (status, reason, message) = exposed(json!([parent("edge", 2, "True", "")]));
    assert_eq!((status.as_str(), reason.as_str()), ("True", "Admitted"), "{message}");
    let (status, reason, message) = exposed(json!([parent("edge", 2, "False", "no listener allows it")]));
    assert_eq!((status.as_str(), reason.as_str()), ("False", "RouteRefused"));
    assert!(message.contains("no listener allows it"), "{message}");
}

/// Some controllers leave their words behind when the route leaves them.
#[test]
fn a_word_on_an_earlier_route_or_of_another_gateway_does_not() {
    for parents in [
        json!([]),
        json!([parent("edge", 1, "True", "")]),
        json!([parent("edge", 1, "False", "no listener allows it")]),
        json!([parent("other", 2, "True", "")]),
    ] {
        let (status, reason, message) = exposed(parents.clone());
        assert_eq!((status.as_str(), reason.as_str()), ("Unknown", "NoGateway"), "{parents}: {message}");
    }
}

/// A route of that age, as seconds; `parents` stand in its status.
fn applied(age: i64, parents: Value) -> Applied {
    let route = json!({
        "metadata": {"name": "n", "namespace": "n", "generation": 2, "creationTimestamp": ago(age)},
        "spec": {"parentRefs": [{"name": "edge", "namespace": "gateways"}]},
        "status": {"parents": parents},
    });
    Applied { children: [(Child::HttpRoute, serde_json::from_value(route).unwrap())].into(), ..Applied::default() }
}

const NOW: i64 = 1_000_000_000;

fn now() -> Timestamp {
    Timestamp::from_second(NOW).unwrap()
}

/// As many seconds before `now`.
fn ago(age: i64) -> String {
    Timestamp::from_second(NOW - age).unwrap().to_string()
}

/// A Gateway accepted the route then, and found its Service earlier.
fn accepted(age: i64) -> Value {
    let mut parent = parent("edge", 2, "True", "");
    parent["conditions"][0]["lastTransitionTime"] = json!(ago(age));
    parent["conditions"][1]["lastTransitionTime"] = json!(ago(age + 5));
    parent
}

#[test]
fn what_another_takes_the_place_of_goes_once_that_is_taken_up_or_nobody_does_for_a_minute() {
    let stays = |applied: &Applied| stays(Child::Ingress, applied, now()).map(|rest| rest.as_secs());
    let without_times = || json!([parent("edge", 2, "True", "")]);
    let left = |mut parent: Value| {
        parent["parentRef"]["name"] = json!("other");
        parent
    };
    for (age, parents, expected) in [
        (0, json!([]), Some(60)),
        (30, json!([]), Some(30)),
        (60, json!([]), None),
        // From the acceptance, and not from the creation.
        (0, json!([accepted(0)]), Some(10)),
        (15, json!([accepted(0)]), Some(10)),
        (15, json!([accepted(7)]), Some(3)),
        (15, json!([accepted(10)]), None),
        (59, json!([accepted(0)]), Some(10)),
        // By another Gateway, which the route has left.
        (30, json!([accepted(20), left(accepted(0))]), None),
        // By a clock that is behind the API server's, and by a Gateway's that is ahead.
        (-5, json!([accepted(-5)]), Some(10)),
        (65, json!([accepted(-3600)]), Some(5)),
        (70, json!([accepted(-3600)]), None),
        // Its Gateway says no time.
        (7, without_times(), Some(3)),
        (10, without_times(), None),
    ] {
        assert_eq!(stays(&applied(age, parents.clone())), expected, "after {age} s with {parents}");
    }
    assert_eq!(stays(&Applied::default()), None, "nothing takes its place");
    let unknown = Applied { unknown_kinds: [Child::HttpRoute].into(), ..Applied::default() };
    assert_eq!(stays(&unknown), Some(60), "until Gateway API comes");
}

#[test]
fn a_route_goes_ten_seconds_after_the_address_of_the_ingress_was_written() {
    let address = json!([{"ip": "192.0.2.1"}]);
    for (written, address, expected) in [(0, &address, Some(10)), (4, &address, Some(6)), (0, &json!([]), Some(40))] {
        let ingress = json!({
            "metadata": {"name": "n", "creationTimestamp": ago(20), "managedFields": [{
                "manager": "controller", "operation": "Update", "subresource": "status", "fieldsType": "FieldsV1",
                "time": ago(written), "fieldsV1": {"f:status": {"f:loadBalancer": {"f:ingress": {}}}},
            }]},
            "status": {"loadBalancer": {"ingress": address}},
        });
        let children = [(Child::Ingress, serde_json::from_value(ingress).unwrap())].into();
        let applied = Applied { children, ..Applied::default() };
        let rest = stays(Child::HttpRoute, &applied, now()).map(|rest| rest.as_secs());
        assert_eq!(rest, expected, "written {written} s ago: {address}");
    }
}
