//! Objects of other people that have the name of a child: they matter only where the spec asks for that child.

use std::sync::Arc;

use kube::Client;
use kube::api::{DeleteParams, Patch, PatchParams};
use sc_auth_operator::diff::diff;
use sc_auth_operator::scauth::child::Child;
use sc_auth_operator::scauth::names::Names;
use serde_json::{Value, json};

use crate::harness::{Line, admin, apply, make, manifest, of, once, operator, scauths, settle};
use crate::refusals::condition;

fn spec() -> Value {
    json!({"database": {"external": {"urlFrom": {"name": "db", "key": "uri"}}}, "replicas": 1, "expose": {"none": {}}})
}

/// One object of each kind that the spec above does not ask for, under the name that the child would have.
fn strangers(name: &str) -> Vec<(Child, Value)> {
    let metadata =
        |name: String, namespace: &str| json!({"name": name, "namespace": namespace, "labels": {"team": "theirs"}});
    let own = || metadata(name.to_owned(), name);
    vec![
        (
            Child::Autoscaler,
            json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": own(), "spec": {
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}, "minReplicas": 1, "maxReplicas": 4,
            }}),
        ),
        (
            Child::DisruptionBudget,
            json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": own(), "spec": {
                "maxUnavailable": 0, "selector": {"matchLabels": {"app.kubernetes.io/instance": name}},
            }}),
        ),
        (
            Child::Ingress,
            json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata(format!("{name}-ingress"), name),
                "spec": {"defaultBackend": {"service": {"name": format!("{name}-svc"), "port": {"name": "http"}}}}}),
        ),
        (
            Child::HttpRoute,
            json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": own(), "spec": {
                "hostnames": ["theirs.example.com"], "parentRefs": [{"name": "edge"}],
            }}),
        ),
        (
            Child::ServiceMonitor,
            json!({"apiVersion": "monitoring.coreos.com/v1", "kind": "ServiceMonitor", "metadata": own(), "spec": {
                "endpoints": [{"port": "ops"}], "selector": {},
            }}),
        ),
    ]
}

fn names(name: &str) -> Names {
    Names { scauth: name.into(), namespace: name.into() }
}

async fn live(client: &Client, kind: Child, name: &str) -> Value {
    let names = names(name);
    let found = kind.api(client, &names.namespace).get_opt(&kind.name(&names)).await.unwrap();
    found.map_or(Value::Null, |found| serde_json::to_value(found).unwrap())
}

async fn make_all(client: &Client, name: &str) {
    for (kind, object) in strangers(name) {
        make(client, &kind.resource().plural, object).await;
    }
}

/// As `kubectl autoscale deployment NAME` makes one, and an Ingress of one's own beside `expose: {none: {}}`.
#[tokio::test]
async fn what_the_spec_does_not_ask_for_stops_no_change_and_stays_as_it_is() {
    let (client, name) = (admin().await, "strangers");
    apply(&client, manifest(name, spec())).await;
    settle(&client, name).await;
    make_all(&client, name).await;
    let database = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db", "namespace": name}});
    make(&client, "secrets", database).await;
    let mut before = Vec::new();
    for (kind, _) in strangers(name) {
        before.push(live(&client, kind, name).await);
    }
    let mut changed = spec();
    changed["podTemplate"] = json!({"labels": {"team": "billing"}});
    apply(&client, manifest(name, changed.clone())).await;
    settle(&client, name).await;

    let deployment = live(&client, Child::Deployment, name).await;
    assert_eq!(deployment["spec"]["template"]["metadata"]["labels"]["team"], "billing");
    let (_, reason, message) = condition(&client, name, "Ready").await;
    assert_eq!(reason, "RollingOut");
    assert!(message.contains("HorizontalPodAutoscaler strangers sets the number of replicas"), "{message}");
    assert_eq!(condition(&client, name, "Exposed").await.1, "NotWanted");

    let scauth = serde_json::from_value(manifest(name, changed.clone())).unwrap();
    let environment = operator(client.clone()).environment.clone();
    assert_eq!(
        diff(&client, &of(scauth), None, &environment).await.unwrap().text,
        "",
        "the diff has no field of other managers"
    );
    changed["suspend"] = json!(true);
    apply(&client, manifest(name, changed)).await;
    settle(&client, name).await;
    let (_, _, message) = condition(&client, name, "Ready").await;
    assert!(!message.contains("are pending"), "{message}");

    for ((kind, _), before) in strangers(name).into_iter().zip(before) {
        assert_eq!(live(&client, kind, name).await, before, "{kind:?}");
    }
}

#[tokio::test]
async fn once_the_spec_asks_for_it_it_is_in_the_way() {
    let (client, name) = (admin().await, "in-the-way");
    apply(&client, manifest(name, spec())).await;
    settle(&client, name).await;
    make_all(&client, name).await;
    let with = |field: &str, value: Value| {
        let mut spec = spec();
        spec.as_object_mut().unwrap().remove("replicas");
        spec["replicas"] = json!(1);
        spec[field] = value;
        if field == "autoscaling" {
            spec.as_object_mut().unwrap().remove("replicas");
            spec["autoscaling"] = json!({"min": 1, "max": 1});
        }
        spec
    };
    let host = "in-the-way.example.com";
    for (kind, wanting) in [
        (Child::Autoscaler, with("autoscaling", Value::Null)),
        (Child::DisruptionBudget, with("replicas", json!(2))),
        (Child::Ingress, with("expose", json!({"ingress": {"host": host}}))),
        (
            Child::HttpRoute,
            with("expose", json!({"httpRoute": {"parentRefs": [{"name": "edge"}], "hostnames": [host]}})),
        ),
        (Child::ServiceMonitor, with("monitoring", json!({}))),
    ] {
        apply(&client, manifest(name, wanting.clone())).await;
        once(&client, name, &Arc::new(Line::default())).await.unwrap().unwrap();
        let (status, reason, message) = condition(&client, name, "Ready").await;
        assert_eq!((status.as_str(), reason.as_str()), ("False", "NameConflict"), "{kind:?}: {message}");
        assert!(message.starts_with(&kind.resource().kind), "{message}");
        // Its owner deletes it: ours is made, and goes when the spec has no more need of it.
        let names = names(name);
        kind.api(&client, &names.namespace).delete(&kind.name(&names), &DeleteParams::default()).await.unwrap();
        settle(&client, name).await;
        assert!(!live(&client, kind, name).await["metadata"]["ownerReferences"].is_null(), "{kind:?} is ours now");
        apply(&client, manifest(name, spec())).await;
        settle(&client, name).await;
        assert!(live(&client, kind, name).await.is_null(), "{kind:?} is gone");
    }
}

/// How many pods there are, the spec does not say then. One budget for a pod is enough: of two, Kubernetes evicts no pod.
#[tokio::test]
async fn beside_an_autoscaler_of_somebody_else_there_is_one_budget_whatever_the_spec_s_replicas() {
    let (client, name) = (admin().await, "budgets");
    apply(&client, manifest(name, spec())).await;
    settle(&client, name).await;
    assert!(live(&client, Child::DisruptionBudget, name).await.is_null(), "one pod has none");
    for (kind, object) in strangers(name).into_iter().filter(|(kind, _)| *kind == Child::Autoscaler) {
        make(&client, &kind.resource().plural, object).await;
    }
    settle(&client, name).await;
    let budget = live(&client, Child::DisruptionBudget, name).await;
    assert_eq!(budget["spec"]["maxUnavailable"], 1, "it never keeps the only pod from being evicted: {budget}");

    let theirs = json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "their-own",
        "namespace": name}, "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"app.kubernetes.io/instance": name}}}});
    make(&client, "poddisruptionbudgets", theirs).await;
    settle(&client, name).await;
    assert!(live(&client, Child::DisruptionBudget, name).await.is_null(), "theirs is enough");

    let budgets = Child::DisruptionBudget.api(&client, name);
    budgets.delete("their-own", &DeleteParams::default()).await.unwrap();
    settle(&client, name).await;
    assert!(!live(&client, Child::DisruptionBudget, name).await.is_null());
    Child::Autoscaler.api(&client, name).delete(name, &DeleteParams::default()).await.unwrap();
    settle(&client, name).await;
    assert!(live(&client, Child::DisruptionBudget, name).await.is_null(), "one pod has none");
}

/// A person noted the first Admin's password, deleted the Secret, and keeps another one under that name.
#[tokio::test]
async fn a_secret_in_the_place_of_the_first_admins_is_left_alone() {
    let (client, name) = (admin().await, "noted");
    apply(&client, manifest(name, spec())).await;
    settle(&client, name).await;
    let secrets: kube::Api<k8s_openapi::api::core::v1::Secret> = kube::Api::namespaced(client.clone(), name);
    let secret = format!("{name}-admin");
    secrets.delete(&secret, &DeleteParams::default()).await.unwrap();
    let theirs = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": secret, "namespace": name}});
    make(&client, "secrets", theirs).await;
    let before = secrets.get(&secret).await.unwrap();
    let patch = json!({"spec": {"deletionPolicy": "Delete", "podTemplate": {"labels": {"team": "billing"}}}});
    scauths(&client).patch(name, &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
    settle(&client, name).await;
    assert_ne!(condition(&client, name, "Ready").await.1, "NameConflict");
    assert_eq!(secrets.get(&secret).await.unwrap(), before);
    let deployment = live(&client, Child::Deployment, name).await;
    assert_eq!(deployment["spec"]["template"]["metadata"]["labels"]["team"], "billing");
}
