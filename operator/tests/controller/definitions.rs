//! Definitions that are missing, that come later, and that an earlier release had.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::{Api, Client};
use sc_auth_operator::diff::diff;
use sc_auth_operator::scauth::child::Child;
use serde_json::json;

use crate::harness::{admin, apply, config, define, eventually, manifest, of, operator as operator_of, scauths};
use crate::operators::{Operator, clean, exists, namespace, spec};

const OURS: &str = "../crds/sc-auth.io_scauths.yaml";

async fn undefine(client: &Client, name: &str) {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    drop(api.delete(name, &DeleteParams::default()).await);
    eventually("the definition is gone", || async { api.get_opt(name).await.unwrap().is_none() }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_own_definition_it_waits_and_is_not_ready() {
    let client = admin().await;
    clean(&client).await;
    undefine(&client, "scauths.sc-auth.io").await;
    namespace(&client, "undefined").await;
    let operator = Operator::start("one", "undefined", config().await, &[]);
    eventually("it answers", || async { operator.page("/healthz").await.0 == 200 }).await;
    let (status, text) = operator.page("/readyz").await;
    assert_eq!(status, 503);
    assert!(text.contains("CustomResourceDefinition scauths.sc-auth.io is missing: apply crds/"), "{text}");
    define(&client, OURS).await;
    eventually("it is ready", || async { operator.page("/readyz").await.0 == 200 }).await;
    apply(&client, manifest("late-definition", spec())).await;
    eventually("it reconciles", || exists(&client, Child::Service, "late-definition")).await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kind_that_the_cluster_lacks_is_named_and_its_coming_is_noticed() {
    let client = admin().await;
    clean(&client).await;
    for name in ["httproutes.gateway.networking.k8s.io", "servicemonitors.monitoring.coreos.com"] {
        undefine(&client, name).await;
    }
    namespace(&client, "foreign").await;
    let operator = Operator::start("one", "foreign", config().await, &[]);
    let name = "foreign-kinds";
    let mut both = spec();
    both["monitoring"] = json!({});
    both["expose"] = json!({"httpRoute": {"parentRefs": [{"name": "edge"}], "hostnames": ["auth.example.com"]}});
    apply(&client, manifest(name, both.clone())).await;
    let reason = |kind: &'static str| {
        let client = client.clone();
        async move {
            let status = scauths(&client).get(name).await.unwrap().status.unwrap_or_default();
            let found = status.conditions.into_iter().find(|condition| condition.type_ == kind);
            found.map(|condition| condition.reason).unwrap_or_default()
        }
    };
    eventually("Exposed says so", || async { reason("Exposed").await == "GatewayApiMissing" }).await;
    eventually("Monitored says so", || async { reason("Monitored").await == "PrometheusOperatorMissing" }).await;
    // `diff` says so too, before the namespace exists and afterwards.
    for name in [name, "foreign-new"] {
        let mut scauth = manifest(name, both.clone());
        scauth["spec"]["expose"]["httpRoute"]["hostnames"] = json!([format!("{name}.example.com")]);
        let scauth = serde_json::from_value(scauth).unwrap();
        let environment = operator_of(client.clone()).environment.clone();
        let preview = diff(&client, &of(scauth), None, &environment).await.unwrap();
        let notes = ["HTTPRoute", "ServiceMonitor"].map(|kind| {
            format!(
                "ScAuth {name}: the cluster does not have the {kind} API: the {kind} is created once it is installed"
            )
        });
        assert!(notes.iter().all(|note| preview.notes.contains(note)), "{:?}", preview.notes);
        assert!(!preview.text.contains("applied/HTTPRoute"), "{}", preview.text);
    }
    define(&client, &std::env::var("SCDEV_FOREIGN_CRDS").unwrap()).await;
    eventually("the route is there", || exists(&client, Child::HttpRoute, name)).await;
    eventually("the monitor is there", || exists(&client, Child::ServiceMonitor, name)).await;
    eventually("Exposed follows", || async { reason("Exposed").await == "NoGateway" }).await;
    // From now on it is watched like all others.
    let watched = "sc_auth_operator_watch_silence_seconds{resource=\"httproutes\"}";
    eventually("routes are watched", || async { operator.page("/metrics").await.1.contains(watched) }).await;
    let names = sc_auth_operator::scauth::names::Names { scauth: name.into(), namespace: name.into() };
    Child::HttpRoute.api(&client, &names.namespace).delete(name, &DeleteParams::default()).await.unwrap();
    eventually("the route is back", || exists(&client, Child::HttpRoute, name)).await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_of_the_last_release_is_served_edited_and_reconciled() {
    let client = admin().await;
    clean(&client).await;
    undefine(&client, "scauths.sc-auth.io").await;
    define(&client, "tests/releases/0.1.0/crd.yaml").await;
    let old: serde_json::Value =
        serde_yaml::from_str(&std::fs::read_to_string("tests/releases/full.yaml").unwrap()).unwrap();
    let old = json!({
        "apiVersion": old["apiVersion"], "kind": old["kind"], "metadata": {"name": "last-release"}, "spec": old["spec"],
    });
    let stored = apply(&client, old).await;
    define(&client, OURS).await;
    namespace(&client, "upgraded").await;
    let operator = Operator::start("one", "upgraded", config().await, &[]);
    let served = scauths(&client).get("last-release").await.unwrap();
    assert_eq!(served.spec, stored.spec);
    // A field that the last release did not have, and one that it had.
    let edit = json!({"spec": {"keys": {"rotation": "10d"}, "replicas": 4}});
    scauths(&client).patch("last-release", &PatchParams::default(), &Patch::Merge(&edit)).await.unwrap();
    let names = sc_auth_operator::scauth::names::Names { scauth: "last-release".into(), namespace: "tenants".into() };
    eventually("it is reconciled", || async {
        let deployment = Child::Deployment.api(&client, &names.namespace).get_opt("last-release").await.unwrap();
        deployment.is_some_and(|deployment| deployment.data["spec"]["replicas"] == 4)
    })
    .await;
    operator.stop().await;
}
