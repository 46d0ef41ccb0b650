//! Several ScAuths that ask for one host: one has it, and the next one takes it over when that goes.

use kube::Client;
use kube::api::{DeleteParams, Patch, PatchParams};
use sc_auth_operator::scauth::child::Child;
use serde_json::{Value, json};

use crate::harness::{admin, apply, config, eventually, make, manifest, scauths};
use crate::operators::{Operator, clean, exists, namespace, spec};
use crate::rights::without_claim;

fn at(host: &str, class: Option<&str>) -> Value {
    let mut spec = spec();
    spec["expose"] = json!({"ingress": {"host": host}});
    if let Some(class) = class {
        spec["expose"]["ingress"]["className"] = json!(class);
    }
    spec
}

async fn exposed(client: &Client, name: &str) -> (String, String) {
    let status = scauths(client).get(name).await.unwrap().status.unwrap_or_default();
    let found = status.conditions.into_iter().find(|condition| condition.type_ == "Exposed");
    found.map(|condition| (condition.reason, condition.message)).unwrap_or_default()
}

/// Whether the one has the host, and the other says so.
async fn has_it(client: &Client, has: &str, waits: &str) -> bool {
    let (reason, message) = exposed(client, waits).await;
    reason == "HostTaken"
        && message.contains(&format!("leads to ScAuth {has},"))
        && exposed(client, has).await.0 == "NoAddress"
        && exists(client, Child::Ingress, has).await
        && !exists(client, Child::Ingress, waits).await
}

async fn start(client: &Client, namespace_name: &'static str) -> Operator {
    clean(client).await;
    namespace(client, namespace_name).await;
    Operator::start("one", namespace_name, config().await, &["--resync", "1h"])
}

/// Until the move is reconciled, the ScAuth still has its earlier host, by its status.
async fn host(client: &Client, name: &str, host: &str) {
    change_spec(client, name, json!({"expose": {"ingress": {"host": host}}})).await;
}

/// Changes something else.
async fn change(client: &Client, name: &str) {
    change_spec(client, name, json!({"replicas": 3})).await;
}

/// Waits until the change is reconciled.
async fn change_spec(client: &Client, name: &str, spec: Value) {
    let patch = json!({"spec": spec});
    let changed = scauths(client).patch(name, &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
    eventually("the change is reconciled", || async {
        let status = scauths(client).get(name).await.unwrap().status.unwrap_or_default();
        status.observed_generation == changed.metadata.generation
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_a_host_keeps_it_until_it_goes_or_gives_it_up() {
    let client = admin().await;
    let operator = start(&client, "hosts-kept").await;
    let (first, second, shared) = ("host-z-first", "host-a-second", "kept.example.com");
    apply(&client, manifest(first, at(shared, Some("traefik")))).await;
    eventually("the first has it", || exists(&client, Child::Ingress, first)).await;
    apply(&client, manifest(second, at(shared, Some("traefik")))).await;
    eventually("the second is told", || has_it(&client, first, second)).await;
    assert!(exists(&client, Child::Deployment, second).await, "its pods are up all the same");
    let status = scauths(&client).get(second).await.unwrap().status.unwrap();
    assert_eq!(status.url.unwrap(), format!("http://{second}-svc.{second}.svc:8000"));
    assert!(status.exposure.is_none());

    // Another change of the one that has it takes nothing from it, and none of the other.
    for name in [first, second] {
        change(&client, name).await;
        assert!(has_it(&client, first, second).await, "after a change of {name}");
    }

    // It moves away; without a word from a clock, since the resync is an hour away.
    host(&client, first, "elsewhere.example.com").await;
    eventually("the second takes over", || exists(&client, Child::Ingress, second)).await;
    eventually("and says so", || async { exposed(&client, second).await.0 == "NoAddress" }).await;
    host(&client, first, shared).await;
    eventually("now the first waits", || has_it(&client, second, first)).await;
    scauths(&client).delete(second, &DeleteParams::default()).await.unwrap();
    eventually("the first has it again", || exists(&client, Child::Ingress, first)).await;
    eventually("and says so", || async { exposed(&client, first).await.0 == "NoAddress" }).await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_made_at_once_one_has_it() {
    let client = admin().await;
    clean(&client).await;
    namespace(&client, "hosts-race").await;
    let names: Vec<_> = (0..8).map(|number| format!("race-{number}")).collect();
    // Two operators, each of whom believes to lead.
    let first = Operator::start("one", "hosts-race", config().await, &["--resync", "1h", "--lease", "one"]);
    let limited = without_claim(&client, "two").await;
    let second = Operator::start("two", "hosts-race", limited, &["--resync", "1h", "--lease", "two"]);
    eventually("both lead", || async { first.leads().await && second.leads().await }).await;
    let made = names.iter().map(|name| apply(&client, manifest(name, at("race.example.com", Some("traefik")))));
    futures::future::join_all(made).await;
    let holders = || async {
        let mut holders = Vec::new();
        for name in &names {
            let is_there = exists(&client, Child::Ingress, name).await;
            if is_there != (exposed(&client, name).await.0 == "NoAddress") {
                // Not all have been told yet.
                return Vec::new();
            }
            holders.extend(is_there.then(|| name.clone()));
        }
        holders
    };
    eventually("one of them has it, and says so alone", || async { holders().await.len() == 1 }).await;
    let holder = holders().await;
    for name in &names {
        change(&client, name).await;
        assert_eq!(holders().await, holder, "after a change of {name}");
    }
    first.stop().await;
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ingress_without_a_class_meets_those_of_the_default_one() {
    let client = admin().await;
    let class = |name: &str, is_default: bool| {
        json!({"apiVersion": "networking.k8s.io/v1", "kind": "IngressClass",
            "metadata": {"name": name, "annotations": {"ingressclass.kubernetes.io/is-default-class": is_default.to_string()}},
            "spec": {"controller": "example.com/ingress"}})
    };
    make(&client, "ingressclasses", class("usual", true)).await;
    make(&client, "ingressclasses", class("other", false)).await;
    let operator = start(&client, "hosts-class").await;
    let shared = "class.example.com";
    apply(&client, manifest("class-named", at(shared, Some("usual")))).await;
    eventually("the first has it", || exists(&client, Child::Ingress, "class-named")).await;
    apply(&client, manifest("class-unnamed", at(shared, None))).await;
    apply(&client, manifest("class-other", at(shared, Some("other")))).await;
    eventually("the second is told", || has_it(&client, "class-named", "class-unnamed")).await;
    eventually("the third has its own", || exists(&client, Child::Ingress, "class-other")).await;
    operator.stop().await;
    make(&client, "ingressclasses", class("usual", false)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_route_the_hosts_that_are_free_lead_on() {
    let client = admin().await;
    let operator = start(&client, "hosts-routes").await;
    let route = |hosts: &[&str]| {
        let mut spec = spec();
        spec["expose"] =
            json!({"httpRoute": {"parentRefs": [{"name": "edge", "namespace": "gateways"}], "hostnames": hosts}});
        spec
    };
    apply(&client, manifest("route-first", route(&["a.example.com"]))).await;
    eventually("the first has it", || exists(&client, Child::HttpRoute, "route-first")).await;
    apply(&client, manifest("route-second", route(&["a.example.com", "b.example.com"]))).await;
    eventually("the second is told", || async { exposed(&client, "route-second").await.0 == "HostTaken" }).await;
    let hostnames = || async {
        let names =
            sc_auth_operator::scauth::names::Names { scauth: "route-second".into(), namespace: "route-second".into() };
        Child::HttpRoute.api(&client, &names.namespace).get("route-second").await.unwrap().data["spec"]["hostnames"]
            .clone()
    };
    assert_eq!(hostnames().await, json!(["b.example.com"]));
    assert!(exposed(&client, "route-second").await.1.contains("reached at https://b.example.com"));
    scauths(&client).delete("route-first", &DeleteParams::default()).await.unwrap();
    eventually("it has both", || async { hostnames().await == json!(["a.example.com", "b.example.com"]) }).await;
    operator.stop().await;
}
