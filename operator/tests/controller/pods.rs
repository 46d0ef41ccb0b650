//! Pods are asked how they are, also those that are not ready. There is no kubelet here: a stand-in, a few lines of
//! HTTP on a loopback address, answers in a pod's place.

use std::sync::{Arc, Mutex};

use axum::Json;
use axum::routing::get;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use sc_auth_operator::scauth::child::Child;
use sc_auth_operator::scauth::names::Names;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::harness::{admin, apply, config, eventually, make, manifest, scauths};
use crate::operators::{Operator, clean, exists, namespace};

/// Answers `/status` with what it was last told.
struct StandIn {
    answer: Arc<Mutex<Value>>,
    task: JoinHandle<()>,
}

impl StandIn {
    async fn at(address: &str, answer: Value) -> Self {
        let answer = Arc::new(Mutex::new(answer));
        let told = Arc::clone(&answer);
        let router = axum::Router::new().route(
            "/status",
            get(move || {
                let now = told.lock().unwrap().clone();
                async move { Json(now) }
            }),
        );
        let listener = tokio::net::TcpListener::bind((address, 8001)).await.unwrap();
        let task = tokio::spawn(async move { drop(axum::serve(listener, router).await) });
        Self { answer, task }
    }

    fn say(&self, answer: Value) {
        *self.answer.lock().unwrap() = answer;
    }
}

async fn condition(client: &Client, name: &str, kind: &str) -> [String; 2] {
    let status = scauths(client).get(name).await.unwrap().status.unwrap_or_default();
    let found = status.conditions.into_iter().find(|condition| condition.type_ == kind);
    found.map(|condition| [condition.status, condition.reason]).unwrap_or_default()
}

/// The Deployment's pod with that address, and the Deployment as its controller leaves it.
async fn pod(client: &Client, name: &str, address: &str) {
    let names = Names { scauth: name.into(), namespace: name.into() };
    let deployments = Child::Deployment.api(client, &names.namespace);
    let deployment = deployments.get(name).await.unwrap();
    let template = &deployment.data["spec"]["template"];
    let mut metadata = template["metadata"].clone();
    metadata["name"] = json!("only");
    metadata["namespace"] = json!(name);
    make(client, "pods", json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}))
        .await;
    let pods: Api<k8s_openapi::api::core::v1::Pod> = Api::namespaced(client.clone(), name);
    let status = json!({"status": {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}]}});
    pods.patch_status("only", &PatchParams::default(), &Patch::Merge(&status)).await.unwrap();
    let status = json!({"status": {"observedGeneration": deployment.metadata.generation, "replicas": 1,
        "updatedReplicas": 1, "readyReplicas": 1, "availableReplicas": 1}});
    deployments.patch_status(name, &PatchParams::default(), &Patch::Merge(&status)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_pod_says_of_its_database_is_asked_before_it_is_ready_and_heard_when_it_changes() {
    let client = admin().await;
    clean(&client).await;
    namespace(&client, "asking").await;
    let (name, address) = ("asked", "127.0.0.77");
    let held = |expected: &str| json!({"version": "9", "hold": {"reason": "EmptyDatabase", "expected": expected, "found": "empty-1"}});
    let serving = json!({"version": "9", "database": {"reachable": true, "schema": 2, "identity": "one"}});
    let stand_in = StandIn::at(address, serving.clone()).await;
    let operator = Operator::start("one", "asking", config().await, &[]);
    apply(&client, manifest(name, json!({"database": {"embedded": {}}}))).await;
    eventually("the Deployment is there", || exists(&client, Child::Deployment, name)).await;
    pod(&client, name, address).await;
    let is = async |kind: &str, expected: [&str; 2]| condition(&client, name, kind).await == expected;
    eventually("it is Ready", || is("Ready", ["True", "Serving"])).await;
    let known = || async { scauths(&client).get(name).await.unwrap().status.unwrap().database.unwrap().identity };
    assert_eq!(known().await.as_deref(), Some("one"), "what it said came first");

    // The pod is ready all the while: only its answer tells.
    stand_in.say(held("one"));
    eventually("the loss is heard", || is("Ready", ["False", "DatabaseLost"])).await;
    operator.kill();
    let operator = Operator::start("two", "asking", config().await, &[]);
    eventually("the other one leads", || async { operator.leads().await }).await;
    assert!(is("Ready", ["False", "DatabaseLost"]).await, "the next leader has no memory");
    let patch = json!({"metadata": {"annotations": {"sc-auth.io/accept-database": "empty-1"}}});
    scauths(&client).patch(name, &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
    eventually("it is accepted", || async { known().await.as_deref() == Some("empty-1") }).await;
    stand_in.say(json!({"database": {"reachable": true, "identity": "two", "accepted_as": "empty-1"}}));
    eventually("it is known by its identity", || async { known().await.as_deref() == Some("two") }).await;
    operator.stop().await;
    stand_in.task.abort();
}
