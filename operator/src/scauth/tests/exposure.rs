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
    let made = Timestamp::from_second(NOW - age).unwrap().to_string();
    let route = json!({
        "metadata": {"name": "n", "namespace": "n", "generation": 2, "creationTimestamp": made},
        "spec": {"parentRefs": [{"name": "edge", "namespace": "gateways"}]},
        "status": {"parents": parents},
    });
    Applied { children: [(Child::HttpRoute, serde_json::from_value(route).unwrap())].into(), ..Applied::default() }
}

const NOW: i64 = 1_000_000_000;

#[test]
fn what_another_takes_the_place_of_goes_once_that_is_taken_up_or_nobody_does_for_a_minute() {
    let accepted = || json!([parent("edge", 2, "True", "")]);
    let now = Timestamp::from_second(NOW).unwrap();
    let stays = |applied: &Applied| stays(Child::Ingress, applied, now).map(|rest| rest.as_secs());
    for (age, parents, expected) in [
        (0, json!([]), Some(60)),
        (30, json!([]), Some(30)),
        (60, json!([]), None),
        (0, accepted(), Some(10)),
        (7, accepted(), Some(3)),
        (10, accepted(), None),
        // By a clock that is behind the API server's.
        (-5, accepted(), Some(10)),
    ] {
        assert_eq!(stays(&applied(age, parents.clone())), expected, "after {age} s with {parents}");
    }
    assert_eq!(stays(&Applied::default()), None, "nothing takes its place");
    let unknown = Applied { unknown_kinds: [Child::HttpRoute].into(), ..Applied::default() };
    assert_eq!(stays(&unknown), Some(60), "until Gateway API comes");
}
