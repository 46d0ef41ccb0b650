//! A ScAuth that is being deleted and that a finalizer keeps: the status stays true, and nothing is changed.

use std::sync::Arc;

use k8s_openapi::api::events::v1::Event;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::{Api, Client};
use sc_auth_operator::scauth::child::Child;
use sc_auth_operator::scauth::reconcile;
use serde_json::{Value, json};

use crate::harness::{admin, apply, manifest, operator, scauths, settle};
use crate::refusals::condition;

const FINALIZER: &str = "example.com/hold";

async fn terminating(client: &Client, name: &str, spec: Value) {
    let mut scauth = manifest(name, spec);
    scauth["metadata"]["finalizers"] = json!([FINALIZER]);
    apply(client, scauth).await;
    settle(client, name).await;
    scauths(client).delete(name, &DeleteParams::default()).await.unwrap();
    settle(client, name).await;
}

async fn release(client: &Client, name: &str) {
    let patch = json!({"metadata": {"finalizers": null}});
    scauths(client).patch(name, &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
}

async fn events(client: &Client, name: &str) -> Vec<String> {
    let events: Api<Event> = Api::all(client.clone());
    let events = events.list(&ListParams::default()).await.unwrap().items;
    let is_ours = |event: &Event| {
        event.reason.as_deref() == Some("Terminating")
            && event.regarding.as_ref().is_some_and(|object| object.name.as_deref() == Some(name))
    };
    events.into_iter().filter(is_ours).filter_map(|event| event.note).collect()
}

#[tokio::test]
async fn it_follows_the_pods_and_an_event_says_what_goes_and_what_stays() {
    let (client, name) = (admin().await, "terminating");
    terminating(&client, name, json!({"database": {"embedded": {}}})).await;
    let (status, reason, message) = condition(&client, name, "Ready").await;
    assert_eq!((status.as_str(), reason.as_str()), ("False", "Terminating"), "no pod serves: {message}");
    assert!(message.starts_with("the ScAuth is being deleted: the operator changes nothing; "), "{message}");
    let fate = "are deleted once the finalizers are removed (example.com/hold); the generated Secrets and the volume \
                and namespace terminating stay (spec.deletionPolicy: Retain)";
    let (status, _, message) = condition(&client, name, "Reconciling").await;
    assert!(status == "True" && message.ends_with(fate), "{message}");
    let events = events(&client, name).await;
    assert_eq!(events.iter().filter(|note| note.ends_with(fate)).count(), 1, "{events:?}");

    // The pods come up, and nobody restores what is deleted.
    let deployments = Child::Deployment.api(&client, name);
    let generation = deployments.get(name).await.unwrap().metadata.generation;
    let serving = json!({"status": {"observedGeneration": generation, "replicas": 1, "updatedReplicas": 1,
        "readyReplicas": 1, "availableReplicas": 1}});
    deployments.patch_status(name, &PatchParams::default(), &Patch::Merge(&serving)).await.unwrap();
    crate::harness::say(name, json!([{"database": {"reachable": true}}]));
    let service = format!("{name}-svc");
    Child::Service.api(&client, name).delete(&service, &DeleteParams::default()).await.unwrap();
    settle(&client, name).await;
    let (status, _, message) = condition(&client, name, "Ready").await;
    assert_eq!(status, "True", "{message}");
    assert!(Child::Service.api(&client, name).get_opt(&service).await.unwrap().is_none());
    release(&client, name).await;
}

#[tokio::test]
async fn what_delete_takes_with_it_is_said() {
    let (client, name) = (admin().await, "terminating-all");
    let external = json!({"external": {"urlFrom": {"name": "db", "key": "uri"}}});
    terminating(&client, name, json!({"database": external, "deletionPolicy": "Delete"})).await;
    let (_, _, message) = condition(&client, name, "Reconciling").await;
    assert!(
        message.ends_with("so is namespace terminating-all with everything in it (spec.deletionPolicy: Delete)"),
        "{message}"
    );
    release(&client, name).await;
}

/// The garbage collector of a foreground deletion deletes the children first, which this API server lacks.
#[tokio::test]
async fn its_fate_is_told_whatever_the_spec_or_a_child_would_be_refused_for() {
    let (client, name) = (admin().await, "terminating-refused");
    let mut scauth = manifest(name, json!({"database": {"embedded": {}}}));
    scauth["metadata"]["finalizers"] = json!([FINALIZER]);
    apply(&client, scauth).await;
    settle(&client, name).await;
    let deployments = Child::Deployment.api(&client, name);
    let hold = json!({"metadata": {"finalizers": [FINALIZER]}});
    deployments.patch(name, &PatchParams::default(), &Patch::Merge(&hold)).await.unwrap();
    let image = json!({"spec": {"image": "elsewhere.test/server:1"}});
    scauths(&client).patch(name, &PatchParams::default(), &Patch::Merge(&image)).await.unwrap();
    deployments.delete(name, &DeleteParams::default()).await.unwrap();
    settle(&client, name).await;
    assert_eq!(condition(&client, name, "Ready").await.1, "ChildTerminating");
    scauths(&client).delete(name, &DeleteParams::default()).await.unwrap();
    for _ in 0..2 {
        let mut context = operator(client.clone());
        Arc::get_mut(&mut context).unwrap().environment.allowed_images = vec!["registry.test/".into()];
        reconcile(Arc::new(scauths(&client).get(name).await.unwrap()), context).await.unwrap();
    }
    let fate =
        "the generated Secrets and the volume and namespace terminating-refused stay (spec.deletionPolicy: Retain)";
    let (status, reason, message) = condition(&client, name, "Reconciling").await;
    assert_eq!((status.as_str(), reason.as_str()), ("True", "Terminating"));
    assert!(message.ends_with(fate), "{message}");
    let events = events(&client, name).await;
    assert_eq!(events.iter().filter(|note| note.ends_with(fate)).count(), 1, "{events:?}");
    let release_child = json!({"metadata": {"finalizers": null}});
    deployments.patch(name, &PatchParams::default(), &Patch::Merge(&release_child)).await.unwrap();
    release(&client, name).await;
}
