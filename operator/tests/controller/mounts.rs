//! Why a volume cannot be mounted stands in an event alone: nothing else changes then.
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use sc_auth_operator::scauth::child::Child;
use sc_auth_operator::scauth::names::Names;
use serde_json::{Value, json};

use crate::harness::{admin, apply, config, eventually, make, manifest, scauths};
use crate::operators::{Operator, clean, exists, namespace};

async fn ready_reason(client: &Client, name: &str) -> String {
    let status = scauths(client).get(name).await.unwrap().status.unwrap_or_default();
    let ready = status.conditions.into_iter().find(|condition| condition.type_ == "Ready");
    ready.map(|condition| condition.reason).unwrap_or_default()
}

/// The Deployment's pod as a kubelet leaves it until its volumes are there.
async fn pod_that_waits(client: &Client, name: &str, has_init_container: bool) {
    let names = Names { scauth: name.into(), namespace: name.into() };
    let deployment = Child::Deployment.api(client, &names.namespace).get(name).await.unwrap();
    let template = &deployment.data["spec"]["template"];
    let mut metadata = template["metadata"].clone();
    metadata["name"] = json!("waiting");
    metadata["namespace"] = json!(name);
    make(client, "pods", json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}))
        .await;
    let waiting = |container: &str, reason: &str| {
        json!({"name": container, "image": "server", "imageID": "", "ready": false, "restartCount": 0,
            "state": {"waiting": {"reason": reason}}})
    };
    let status = if has_init_container {
        json!({"status": {"phase": "Pending", "initContainerStatuses": [waiting("migrate", "PodInitializing")]}})
    } else {
        json!({"status": {"phase": "Pending", "containerStatuses": [waiting("server", "ContainerCreating")]}})
    };
    let pods: Api<k8s_openapi::api::core::v1::Pod> = Api::namespaced(client.clone(), name);
    pods.patch_status("waiting", &PatchParams::default(), &Patch::Merge(&status)).await.unwrap();
}

fn failed_mount(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Event", "metadata": {"name": "waiting.1", "namespace": name},
        "involvedObject": {"kind": "Pod", "name": "waiting", "namespace": name}, "type": "Warning",
        "reason": "FailedMount", "message": "configmap \"no-such-map\" not found"})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mount_that_fails_after_the_last_look_is_noticed_too() {
    let client = admin().await;
    clean(&client).await;
    namespace(&client, "mounts").await;
    let operator = Operator::start("one", "mounts", config().await, &[]);
    for (name, migration) in [("mounting", "InitContainer"), ("mounting-alone", "Server")] {
        let spec = json!({"database": {"embedded": {}}, "podTemplate": {"migration": migration}});
        apply(&client, manifest(name, spec)).await;
        eventually("the Deployment is there", || exists(&client, Child::Deployment, name)).await;
        pod_that_waits(&client, name, migration == "InitContainer").await;
        eventually("it waits", || async { ready_reason(&client, name).await == "RollingOut" }).await;
        make(&client, "events", failed_mount(name)).await;
        eventually("it is named", || async { ready_reason(&client, name).await == "MountFailed" }).await;
    }
    operator.stop().await;
}
