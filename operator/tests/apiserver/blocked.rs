//! What the status says of the pods, and of what clients reach, while the spec is refused, or a part of it.

use std::sync::Arc;

use kube::Client;
use kube::api::{DeleteParams, Patch, PatchParams};
use sc_auth_operator::scauth::child::Child;
use sc_auth_operator::scauth::reconcile;
use serde_json::{Value, json};

use crate::exposure::exposed;
use crate::harness::{Line, admin, eventually, make, once, operator, say, scauths};
use crate::refusals::condition;

/// As the Deployment's controller and the pods make it, which this API server lacks.
async fn serving(client: &Client, name: &str, ready: i32, is_reachable: bool) {
    let deployments = Child::Deployment.api(client, name);
    let generation = deployments.get(name).await.unwrap().metadata.generation;
    let status = json!({"status": {"observedGeneration": generation, "replicas": 2, "updatedReplicas": 2,
        "readyReplicas": ready, "availableReplicas": ready}});
    deployments.patch_status(name, &PatchParams::default(), &Patch::Merge(&status)).await.unwrap();
    say(name, json!([{"version": "9", "database": {"reachable": is_reachable, "schema": 2, "identity": name}}]));
}

/// A ScAuth whose pods serve, and whose Ingress has an address.
async fn served(client: &Client, name: &str) {
    exposed(client, name, json!({"host": format!("{name}.test"), "className": "served"})).await;
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db", "namespace": name}});
    make(client, "secrets", secret).await;
    serving(client, name, 2, true).await;
    once(client, name, &Arc::new(Line::default())).await.unwrap().unwrap();
    is(client, name, "Ready", "True", "Serving").await;
}

/// A policy on PodDisruptionBudgets in one namespace.
async fn forbid_budgets(client: &Client, name: &str) {
    let policy = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy", "metadata": {"name": name},
        "spec": {
            "matchConstraints": {"resourceRules": [{
                "apiGroups": ["policy"], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"],
                "resources": ["poddisruptionbudgets"],
            }]},
            "validations": [{"expression": format!("object.metadata.namespace != '{name}'"), "message": "no budgets"}],
        },
    });
    let binding = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": name}, "spec": {"policyName": name, "validationActions": ["Deny"]},
    });
    make(client, "validatingadmissionpolicies", policy).await;
    make(client, "validatingadmissionpolicybindings", binding).await;
}

async fn is(client: &Client, name: &str, kind: &str, status: &str, reason: &str) {
    let found = condition(client, name, kind).await;
    assert_eq!((found.0.as_str(), found.1.as_str()), (status, reason), "{kind}: {}", found.2);
}

async fn set(client: &Client, name: &str, spec: Value) {
    scauths(client).patch(name, &PatchParams::default(), &Patch::Merge(&json!({"spec": spec}))).await.unwrap();
}

#[tokio::test]
async fn while_a_policy_refuses_one_child_the_other_conditions_follow_the_cluster() {
    let (client, name) = (admin().await, "partly");
    served(&client, name).await;
    forbid_budgets(&client, name).await;
    eventually("the policy is in force", || async {
        let budgets = Child::DisruptionBudget.api(&client, name);
        drop(budgets.delete(name, &DeleteParams::default()).await);
        once(&client, name, &Arc::new(Line::default())).await.unwrap().is_err()
    })
    .await;
    for (kind, status, reason) in [
        ("Ready", "False", "PolicyDenied"),
        ("Exposed", "True", "Admitted"),
        ("DatabaseReady", "True", "Migrated"),
        ("KeysReady", "True", "KeysKnown"),
    ] {
        is(&client, name, kind, status, reason).await;
    }
    let url = async || scauths(&client).get(name).await.unwrap().status.unwrap().url;
    assert_eq!(url().await.as_deref(), Some("http://partly.test"));

    serving(&client, name, 1, false).await;
    set(&client, name, json!({"expose": {"ingress": {"className": "nobody", "host": "other.test"}}})).await;
    for _ in 0..2 {
        once(&client, name, &Arc::new(Line::default())).await.unwrap().unwrap_err();
        is(&client, name, "Ready", "False", "PolicyDenied").await;
        is(&client, name, "Exposed", "Unknown", "NoAddress").await;
        is(&client, name, "DatabaseReady", "False", "DatabaseUnreachable").await;
    }
    assert_eq!(url().await.as_deref(), Some("http://other.test"), "the Ingress was applied");
    assert_eq!(scauths(&client).get(name).await.unwrap().status.unwrap().ready_replicas, Some(1));
}

#[tokio::test]
async fn while_the_spec_is_refused_the_conditions_follow_the_pods() {
    let (client, name) = (admin().await, "refused-serving");
    served(&client, name).await;
    let before = scauths(&client).get(name).await.unwrap().status.unwrap();
    serving(&client, name, 1, false).await;
    let refusing = async || {
        let mut context = operator(client.clone());
        let answers = json!([{"version": "9", "database": {"reachable": false, "schema": 2, "identity": name}}]);
        let answers: Vec<_> = serde_json::from_value(answers).unwrap();
        context.health_cache.tell(name, sc_auth_operator::scauth::health::Health::of(&answers).unwrap());
        Arc::get_mut(&mut context).unwrap().environment.allowed_images = vec!["registry.test/".into()];
        reconcile(Arc::new(scauths(&client).get(name).await.unwrap()), context).await.unwrap();
    };
    set(&client, name, json!({"image": "elsewhere.test/server:1", "expose": {"ingress": {"host": "new.test"}}})).await;
    refusing().await;
    is(&client, name, "Ready", "False", "ImageNotAllowed").await;
    is(&client, name, "DatabaseReady", "False", "DatabaseUnreachable").await;
    is(&client, name, "Exposed", "True", "Admitted").await;
    let now = scauths(&client).get(name).await.unwrap().status.unwrap();
    assert_eq!((now.url, now.exposure, now.image), (before.url, before.exposure, before.image));
    assert_eq!(now.ready_replicas, Some(1));
    Child::Ingress.api(&client, name).delete(&format!("{name}-ingress"), &DeleteParams::default()).await.unwrap();
    refusing().await;
    is(&client, name, "Exposed", "False", "NoAddress").await;
}
