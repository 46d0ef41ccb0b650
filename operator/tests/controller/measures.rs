//! An autoscaler writes down what it measures, every 15 seconds. That is no news to us.

use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::{Api, Client};
use sc_auth_operator::scauth::child::Child;
use sc_auth_operator::scauth::names::Names;
use serde_json::json;

use crate::harness::{admin, apply, config, eventually, make, manifest};
use crate::operators::{Operator, clean, exists, namespace, settled, spec};

/// How many reconciles have ended.
pub async fn reconciles(operator: &Operator) -> u64 {
    let metrics = operator.page("/metrics").await.1;
    let counts = metrics.lines().filter(|line| line.starts_with("sc_auth_operator_reconciles_total"));
    counts.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_autoscaler_measures_is_no_news_but_what_is_done_to_it_is() {
    let client = admin().await;
    clean(&client).await;
    namespace(&client, "measures").await;
    let (name, mark) = ("measured", "marking");
    // With a missing Secret, each would be reconciled every ten seconds.
    for name in [name, mark] {
        lend_namespace_with_database(&client, name).await;
    }
    let operator = Operator::start("one", "measures", config().await, &[]);
    let mut scaled = spec();
    scaled["autoscaling"] = json!({"max": 3});
    apply(&client, manifest(name, scaled)).await;
    eventually("the autoscaler is there", || exists(&client, Child::Autoscaler, name)).await;

    // Another one's autoscaler comes by the same watch, in the order of the changes.
    let mut scaled = spec();
    scaled["autoscaling"] = json!({"max": 3});
    apply(&client, manifest(mark, scaled)).await;
    eventually("the other autoscaler is there", || exists(&client, Child::Autoscaler, mark)).await;
    settled(|| reconciles(&operator)).await;

    // Secrets are not watched: the next reconcile recreates a missing one.
    let names = Names { scauth: name.into(), namespace: name.into() };
    let secrets: Api<Secret> = Api::namespaced(client.clone(), name);
    secrets.delete(&names.secret(), &DeleteParams::default()).await.unwrap();
    let autoscalers = Child::Autoscaler.api(&client, &names.namespace);
    for replicas in 2..6 {
        let status = json!({"status": {"currentReplicas": replicas, "desiredReplicas": replicas}});
        autoscalers.patch_status(name, &PatchParams::default(), &Patch::Merge(&status)).await.unwrap();
        is_taken_back(&client, mark).await;
        assert!(secrets.get_opt(&names.secret()).await.unwrap().is_none(), "measure {replicas} is no news");
    }

    is_taken_back(&client, name).await;
    eventually("an edit is news", || async { secrets.get_opt(&names.secret()).await.unwrap().is_some() }).await;
    autoscalers.delete(name, &DeleteParams::default()).await.unwrap();
    eventually("it is created again", || exists(&client, Child::Autoscaler, name)).await;
    operator.stop().await;
}

/// A namespace that the ScAuth of its name may use, with the Secret that its spec names.
async fn lend_namespace_with_database(client: &Client, name: &str) {
    make(client, "namespaces", json!({
        "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "annotations": {"sc-auth.io/allow": name}},
    }))
    .await;
    make(
        client,
        "secrets",
        json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db", "namespace": name},
            "stringData": {"uri": "postgres://user:password@database/name"},
        }),
    )
    .await;
}

/// Edits the autoscaler and waits for the operator.
async fn is_taken_back(client: &Client, name: &str) {
    let autoscalers = Child::Autoscaler.api(client, name);
    let more = json!({"spec": {"maxReplicas": 9}});
    autoscalers.patch(name, &PatchParams::default(), &Patch::Merge(&more)).await.unwrap();
    let most = || async { autoscalers.get(name).await.unwrap().data["spec"]["maxReplicas"].clone() };
    eventually("an edit is taken back", || async { most().await == json!(3) }).await;
}
