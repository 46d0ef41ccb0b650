//! The watches report the operator's own writes too. Those are no reason for a reconcile; what others do is.

use kube::Client;
use kube::api::{DeleteParams, Patch, PatchParams};
use sc_auth_operator::scauth::child::Child;
use serde_json::{Value, json};

use crate::harness::{admin, apply, config, eventually, manifest, scauths};
use crate::measures::reconciles;
use crate::operators::{Operator, clean, exists, namespace, settled};

async fn scaled(client: &Client, name: &str, replicas: i64) {
    let deployments = Child::Deployment.api(client, name);
    let number = || async { deployments.get(name).await.unwrap().data["spec"]["replicas"] == replicas };
    eventually("the replicas are as in the spec", number).await;
}

/// An edit by another client of one field of an object.
async fn edit(client: &Client, child: Child, name: &str, change: Value) {
    child.api(client, name).patch(name, &PatchParams::default(), &Patch::Merge(&change)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_scauth_is_reconciled_once_and_after_each_change_by_others() {
    let client = admin().await;
    clean(&client).await;
    namespace(&client, "echoes").await;
    let operator = Operator::start("one", "echoes", config().await, &[]);
    eventually("it leads", || operator.leads()).await;
    let name = "echo";
    let mut object = manifest(name, json!({"database": {"embedded": {}}, "expose": {"none": {}}}));
    apply(&client, object.clone()).await;
    eventually("it is reported", || async { scauths(&client).get(name).await.unwrap().status.is_some() }).await;
    assert_eq!(settled(|| reconciles(&operator)).await, 1);

    edit(&client, Child::Deployment, name, json!({"spec": {"replicas": 7}})).await;
    scaled(&client, name, 1).await;
    let policy = Child::NetworkPolicy.api(&client, name);
    policy.delete(name, &DeleteParams::default()).await.unwrap();
    eventually("what was deleted is back", || exists(&client, Child::NetworkPolicy, name)).await;
    // An edit just before and after the operator writes.
    object["spec"]["suspend"] = json!(true);
    apply(&client, object.clone()).await;
    object["spec"]["suspend"] = json!(false);
    apply(&client, object).await;
    edit(&client, Child::Deployment, name, json!({"spec": {"replicas": 5}})).await;
    scaled(&client, name, 1).await;

    let status = json!({"status": {"conditions": []}});
    scauths(&client).patch_status(name, &PatchParams::default(), &Patch::Merge(&status)).await.unwrap();
    eventually("a status that somebody changed is corrected", || async {
        !scauths(&client).get(name).await.unwrap().status.unwrap().conditions.is_empty()
    })
    .await;
    operator.stop().await;
}
