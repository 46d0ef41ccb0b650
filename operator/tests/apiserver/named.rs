//! Objects that the spec names and that do not exist.

use std::sync::Arc;

use kube::Client;
use kube::api::{Patch, PatchParams};
use sc_auth_operator::scauth::child::Child;
use serde_json::{Value, json};

use crate::harness::{Line, admin, apply, make, manifest, once, settle};
use crate::refusals::condition;

async fn ready(client: &Client, name: &str) -> (String, String, String) {
    once(client, name, &Arc::new(Line::default())).await.unwrap().unwrap();
    condition(client, name, "Ready").await
}

async fn create(client: &Client, kind: &str, plural: &str, namespace: &str, name: &str) {
    let object = json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": namespace}});
    make(client, plural, object).await;
}

#[tokio::test]
async fn config_maps_are_missed_like_secrets() {
    let (client, name) = (admin().await, "mapless");
    let template = json!({
        "env": [
            {"name": "A", "valueFrom": {"configMapKeyRef": {"name": "variable", "key": "a"}}},
            {"name": "B", "valueFrom": {"configMapKeyRef": {"name": "spare", "key": "a", "optional": true}}},
        ],
        "volumes": [
            {"name": "a", "configMap": {"name": "volume"}},
            {"name": "b", "projected": {"sources": [{"configMap": {"name": "projected"}}, {"secret": {"name": "secret"}}]}},
        ],
    });
    apply(&client, manifest(name, json!({"database": {"embedded": {}}, "podTemplate": template}))).await;
    settle(&client, name).await;
    let (_, reason, message) = ready(&client, name).await;
    assert_eq!(reason, "SecretNotFound", "{message}");
    create(&client, "Secret", "secrets", name, "secret").await;
    let (status, reason, message) = ready(&client, name).await;
    assert_eq!((status.as_str(), reason.as_str()), ("False", "ConfigMapNotFound"), "{message}");
    let sentence = "ConfigMaps projected, variable, volume are missing in namespace mapless, see spec.podTemplate.env, \
                    spec.podTemplate.volumes; the pods cannot start without them: create them";
    assert_eq!(message, sentence);
    for map in ["projected", "variable"] {
        create(&client, "ConfigMap", "configmaps", name, map).await;
    }
    assert!(ready(&client, name).await.2.starts_with("ConfigMap volume is missing"));
    create(&client, "ConfigMap", "configmaps", name, "volume").await;
    assert_eq!(ready(&client, name).await.1, "RollingOut");
}

#[tokio::test]
async fn a_missing_secret_does_not_hide_that_the_deployment_is_paused() {
    let (client, name) = (admin().await, "halted");
    apply(&client, manifest(name, json!({"database": {"external": {"urlFrom": {"name": "db", "key": "uri"}}}}))).await;
    settle(&client, name).await;
    assert_eq!(ready(&client, name).await.1, "SecretNotFound");
    let pause = |paused: Value| Patch::Merge(json!({"spec": {"paused": paused}}));
    let api = Child::Deployment.api(&client, name);
    api.patch(name, &PatchParams::default(), &pause(json!(true))).await.unwrap();
    let (_, reason, message) = ready(&client, name).await;
    assert_eq!(reason, "RolloutPaused", "{message}");
    for words in ["rollout resume deployment/halted", "Secret db is missing"] {
        assert!(message.contains(words), "{words}: {message}");
    }
    assert_eq!(condition(&client, name, "DatabaseReady").await.1, "SecretNotFound");
    api.patch(name, &PatchParams::default(), &pause(Value::Null)).await.unwrap();
    assert_eq!(ready(&client, name).await.1, "SecretNotFound");
}
