//! What Exposed says when the entry point changes and not the spec: the class of an Ingress, the Gateways of a route; and
//! while the spec is not applied.

use kube::Client;
use kube::api::{DeleteParams, Patch, PatchParams};
use sc_auth_operator::scauth::child::Child;
use serde_json::{Value, json};

use crate::exposure::{answer, answer_as, change, class, delete_class, exposed, is, look};
use crate::harness::{admin, apply, manifest, scauths, settle};
use crate::refusals::condition;

/// An Ingress of this class with an address.
async fn served(client: &Client, name: &str, ingress_class: &str) {
    class(client, ingress_class, "example.com/first").await;
    let ingress = json!({"host": format!("{name}.test"), "className": ingress_class});
    exposed(client, name, ingress).await;
}

#[tokio::test]
async fn a_class_that_is_deleted_or_changes_hands_serves_nobody() {
    let (client, name) = (admin().await, "handed");
    served(&client, name, "handed").await;
    delete_class(&client, "handed").await;
    let found = look(&client, name).await;
    is(&found, "Unknown", "NoAddress");
    assert!(found.2.contains("IngressClass handed does not exist"), "{}", found.2);
    class(&client, "handed", "example.com/first").await;
    is(&look(&client, name).await, "True", "Admitted");

    delete_class(&client, "handed").await;
    class(&client, "handed", "example.com/second").await;
    let found = look(&client, name).await;
    is(&found, "Unknown", "NoAddress");
    for words in ["example.com/first", "now belongs to example.com/second", "delete ingress handed-ingress"] {
        assert!(found.2.contains(words), "{words}: {}", found.2);
    }
    // The first controller has not noticed yet.
    answer(&client, name, json!([{"ip": "192.0.2.7"}])).await;
    is(&look(&client, name).await, "Unknown", "NoAddress");
    answer_as(&client, name, "second", json!([{"ip": "192.0.2.8"}])).await;
    is(&look(&client, name).await, "True", "Admitted");
}

async fn set(client: &Client, name: &str, spec: Value) -> (String, String, String) {
    let patch = Patch::Merge(json!({"spec": spec}));
    scauths(client).patch(name, &PatchParams::default(), &patch).await.unwrap();
    look(client, name).await
}

#[tokio::test]
async fn while_suspended_the_ingress_that_exists_counts() {
    let (client, name) = (admin().await, "dozing");
    served(&client, name, "dozing").await;
    let other = json!({"ingress": {"host": "elsewhere.test", "className": "nobody", "tls": {"secretName": "none"}}});
    let found = set(&client, name, json!({"suspend": true, "expose": other})).await;
    is(&found, "True", "Admitted");
    assert!(found.2.contains("clients reach the API at dozing.test"), "{}", found.2);
    let status = scauths(&client).get(name).await.unwrap().status.unwrap();
    assert_eq!(status.url.as_deref(), Some("http://dozing.test"), "the spec is not applied");
    // Nobody would recreate the Ingress.
    delete_class(&client, "dozing").await;
    class(&client, "dozing", "example.com/second").await;
    let found = look(&client, name).await;
    is(&found, "Unknown", "NoAddress");
    assert!(!found.2.contains("delete ingress"), "{}", found.2);
    let ingresses = Child::Ingress.api(&client, name);
    ingresses.delete(&format!("{name}-ingress"), &DeleteParams::default()).await.unwrap();
    let found = look(&client, name).await;
    is(&found, "False", "NoAddress");
    assert!(found.2.contains("neither an Ingress nor an HTTPRoute exists"), "{}", found.2);
    let found = set(&client, name, json!({"suspend": false})).await;
    is(&found, "Unknown", "NoAddress");
    assert!(found.2.contains("IngressClass nobody does not exist"), "{}", found.2);
}

#[tokio::test]
async fn while_terminating_no_ingress_is_recreated_and_none_is_to_be_deleted() {
    let (client, name) = (admin().await, "parting");
    served(&client, name, "parting").await;
    let finalizers = async |finalizers: Value| {
        let patch = Patch::Merge(json!({"metadata": {"finalizers": finalizers}}));
        scauths(&client).patch(name, &PatchParams::default(), &patch).await.unwrap();
    };
    finalizers(json!(["example.com/keeps"])).await;
    is(&change(&client, name, json!({"className": "nowhere"})).await, "Unknown", "NoAddress");
    assert!(condition(&client, name, "Exposed").await.2.contains("delete ingress"));
    scauths(&client).delete(name, &DeleteParams::default()).await.unwrap();
    let found = look(&client, name).await;
    is(&found, "Unknown", "NoAddress");
    assert!(!found.2.contains("delete ingress"), "{}", found.2);
    finalizers(Value::Null).await;
}

/// The words of a Gateway about one of the route's parents.
fn words(gateway: &str, accepted: &str, resolved: &str, generation: Value) -> Value {
    let condition = |kind: &str, status: &str| {
        let mut condition = json!({"type": kind, "status": status, "reason": "Test", "message": format!("{kind} by {gateway}"),
            "lastTransitionTime": "2026-01-01T00:00:00Z"});
        if !generation.is_null() {
            condition["observedGeneration"] = generation.clone();
        }
        condition
    };
    json!({
        "parentRef": {"name": gateway}, "controllerName": "example.com/gateway",
        "conditions": [condition("Accepted", accepted), condition("ResolvedRefs", resolved)],
    })
}

#[tokio::test]
async fn each_gateway_of_a_route_must_accept_it_as_it_is_now() {
    let (client, name) = (admin().await, "routed");
    let route = json!({"parentRefs": [{"name": "one"}, {"name": "two"}], "hostnames": ["routed.test"]});
    let database = json!({"external": {"urlFrom": {"name": "db", "key": "uri"}}});
    apply(&client, manifest(name, json!({"database": database, "expose": {"httpRoute": route}}))).await;
    settle(&client, name).await;
    let routes = Child::HttpRoute.api(&client, name);
    let now = json!(routes.get(name).await.unwrap().metadata.generation.unwrap());
    let say = async |parents: Value| {
        let patch = Patch::Merge(json!({"status": {"parents": parents}}));
        routes.patch_status(name, &PatchParams::default(), &patch).await.unwrap();
        look(&client, name).await
    };
    let yes = |gateway: &str| words(gateway, "True", "True", now.clone());
    for (parents, status, reason, sentence) in [
        (json!([]), "Unknown", "NoGateway", "Gateway routed/one and Gateway routed/two have not accepted"),
        (
            json!([yes("one")]),
            "Unknown",
            "NoGateway",
            "Gateway routed/two has not accepted the HTTPRoute yet, unlike Gateway routed/one",
        ),
        (
            json!([yes("one"), words("two", "False", "True", now.clone())]),
            "False",
            "RouteRefused",
            "Gateway routed/two rejected the HTTPRoute: Accepted by two",
        ),
        (
            json!([words("one", "True", "False", now.clone()), yes("two")]),
            "False",
            "RouteRefused",
            "Gateway routed/one rejected the HTTPRoute: ResolvedRefs by one",
        ),
        (
            json!([yes("one"), words("two", "True", "True", json!(0))]),
            "Unknown",
            "NoGateway",
            "the conditions of Gateway routed/two are about an earlier generation",
        ),
        (json!([yes("one"), words("two", "True", "True", Value::Null)]), "Unknown", "NoGateway", "or name none"),
        (
            json!([yes("one"), words("two", "True", "Unknown", now.clone())]),
            "Unknown",
            "NoGateway",
            "Gateway routed/two has not accepted",
        ),
        (json!([yes("one"), yes("two")]), "True", "Admitted", "routed.test"),
    ] {
        let found = say(parents).await;
        is(&found, status, reason);
        assert!(found.2.contains(sentence), "{}, not: {sentence}", found.2);
    }
}
