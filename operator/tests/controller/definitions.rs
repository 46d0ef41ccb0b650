//! Definitions that are missing, that come later, and that an earlier release had.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{ApiResource, DeleteParams, Patch, PatchParams};
use kube::core::DynamicObject;
use kube::{Api, Client};
use sc_auth_operator::api::ScAuth;
use sc_auth_operator::diff::diff;
use sc_auth_operator::scauth::child::Child;
use serde_json::{Value, json};

use crate::harness::{admin, apply, config, define, eventually, make, manifest, of, operator as operator_of, scauths};
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

/// Our definition without the limits that release 0.2 did not have.
async fn define_as_before(client: &Client) {
    let mut definition: Value = serde_yaml::from_str(&std::fs::read_to_string(OURS).unwrap()).unwrap();
    loosen(&mut definition);
    let path = std::env::temp_dir().join(format!("scauths-{}.yaml", std::process::id()));
    std::fs::write(&path, serde_yaml::to_string(&definition).unwrap()).unwrap();
    define(client, path.to_str().unwrap()).await;
    std::fs::remove_file(path).unwrap();
}

fn loosen(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            // A field has that name too.
            fields.retain(|name, value| name != "maximum" || !value.is_number());
            if let Some(rules) = fields.get_mut("x-kubernetes-validations").and_then(Value::as_array_mut) {
                rules.retain(|rule| !rule["message"].as_str().unwrap_or_default().contains("need mode verify-ca"));
            }
            fields.values_mut().for_each(loosen);
        }
        Value::Array(items) => items.iter_mut().for_each(loosen),
        _ => {}
    }
}

/// The condition of a ScAuth that cannot be read as one: its status, reason and message.
async fn condition(client: &Client, name: &str, kind: &str) -> [String; 3] {
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &ApiResource::erase::<ScAuth>(&()));
    let object = api.get(name).await.unwrap().data;
    let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let found = conditions.into_iter().find(|condition| condition["type"] == kind).unwrap_or_default();
    ["status", "reason", "message"].map(|field| found[field].as_str().unwrap_or_default().to_owned())
}

/// Of each kind of number that release 0.2 stored and could not read.
#[tokio::test(flavor = "multi_thread")]
async fn a_scauth_that_cannot_be_read_is_named_and_keeps_no_other_from_being_reconciled() {
    let client = admin().await;
    clean(&client).await;
    namespace(&client, "unreadable").await;
    define_as_before(&client).await;
    let constraint =
        json!({"maxSkew": 3_000_000_000_i64, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"});
    let broken = [
        ("broken-port", json!({"networkPolicy": {"egressTo": [{"ports": [{"port": 5_432_543_254_i64}]}]}}), "].port: "),
        ("broken-skew", json!({"podTemplate": {"topologySpreadConstraints": [constraint]}}), "].maxSkew: "),
        ("broken-scale", json!({"autoscaling": {"max": 3_000_000_000_i64}}), "spec.autoscaling.max: "),
    ];
    for (name, part, _) in &broken {
        let mut object = manifest(name, spec());
        object["spec"].as_object_mut().unwrap().extend(part.as_object().unwrap().clone());
        make(&client, "scauths", object).await;
    }
    define(&client, OURS).await;
    let first = Operator::start("one", "unreadable", config().await, &[]);
    apply(&client, manifest("readable", spec())).await;
    eventually("the other is reconciled", || exists(&client, Child::DisruptionBudget, "readable")).await;
    for (name, _, path) in &broken {
        eventually("Ready names the field", || async {
            let [status, reason, message] = condition(&client, name, "Ready").await;
            status == "False" && reason == "Invalid" && message.contains(path)
        })
        .await;
        assert_eq!(condition(&client, name, "Stalled").await[0], "True");
    }
    // Its other fields can change, and a change of one that is watched passes too.
    let suspend = Patch::Merge(json!({"spec": {"suspend": true}}));
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &ApiResource::erase::<ScAuth>(&()));
    api.patch("broken-port", &PatchParams::default(), &suspend).await.unwrap();
    first.stop().await;
    // A new leader lists all of them.
    let second = Operator::start("two", "unreadable", config().await, &[]);
    apply(&client, manifest("readable-later", spec())).await;
    eventually("a later one is reconciled", || exists(&client, Child::DisruptionBudget, "readable-later")).await;
    // So does a diff.
    let other: ScAuth = serde_json::from_value(manifest("readable-diff", spec())).unwrap();
    diff(&client, &of(other), None, &operator_of(client.clone()).environment).await.unwrap();
    let corrected: ScAuth = serde_json::from_value(manifest("broken-skew", spec())).unwrap();
    diff(&client, &of(corrected), None, &operator_of(client.clone()).environment).await.unwrap();
    // Correcting it is enough.
    for (name, ..) in &broken {
        let parts = json!({"networkPolicy": null, "podTemplate": null, "autoscaling": null, "suspend": null});
        let patch = Patch::Merge(json!({"spec": parts}));
        api.patch(name, &PatchParams::default(), &patch).await.unwrap();
        eventually("it is reconciled", || exists(&client, Child::DisruptionBudget, name)).await;
        eventually("it is no longer stalled", || async { condition(&client, name, "Stalled").await[0] == "False" })
            .await;
    }
    second.stop().await;
}

/// Release 0.2 accepted an authority beside a mode that verifies nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_scauth_that_a_later_rule_refuses_is_reconciled_and_its_other_fields_can_change() {
    let client = admin().await;
    clean(&client).await;
    namespace(&client, "ratcheted").await;
    define_as_before(&client).await;
    let mut old = manifest("unverified", spec());
    let ca = json!({"name": "ca", "key": "ca.crt"});
    old["spec"]["database"]["external"]["tls"] = json!({"mode": "required", "caFrom": ca});
    apply(&client, old).await;
    define(&client, OURS).await;
    let operator = Operator::start("one", "ratcheted", config().await, &[]);
    eventually("it is reconciled", || exists(&client, Child::DisruptionBudget, "unverified")).await;
    eventually("it has a status", || async { !condition(&client, "unverified", "Ready").await[1].is_empty() }).await;
    let change = async |spec: Value| {
        let patch = Patch::Merge(json!({"spec": spec}));
        scauths(&client).patch("unverified", &PatchParams::default(), &patch).await.map_err(|error| error.to_string())
    };
    change(json!({"replicas": 4})).await.unwrap();
    let tls = |mode: &str| json!({"database": {"external": {"tls": {"mode": mode}}}});
    let refusal = change(tls("preferred")).await.unwrap_err();
    assert!(refusal.contains("caFrom and caFile need mode verify-ca or verify-identity"), "{refusal}");
    change(tls("verify-identity")).await.unwrap();
    operator.stop().await;
}
