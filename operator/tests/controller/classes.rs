//! The class of an Ingress changes before it has an address, and the controller of the class before writes one all the same.

use kube::Client;
use kube::api::{Patch, PatchParams};
use sc_auth_operator::scauth::child::Child;
use serde_json::{Value, json};

use crate::harness::{admin, apply, config, eventually, make, manifest, scauths};
use crate::operators::{Operator, clean, exists, namespace, spec};

fn with_class(name: &str, class: &str) -> Value {
    let mut spec = spec();
    spec["expose"] = json!({"ingress": {"host": format!("{name}.example.com"), "className": class}});
    spec
}

async fn class(client: &Client, name: &str) {
    let class = json!({"apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "metadata": {"name": name},
        "spec": {"controller": format!("example.com/{name}")}});
    make(client, "ingressclasses", class).await;
}

/// As the ingress controller of that class.
async fn write_address(client: &Client, name: &str, class: &str, address: &str) {
    let status = Patch::Merge(json!({"status": {"loadBalancer": {"ingress": [{"ip": address}]}}}));
    let params = PatchParams { field_manager: Some(format!("{class}-controller")), ..PatchParams::default() };
    Child::Ingress.api(client, name).patch_status(&format!("{name}-ingress"), &params, &status).await.unwrap();
}

/// Status of Exposed, and the recorded address with its class.
async fn exposed(client: &Client, name: &str) -> [String; 3] {
    let status = scauths(client).get(name).await.unwrap().status.unwrap_or_default();
    let exposed = status.conditions.into_iter().find(|condition| condition.type_ == "Exposed");
    let address = status.exposure.and_then(|exposure| exposure.address).unwrap_or_default();
    [exposed.map(|condition| condition.status).unwrap_or_default(), address.value, address.class]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_address_by_the_controller_of_the_class_before_does_not_count() {
    let client = admin().await;
    clean(&client).await;
    namespace(&client, "classes").await;
    for name in ["early", "later"] {
        class(&client, name).await;
    }
    let operator = Operator::start("one", "classes", config().await, &["--resync", "1h"]);
    let (neighbour, moved) = ("class-neighbour", "class-moved");
    for name in [neighbour, moved] {
        apply(&client, manifest(name, with_class(name, "early"))).await;
        eventually("the Ingress exists", || exists(&client, Child::Ingress, name)).await;
    }
    write_address(&client, neighbour, "early", "192.0.2.1").await;
    let expected = ["True", "192.0.2.1", "early"];
    eventually("the neighbour has an address", || async { exposed(&client, neighbour).await == expected }).await;

    apply(&client, manifest(moved, with_class(moved, "later"))).await;
    let expected = ["Unknown", "", "early"];
    eventually("the change of class is recorded", || async { exposed(&client, moved).await == expected }).await;
    write_address(&client, moved, "early", "192.0.2.2").await;
    let expected = ["Unknown", "192.0.2.2", "early"];
    eventually("the late address does not count", || async { exposed(&client, moved).await == expected }).await;
    write_address(&client, moved, "later", "192.0.2.3").await;
    let expected = ["True", "192.0.2.3", "later"];
    eventually("that of the new controller does", || async { exposed(&client, moved).await == expected }).await;
    operator.stop().await;
}
