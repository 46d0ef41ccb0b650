//! A field of a Service that cannot change: the class of its load balancer.

use std::sync::Arc;

use kube::Client;
use kube::api::{Patch, PatchParams};
use sc_auth_operator::api::ScAuth;
use sc_auth_operator::diff::diff;
use sc_auth_operator::scauth::child::Child;
use serde_json::{Value, json};

use crate::harness::{Line, admin, apply, manifest, of, once, operator, scauths, settle};
use crate::refusals::condition;

fn spec(service: Value) -> Value {
    json!({"database": {"external": {"urlFrom": {"name": "db", "key": "uri"}}}, "service": service})
}

fn balancer(class: &str) -> Value {
    json!({"type": "LoadBalancer", "loadBalancerClass": class, "loadBalancerSourceRanges": ["203.0.113.0/24"]})
}

async fn set(client: &Client, name: &str, spec: Value) {
    let patch = Patch::Merge(json!({"spec": spec}));
    scauths(client).patch(name, &PatchParams::default(), &patch).await.unwrap();
    once(client, name, &Arc::new(Line::default())).await.unwrap().unwrap();
}

async fn live(client: &Client, name: &str) -> (Option<String>, Value) {
    let service = Child::Service.api(client, name).get(&format!("{name}-svc")).await.unwrap();
    (service.metadata.uid, service.data["spec"]["loadBalancerClass"].clone())
}

/// The API server refuses the change of a class, but not that of a type in between, which is never applied.
#[tokio::test]
async fn a_class_that_changes_while_suspended_is_applied_afterwards() {
    let (client, name) = (admin().await, "classy");
    apply(&client, manifest(name, spec(balancer("example.com/a")))).await;
    settle(&client, name).await;
    let (uid, class) = live(&client, name).await;
    assert_eq!(class, "example.com/a");
    for (after, expected) in
        [(balancer("example.com/b"), json!("example.com/b")), (json!({"type": "LoadBalancer"}), Value::Null)]
    {
        set(&client, name, json!({"suspend": true, "service": null})).await;
        set(&client, name, json!({"service": after})).await;
        let mut wanted = manifest(name, spec(after));
        wanted["spec"]["suspend"] = json!(false);
        let wanted: ScAuth = serde_json::from_value(wanted).unwrap();
        let environment = operator(client.clone()).environment.clone();
        let text = diff(&client, &of(wanted), Some("another"), &environment).await.unwrap().text;
        set(&client, name, json!({"suspend": null})).await;
        assert_eq!(condition(&client, name, "Stalled").await.0, "False");
        assert_eq!(live(&client, name).await, (uid.clone(), expected), "the Service is not another one");
        assert!(text.contains("-  loadBalancerClass: example.com/") && !text.contains("null"), "{text}");
        settle(&client, name).await;
    }
}
