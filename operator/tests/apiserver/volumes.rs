//! The volume of an embedded database: what cannot be done to it is said, the pod serves, and there is a way back.

use std::sync::Arc;

use kube::Client;
use kube::api::{DeleteParams, Patch, PatchParams};
use sc_auth_operator::scauth::child::Child;
use sc_auth_operator::scauth::names::Names;
use serde_json::{Value, json};

use crate::harness::{Line, admin, apply, eventually, make, manifest, once, scauths, settle};
use crate::refusals::condition;

fn spec(size: &str, class: &str) -> Value {
    json!({"database": {"embedded": {"size": size, "storageClassName": class}}})
}

fn names(name: &str) -> Names {
    Names { scauth: name.into(), namespace: name.into() }
}

async fn class(client: &Client, name: &str, expands: bool) {
    make(
        client,
        "storageclasses",
        json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
        "metadata": {"name": name}, "provisioner": "example.com/none", "allowVolumeExpansion": expands}),
    )
    .await;
}

async fn claim(client: &Client, name: &str) -> Value {
    let names = names(name);
    let claim = Child::VolumeClaim.api(client, &names.namespace).get(&names.volume_claim()).await.unwrap();
    serde_json::to_value(claim).unwrap()
}

/// As the volume's controller does, which this API server lacks.
async fn bind(client: &Client, name: &str, capacity: &str) {
    let names = names(name);
    let status = json!({"status": {"phase": "Bound", "capacity": {"storage": capacity}}});
    let api = Child::VolumeClaim.api(client, &names.namespace);
    api.patch_status(&names.volume_claim(), &PatchParams::default(), &Patch::Merge(&status)).await.unwrap();
}

/// As the Deployment's controller does once the pod is ready.
async fn serve(client: &Client, name: &str) {
    let api = Child::Deployment.api(client, &names(name).namespace);
    let generation = api.get(name).await.unwrap().metadata.generation;
    let status = json!({"status": {"observedGeneration": generation, "replicas": 1, "updatedReplicas": 1,
        "readyReplicas": 1, "availableReplicas": 1}});
    api.patch_status(name, &PatchParams::default(), &Patch::Merge(&status)).await.unwrap();
}

async fn look(client: &Client, name: &str) {
    once(client, name, &Arc::new(Line::default())).await.unwrap().unwrap();
}

/// A change by a person; the API server's refusal where there is one.
async fn change(client: &Client, name: &str, spec: Value) -> Result<(), String> {
    let patch = Patch::Merge(json!({"spec": spec}));
    let changed = scauths(client).patch(name, &PatchParams::default(), &patch).await;
    changed.map(|_| ()).map_err(|error| error.to_string())
}

async fn resize(client: &Client, name: &str, size: &str) -> Result<(), String> {
    change(client, name, json!({"database": {"embedded": {"size": size}}})).await
}

async fn is_ready(client: &Client, name: &str) -> String {
    let (status, reason, message) = condition(client, name, "Ready").await;
    assert_eq!((status.as_str(), reason.as_str()), ("True", "Serving"), "{message}");
    message
}

#[tokio::test]
async fn a_class_that_cannot_expand_is_named_the_pod_serves_and_the_size_goes_back() {
    let (client, name) = (admin().await, "fixed-size");
    class(&client, "fixed", false).await;
    apply(&client, manifest(name, spec("1Gi", "fixed"))).await;
    settle(&client, name).await;
    bind(&client, name, "1Gi").await;
    serve(&client, name).await;
    settle(&client, name).await;
    is_ready(&client, name).await;
    let volume = scauths(&client).get(name).await.unwrap().status.unwrap().volume.unwrap();
    assert_eq!((volume.capacity.as_deref(), volume.storage_class_name.as_deref()), (Some("1Gi"), Some("fixed")));

    resize(&client, name, "10Gi").await.unwrap();
    // What else changes on the claim is applied all the same.
    change(&client, name, json!({"deletionPolicy": "Delete"})).await.unwrap();
    look(&client, name).await;
    look(&client, name).await;
    is_ready(&client, name).await;
    let (status, reason, message) = condition(&client, name, "Stalled").await;
    assert_eq!((status.as_str(), reason.as_str()), ("True", "VolumeNotExpandable"));
    assert!(
        message.contains("StorageClass fixed does not allow expansion") && message.contains("back to 1Gi"),
        "{message}"
    );
    let now = claim(&client, name).await;
    assert_eq!(now["spec"]["resources"]["requests"]["storage"], "1Gi");
    assert!(!now["metadata"]["ownerReferences"].is_null());

    let refusal = resize(&client, name, "512Mi").await.unwrap_err();
    assert!(refusal.contains("size can only grow"), "{refusal}");
    resize(&client, name, "2Gi").await.unwrap();
    resize(&client, name, "1Gi").await.unwrap();
    settle(&client, name).await;
    assert_eq!(condition(&client, name, "Stalled").await.0, "False");
    is_ready(&client, name).await;
}

#[tokio::test]
async fn a_volume_that_grows_is_told_until_it_has_grown() {
    let (client, name) = (admin().await, "growing");
    class(&client, "elastic", true).await;
    apply(&client, manifest(name, spec("1Gi", "elastic"))).await;
    settle(&client, name).await;
    bind(&client, name, "1Gi").await;
    serve(&client, name).await;
    resize(&client, name, "2Gi").await.unwrap();
    settle(&client, name).await;
    assert_eq!(claim(&client, name).await["spec"]["resources"]["requests"]["storage"], "2Gi");
    is_ready(&client, name).await;
    let (status, reason, message) = condition(&client, name, "Reconciling").await;
    assert_eq!((status.as_str(), reason.as_str()), ("True", "VolumeResizing"));
    assert!(message.contains("from 1Gi to 2Gi"), "{message}");
    bind(&client, name, "2Gi").await;
    settle(&client, name).await;
    assert_eq!(condition(&client, name, "Reconciling").await.0, "False");
    let refusal = resize(&client, name, "1Gi").await.unwrap_err();
    assert!(refusal.contains("size can only grow"), "{refusal}");
}

#[tokio::test]
async fn a_retained_claim_that_is_larger_or_of_another_class_is_taken_up_as_it_is() {
    let (client, name) = (admin().await, "retained");
    class(&client, "large", true).await;
    class(&client, "small", false).await;
    apply(&client, manifest(name, spec("10Gi", "large"))).await;
    settle(&client, name).await;
    bind(&client, name, "10Gi").await;
    scauths(&client).delete(name, &DeleteParams::default()).await.unwrap();
    // The garbage collector notices new kinds every half minute.
    let (names, deployments) = (names(name), Child::Deployment);
    eventually("the workload is collected", || async {
        deployments.api(&client, &names.namespace).get_opt(name).await.unwrap().is_none()
    })
    .await;
    apply(&client, manifest(name, spec("1Gi", "small"))).await;
    settle(&client, name).await;
    serve(&client, name).await;
    settle(&client, name).await;
    let message = is_ready(&client, name).await;
    assert!(message.contains("stays at 10Gi") && message.contains("stays in StorageClass large"), "{message}");
    let now = claim(&client, name).await;
    assert_eq!(now["spec"]["resources"]["requests"]["storage"], "10Gi");

    // Any other change is taken, and what is not true can be set right.
    change(&client, name, json!({"podTemplate": {"labels": {"team": "billing"}}})).await.unwrap();
    resize(&client, name, "5Gi").await.unwrap();
    resize(&client, name, "1Gi").await.unwrap();
    let moved = |class: &str| json!({"database": {"embedded": {"storageClassName": class}}});
    let refusal = change(&client, name, moved("third")).await.unwrap_err();
    assert!(refusal.contains("storageClassName cannot change"), "{refusal}");
    change(&client, name, moved("large")).await.unwrap();
    resize(&client, name, "10Gi").await.unwrap();
    settle(&client, name).await;
    serve(&client, name).await;
    settle(&client, name).await;
    assert_eq!(is_ready(&client, name).await, "1 of 1 replicas serve");
}

#[tokio::test]
async fn a_claim_that_waits_for_its_volume_in_vain_can_be_made_in_another_class() {
    let (client, name) = (admin().await, "mistyped");
    apply(&client, manifest(name, spec("900Gi", "tyop"))).await;
    settle(&client, name).await;
    change(&client, name, spec("1Gi", "typo")).await.unwrap();
    serve(&client, name).await;
    settle(&client, name).await;
    let (status, reason, message) = condition(&client, name, "Reconciling").await;
    assert_eq!((status.as_str(), reason.as_str()), ("True", "VolumePending"), "{message}");
    assert!(message.contains("kubectl -n mistyped delete pvc mistyped-data"), "{message}");
    let (api, pvc) = (Child::VolumeClaim.api(&client, &names(name).namespace), names(name).volume_claim());
    api.delete(&pvc, &DeleteParams::default()).await.unwrap();
    let free = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    drop(api.patch(&pvc, &PatchParams::default(), &free).await);
    settle(&client, name).await;
    let now = claim(&client, name).await;
    assert_eq!(
        (&now["spec"]["storageClassName"], &now["spec"]["resources"]["requests"]["storage"]),
        (&json!("typo"), &json!("1Gi"))
    );
}

#[tokio::test]
async fn a_namespace_that_may_not_be_used_can_be_changed_until_something_is_made() {
    let (client, name) = (admin().await, "wrong-place");
    make(
        &client,
        "namespaces",
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "somebody-elses"}}),
    )
    .await;
    let mut wrong = spec("1Gi", "fixed");
    wrong["namespace"] = json!("somebody-elses");
    apply(&client, manifest(name, wrong)).await;
    let refusal = change(&client, name, json!({"namespace": "wrong-place-own"})).await.unwrap_err();
    assert!(refusal.contains("spec.namespace cannot change"), "nobody has looked yet: {refusal}");
    settle(&client, name).await;
    assert_eq!(condition(&client, name, "Ready").await.1, "NamespaceNotAllowed");
    change(&client, name, json!({"namespace": "wrong-place-own"})).await.unwrap();
    settle(&client, name).await;
    assert_ne!(condition(&client, name, "Ready").await.1, "NamespaceNotAllowed");
    let refusal = change(&client, name, json!({"namespace": "elsewhere"})).await.unwrap_err();
    assert!(refusal.contains("spec.namespace cannot change"), "{refusal}");
}

/// An object that release 0.2 left has no volume in its status: the old rule holds until the operator has looked.
#[tokio::test]
async fn before_the_status_says_what_the_volume_has_a_size_only_grows() {
    let (client, name) = (admin().await, "unseen-volume");
    apply(&client, manifest(name, spec("2Gi", "fixed"))).await;
    let refusal = resize(&client, name, "1Gi").await.unwrap_err();
    assert!(refusal.contains("size can only grow"), "{refusal}");
    settle(&client, name).await;
    resize(&client, name, "1Gi").await.unwrap();
}
