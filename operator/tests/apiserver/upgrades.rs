//! What release 0.2 left behind, under a later operator.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::events::v1::Event;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::{Api, Client};
use sc_auth_operator::scauth::child::Child;
use sc_auth_operator::scauth::names::Names;
use sc_auth_operator::scauth::reconcile;
use serde_json::{Value, json};

use crate::harness::{admin, apply, manifest, operator, scauths, settle};
use crate::refusals::condition;

/// The default of release 0.2, which no later one has.
const OLD_DEFAULT: &str = "docker.io/sc-auth/sc-auth-server:0.2.0";

async fn image(client: &Client, names: &Names) -> Value {
    let deployment = Child::Deployment.api(client, &names.namespace).get(&Child::Deployment.name(names)).await.unwrap();
    deployment.data["spec"]["template"]["spec"]["containers"][0]["image"].clone()
}

#[tokio::test]
async fn a_scauth_keeps_the_image_that_was_once_the_default() {
    let (client, name) = (admin().await, "old-default");
    let names = Names { scauth: name.into(), namespace: name.into() };
    apply(&client, manifest(name, json!({"database": {"embedded": {}}}))).await;
    for _ in 0..5 {
        let mut earlier = operator(client.clone());
        Arc::get_mut(&mut earlier).unwrap().environment.defaults.image = OLD_DEFAULT.into();
        // What is stored changes under it.
        drop(reconcile(Arc::new(scauths(&client).get(name).await.unwrap()), earlier).await);
    }
    assert_eq!(image(&client, &names).await, OLD_DEFAULT);

    settle(&client, name).await;
    assert_eq!(image(&client, &names).await, OLD_DEFAULT, "no pod restarts because of the new operator");
    let deployments = Child::Deployment.api(&client, &names.namespace);
    deployments.delete(&Child::Deployment.name(&names), &DeleteParams::background()).await.unwrap();
    settle(&client, name).await;
    assert_eq!(image(&client, &names).await, OLD_DEFAULT, "the status still knows it");
}

async fn annotate(client: &Client, name: &str, release: Option<&str>) {
    let patch = json!({"metadata": {"annotations": {"sc-auth.io/upgrade-to": release}}});
    scauths(client).patch(name, &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
    settle(client, name).await;
}

/// The notes of the warnings about it.
async fn warnings(client: &Client, name: &str) -> Vec<String> {
    let events: Api<Event> = Api::all(client.clone());
    let events = events.list(&ListParams::default()).await.unwrap().items;
    let is_ours = |event: &Event| {
        event.reason.as_deref() == Some("UpgradeUnknown")
            && event.type_.as_deref() == Some("Warning")
            && event.regarding.as_ref().is_some_and(|object| object.name.as_deref() == Some(name))
    };
    events.into_iter().filter(is_ours).filter_map(|event| event.note).collect()
}

#[tokio::test]
async fn an_annotation_that_names_no_release_is_reported_and_an_earlier_one_is_not() {
    let (client, name) = (admin().await, "upgrade-unknown");
    apply(&client, manifest(name, json!({"database": {"embedded": {}}}))).await;
    settle(&client, name).await;
    for (count, (value, words)) in
        [("", "is empty"), ("v0.2.0", "is \"v0.2.0\""), ("99.0.0", "later than")].into_iter().enumerate()
    {
        annotate(&client, name, Some(value)).await;
        let (_, _, message) = condition(&client, name, "Ready").await;
        assert!(message.contains("; annotation sc-auth.io/upgrade-to has no effect: it "), "{message}");
        assert!(message.contains(words) && message.ends_with("this operator has release 0.2.0"), "{message}");
        let warnings = warnings(&client, name).await;
        assert_eq!(warnings.len(), count + 1, "one for each value: {warnings:?}");
        assert!(warnings.iter().any(|warning| warning.contains(words)), "{warnings:?}");
    }
    // What an earlier operator accepted stays, and so does the manifest in Git.
    for value in [Some("0.2.0"), Some("0.1.0"), None] {
        annotate(&client, name, value).await;
        let (_, _, message) = condition(&client, name, "Ready").await;
        assert!(!message.contains("sc-auth.io/upgrade-to"), "{message}");
    }
    assert_eq!(warnings(&client, name).await.len(), 3);
}

const INSTANCE: &str = "app.kubernetes.io/instance";

/// Reads all that outlives the ScAuth.
async fn retained(client: &Client, name: &str) -> Vec<Value> {
    let names = Names { scauth: name.into(), namespace: name.into() };
    let mut objects = Vec::new();
    for child in [Child::Namespace, Child::VolumeClaim] {
        let live = child.api(client, name).get(&child.name(&names)).await.unwrap();
        objects.push(serde_json::to_value(live).unwrap());
    }
    let secrets: Api<Secret> = Api::namespaced(client.clone(), name);
    for secret in [names.secret(), names.admin_secret()] {
        objects.push(serde_json::to_value(secrets.get(&secret).await.unwrap()).unwrap());
    }
    objects
}

/// Gives them the label as release 0.2 did: applied, but for the Secrets, which it created with it.
async fn label_as_release_0_2(client: &Client, name: &str) {
    let names = Names { scauth: name.into(), namespace: name.into() };
    let labels = json!({INSTANCE: name, "sc-auth.io/retained-by": name});
    for child in [Child::Namespace, Child::VolumeClaim] {
        let resource = child.resource();
        let spec = child.api(client, name).get(&child.name(&names)).await.unwrap().data["spec"].clone();
        let applied = json!({"apiVersion": resource.api_version, "kind": resource.kind, "spec": spec,
            "metadata": {"name": child.name(&names), "labels": labels}});
        let params = PatchParams::apply("sc-auth-operator").force();
        child.api(client, name).patch(&child.name(&names), &params, &Patch::Apply(&applied)).await.unwrap();
    }
    for secret in [names.secret(), names.admin_secret()] {
        label_secret(client, name, &secret, "sc-auth-operator").await;
    }
}

async fn label_secret(client: &Client, namespace: &str, secret: &str, manager: &str) {
    let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let params = PatchParams { field_manager: Some(manager.into()), ..PatchParams::default() };
    let patch = json!({"metadata": {"labels": {INSTANCE: namespace}}});
    secrets.patch(secret, &params, &Patch::Merge(&patch)).await.unwrap();
}

#[tokio::test]
async fn what_outlives_a_scauth_loses_the_label_by_which_argo_cd_would_prune_it() {
    let (client, name) = (admin().await, "argo-label");
    apply(&client, manifest(name, json!({"database": {"embedded": {}}}))).await;
    settle(&client, name).await;
    label_as_release_0_2(&client, name).await;
    let label = |object: &Value| object["metadata"]["labels"][INSTANCE].clone();
    assert!(retained(&client, name).await.iter().all(|object| label(object) == name));

    settle(&client, name).await;
    for object in retained(&client, name).await {
        assert!(label(&object).is_null(), "{object}");
        assert_eq!(object["metadata"]["labels"]["sc-auth.io/retained-by"], name, "{object}");
    }
    // A label that somebody else sets is not ours to remove: the two would take turns without end.
    label_secret(&client, name, &format!("{name}-secret"), "argocd-controller").await;
    settle(&client, name).await;
    let secrets: Api<Secret> = Api::namespaced(client.clone(), name);
    let labels = secrets.get(&format!("{name}-secret")).await.unwrap().metadata.labels.unwrap();
    assert_eq!(labels[INSTANCE], name);
}
