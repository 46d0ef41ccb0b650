//! What is said of the StorageClass and the PersistentVolume behind the claim of an embedded database.

use std::sync::Arc;

use kube::Client;
use kube::api::{DeleteParams, Patch, PatchParams};
use sc_auth_operator::scauth::child::Child;
use sc_auth_operator::scauth::names::Names;
use serde_json::{Value, json};

use crate::harness::{Line, admin, apply, impersonating, make, manifest, once, scauths, settle};
use crate::openid::notes;
use crate::refusals::condition;

fn spec(class: &str) -> Value {
    json!({"database": {"embedded": {"storageClassName": class}}})
}

async fn class(client: &Client, name: &str, provisioner: &str) {
    let class = json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
        "metadata": {"name": name}, "provisioner": provisioner});
    make(client, "storageclasses", class).await;
}

async fn look(client: &Client, name: &str) -> (String, String, String) {
    once(client, name, &Arc::new(Line::default())).await.unwrap().unwrap();
    condition(client, name, "DatabaseReady").await
}

/// As a person binds the claim to a volume of this source, by hand.
async fn bind(client: &Client, name: &str, source: Value) {
    let names = Names { scauth: name.into(), namespace: name.into() };
    let mut spec = json!({"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"]});
    spec.as_object_mut().unwrap().extend(source.as_object().unwrap().clone());
    let volume = json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": spec});
    make(client, "persistentvolumes", volume).await;
    let api = Child::VolumeClaim.api(client, &names.namespace);
    let bound = Patch::Merge(json!({"spec": {"volumeName": name}}));
    api.patch(&names.volume_claim(), &PatchParams::default(), &bound).await.unwrap();
}

#[tokio::test]
async fn a_storage_class_that_does_not_exist_is_named_with_what_to_do() {
    let (client, name) = (admin().await, "classless-volume");
    apply(&client, manifest(name, spec("ghost-storage"))).await;
    // The reconcile that creates the claim.
    look(&client, name).await;
    for kind in ["Ready", "DatabaseReady"] {
        let (status, reason, message) = condition(&client, name, kind).await;
        assert_eq!((status.as_str(), reason.as_str()), ("False", "StorageClassNotFound"), "{message}");
        for words in ["StorageClass ghost-storage, which does not exist", "delete pvc classless-volume-data"] {
            assert!(message.contains(words), "{words}: {message}");
        }
    }
    class(&client, "ghost-storage", "example.com/none").await;
    assert_eq!(look(&client, name).await.1, "Starting");
}

#[tokio::test]
async fn a_volume_on_a_network_file_system_is_warned_of() {
    let client = admin().await;
    for (name, provisioner) in
        [("on-nfs", "nfs.csi.k8s.io"), ("on-efs", "efs.csi.aws.com"), ("on-azure", "file.csi.azure.com")]
    {
        class(&client, name, provisioner).await;
        apply(&client, manifest(name, spec(name))).await;
        let (_, _, message) = look(&client, name).await;
        assert!(message.contains(&format!("on a network file system ({provisioner})")), "{message}");
        assert_eq!(message.matches("network file system").count(), 1, "{message}");
        assert_eq!(notes(&client, name, "VolumeOnNetwork").await.len(), 1);
    }
    class(&client, "on-disk", "ebs.csi.aws.com").await;
    apply(&client, manifest("on-disk", spec("on-disk"))).await;
    settle(&client, "on-disk").await;
    assert!(!condition(&client, "on-disk", "DatabaseReady").await.2.contains("network"));
}

#[tokio::test]
async fn a_volume_that_a_person_made_on_nfs_is_warned_of() {
    let client = admin().await;
    let nfs = json!({"nfs": {"server": "files.test", "path": "/a"}});
    let csi = json!({"csi": {"driver": "efs.csi.aws.com", "volumeHandle": "fs-1"}});
    for (name, source, driver) in [("by-nfs", nfs, "(nfs)"), ("by-csi", csi, "(efs.csi.aws.com)")] {
        apply(&client, manifest(name, spec(""))).await;
        settle(&client, name).await;
        assert!(!look(&client, name).await.2.contains("network"));
        bind(&client, name, source).await;
        let message = look(&client, name).await.2;
        assert!(message.contains(driver), "{message}");
    }
}

/// The rights of the operator's release before.
#[tokio::test]
async fn without_the_right_to_read_classes_nothing_is_said_of_them() {
    let (client, name) = (admin().await, "unread-storage");
    apply(&client, manifest(name, spec("unread-storage"))).await;
    settle(&client, name).await;
    let rule = |groups: Value, resources: Value| json!({"apiGroups": groups, "resources": resources, "verbs": ["*"]});
    let groups = json!([
        "sc-auth.io",
        "events.k8s.io",
        "apps",
        "policy",
        "autoscaling",
        "networking.k8s.io",
        "gateway.networking.k8s.io",
        "monitoring.coreos.com"
    ]);
    let core =
        json!(["namespaces", "services", "serviceaccounts", "persistentvolumeclaims", "secrets", "pods", "events"]);
    make(
        &client,
        "clusterroles",
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "before-storage"},
            "rules": [rule(groups, json!(["*"])), rule(json!([""]), core)],
        }),
    )
    .await;
    make(&client, "clusterrolebindings", json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "before-storage"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "before-storage"},
        "subjects": [{"kind": "User", "name": "before-storage", "apiGroup": "rbac.authorization.k8s.io"}],
    })).await;
    let restricted = impersonating("before-storage").await;
    assert_eq!(look(&restricted, name).await.1, "Starting");
    scauths(&client).delete(name, &DeleteParams::default()).await.unwrap();
}
