//! What release 0.2 left behind, under a later operator.

use std::sync::Arc;

use kube::Client;
use kube::api::DeleteParams;
use sc_auth_operator::scauth::child::Child;
use sc_auth_operator::scauth::names::Names;
use sc_auth_operator::scauth::reconcile;
use serde_json::{Value, json};

use crate::harness::{admin, apply, manifest, operator, scauths, settle};

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
