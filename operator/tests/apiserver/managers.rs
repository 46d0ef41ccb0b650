//! Others write to our children too: what is theirs stays, what is ours comes back, and nobody fights.

use std::sync::Arc;

use kube::Client;
use kube::api::{Patch, PatchParams};
use sc_auth_operator::scauth::child::Child;
use sc_auth_operator::scauth::names::Names;
use sc_auth_operator::scauth::reconcile;
use serde_json::{Value, json};

use crate::harness::{Line, admin, apply, eventually, make, manifest, once, operator, scauths, settle, tried};

fn spec() -> Value {
    json!({
        "database": {"external": {"urlFrom": {"name": "db", "key": "uri"}}},
        "expose": {"ingress": {"host": "auth.example.com", "annotations": {"example.com/ours": "1"}}},
    })
}

fn names(name: &str) -> Names {
    Names { scauth: name.into(), namespace: name.into() }
}

async fn child(client: &Client, kind: Child, name: &str) -> Value {
    let names = names(name);
    serde_json::to_value(kind.api(client, &names.namespace).get(&kind.name(&names)).await.unwrap()).unwrap()
}

/// Another manager writes, as `kubectl edit` does.
async fn edit(client: &Client, manager: &str, kind: Child, name: &str, patch: Value) {
    let names = names(name);
    let params = PatchParams { field_manager: Some(manager.into()), ..PatchParams::default() };
    kind.api(client, &names.namespace).patch(&kind.name(&names), &params, &Patch::Merge(&patch)).await.unwrap();
}

/// The writes of a fresh operator's reconcile.
async fn writes(client: &Client, name: &str) -> Vec<String> {
    let line = Arc::new(Line::default());
    once(client, name, &line).await.unwrap().unwrap();
    let writes = line.writes.lock().unwrap().clone();
    writes.into_iter().filter(|write| !write.ends_with("/status") && !write.contains("/events")).collect()
}

#[tokio::test]
async fn what_a_mesh_a_policy_engine_or_a_person_adds_stays_and_costs_no_write() {
    let (client, name) = (admin().await, "additions");
    apply(&client, manifest(name, spec())).await;
    settle(&client, name).await;
    for (manager, kind, patch, path) in [
        (
            "mesh",
            Child::Deployment,
            json!({"spec": {"template": {"metadata": {"annotations": {"linkerd.io/inject": "enabled"}}}}}),
            "/spec/template/metadata/annotations/linkerd.io~1inject",
        ),
        (
            "policy-engine",
            Child::Service,
            json!({"metadata": {"labels": {"cost-center": "42"}}}),
            "/metadata/labels/cost-center",
        ),
        (
            "cert-manager",
            Child::Ingress,
            json!({"metadata": {"annotations": {"cert-manager.io/x": "y"}}}),
            "/metadata/annotations/cert-manager.io~1x",
        ),
        ("person", Child::Namespace, json!({"metadata": {"labels": {"team": "billing"}}}), "/metadata/labels/team"),
        (
            "person",
            Child::DisruptionBudget,
            json!({"metadata": {"annotations": {"a": "b"}}}),
            "/metadata/annotations/a",
        ),
    ] {
        edit(&client, manager, kind, name, patch).await;
        assert_eq!(writes(&client, name).await, [""; 0], "{manager}");
        assert!(child(&client, kind, name).await.pointer(path).is_some(), "{manager}'s field is still there");
    }
    // And it survives when something of ours is applied beside it.
    let mut changed = spec();
    changed["replicas"] = json!(4);
    apply(&client, manifest(name, changed)).await;
    settle(&client, name).await;
    let deployment = child(&client, Child::Deployment, name).await;
    assert_eq!(deployment["spec"]["replicas"], 4);
    assert_eq!(deployment["spec"]["template"]["metadata"]["annotations"]["linkerd.io/inject"], "enabled");
}

#[tokio::test]
async fn what_is_ours_comes_back_and_what_is_one_value_is_ours_as_a_whole() {
    let (client, name) = (admin().await, "edits");
    apply(&client, manifest(name, spec())).await;
    settle(&client, name).await;
    for (kind, patch, path, value) in [
        (Child::Deployment, json!({"spec": {"replicas": 7}}), "/spec/replicas", json!(2)),
        (Child::Service, json!({"spec": {"selector": {"track": "canary"}}}), "/spec/selector/track", Value::Null),
        (
            Child::NetworkPolicy,
            json!({"spec": {"podSelector": {"matchLabels": {"none": "such"}}}}),
            "/spec/podSelector/matchLabels/none",
            Value::Null,
        ),
        (Child::NetworkPolicy, json!({"spec": {"ingress": [{}]}}), "/spec/ingress/0/ports/0/port", json!(8000)),
        (
            Child::Namespace,
            json!({"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "privileged"}}}),
            "/metadata/labels/pod-security.kubernetes.io~1enforce",
            json!("restricted"),
        ),
    ] {
        edit(&client, "person", kind, name, patch).await;
        assert_eq!(writes(&client, name).await.len(), 1, "{kind:?}");
        let child = child(&client, kind, name).await;
        assert_eq!(child.pointer(path).cloned().unwrap_or_default(), value, "{kind:?}");
    }
}

#[tokio::test]
async fn what_is_dropped_from_the_spec_vanishes_from_the_child() {
    let (client, name) = (admin().await, "omissions");
    let mut rich = spec();
    rich["expose"]["ingress"]["tls"] = json!({});
    rich["podTemplate"] = json!({"labels": {"team": "billing"}});
    apply(&client, manifest(name, rich)).await;
    settle(&client, name).await;
    let bare = json!({"database": spec()["database"], "expose": {"ingress": {"host": "auth.example.com"}}});
    apply(&client, manifest(name, bare)).await;
    settle(&client, name).await;
    let ingress = child(&client, Child::Ingress, name).await;
    assert!(ingress["spec"]["tls"].is_null() && ingress["metadata"]["annotations"]["example.com/ours"].is_null());
    let deployment = child(&client, Child::Deployment, name).await;
    assert!(deployment["spec"]["template"]["metadata"]["labels"]["team"].is_null());
}

async fn replicas(client: &Client, name: &str) -> Value {
    child(client, Child::Deployment, name).await["spec"]["replicas"].clone()
}

/// Of four pods, none falls at the handover, and whatever number comes then stays, but for zero, where no autoscaler acts.
async fn an_autoscaler_decides(client: &Client, name: &str, fewest: i32) {
    assert_eq!(replicas(client, name).await, 4, "as before, until the autoscaler says otherwise");
    edit(client, "kube-controller-manager", Child::Deployment, name, json!({"spec": {"replicas": 7}})).await;
    assert_eq!(writes(client, name).await, [""; 0]);
    assert_eq!(replicas(client, name).await, 7);
    edit(client, "kubectl", Child::Deployment, name, json!({"spec": {"replicas": 0}})).await;
    settle(client, name).await;
    assert_eq!(replicas(client, name).await, fewest, "the fewest");
}

#[tokio::test]
async fn an_autoscaler_s_number_is_not_touched_and_never_falls_at_the_handover() {
    let (client, name) = (admin().await, "scaled");
    let mut fixed = spec();
    fixed["replicas"] = json!(4);
    apply(&client, manifest(name, fixed.clone())).await;
    settle(&client, name).await;
    let mut scaled = spec();
    scaled["autoscaling"] = json!({"min": 2, "max": 9});
    apply(&client, manifest(name, scaled)).await;
    settle(&client, name).await;
    an_autoscaler_decides(&client, name, 2).await;
    apply(&client, manifest(name, fixed)).await;
    settle(&client, name).await;
    assert_eq!(replicas(&client, name).await, 4, "the spec decides again");
    // And over again: nothing is left of the first handover that would be in the way.
    let mut scaled = spec();
    scaled["autoscaling"] = json!({"min": 2, "max": 9});
    apply(&client, manifest(name, scaled)).await;
    settle(&client, name).await;
    assert_eq!(replicas(&client, name).await, 4);
}

/// As `kubectl autoscale deployment NAME --name OTHER` makes one.
#[tokio::test]
async fn an_autoscaler_of_somebody_else_has_the_number_until_it_is_gone() {
    let (client, name) = (admin().await, "scaled-by-others");
    let mut fixed = spec();
    fixed["replicas"] = json!(4);
    apply(&client, manifest(name, fixed)).await;
    settle(&client, name).await;
    make(&client, "horizontalpodautoscalers", json!({
        "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "theirs", "namespace": name},
        "spec": {"maxReplicas": 9, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}},
    }))
    .await;
    settle(&client, name).await;
    an_autoscaler_decides(&client, name, 4).await;
    let names = Names { scauth: name.into(), namespace: name.into() };
    Child::Autoscaler
        .api(&client, &names.namespace)
        .delete("theirs", &kube::api::DeleteParams::default())
        .await
        .unwrap();
    settle(&client, name).await;
    assert_eq!(replicas(&client, name).await, 4, "the spec decides again");
}

/// A policy that changes each object of that kind in that namespace, so that it then contains `mark`.
async fn mutate(client: &Client, name: &str, group: &str, plural: &str, expression: &str, mark: &str) {
    make(client, "mutatingadmissionpolicies", json!({
        "apiVersion": "admissionregistration.k8s.io/v1beta1", "kind": "MutatingAdmissionPolicy", "metadata": {"name": name},
        "spec": {
            "matchConstraints": {"resourceRules": [{
                "apiGroups": [group], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": [plural],
            }]},
            "matchConditions": [{"name": "here", "expression": format!("object.metadata.namespace == '{name}' || object.metadata.name == '{name}'")}],
            "failurePolicy": "Fail", "reinvocationPolicy": "Never",
            "mutations": [{"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": expression}}],
        },
    })).await;
    make(
        client,
        "mutatingadmissionpolicybindings",
        json!({
            "apiVersion": "admissionregistration.k8s.io/v1beta1", "kind": "MutatingAdmissionPolicyBinding",
            "metadata": {"name": name}, "spec": {"policyName": name},
        }),
    )
    .await;
    eventually("the policy is in force", || async { tried(client, plural, name).await.contains(mark) }).await;
}

#[tokio::test]
async fn a_policy_that_adds_labels_costs_no_write() {
    let (client, name) = (admin().await, "labelled");
    let expression = "Object{metadata: Object.metadata{labels: {'policy': 'was-here'}}}";
    mutate(&client, name, "", "services", expression, "was-here").await;
    apply(&client, manifest(name, spec())).await;
    settle(&client, name).await;
    assert_eq!(child(&client, Child::Service, name).await["metadata"]["labels"]["policy"], "was-here");
    assert_eq!(writes(&client, name).await, [""; 0]);
}

#[tokio::test]
async fn a_policy_that_overrides_us_has_the_last_word_and_is_not_fought() {
    let (client, name) = (admin().await, "overridden");
    let expression = "Object{spec: Object.spec{revisionHistoryLimit: 9}}";
    mutate(&client, name, "apps", "deployments", expression, "\"revisionHistoryLimit\":9").await;
    apply(&client, manifest(name, spec())).await;
    let line = Arc::new(Line::default());
    let context = operator(line.client(&client));
    for _ in 0..3 {
        let scauth = Arc::new(scauths(&client).get(name).await.unwrap());
        reconcile(scauth, Arc::clone(&context)).await.unwrap();
    }
    let applied = line.writes.lock().unwrap().iter().filter(|write| write.contains("/deployments/")).count();
    assert_eq!(applied, 1, "the same operator does not try again");
    assert_eq!(child(&client, Child::Deployment, name).await["spec"]["revisionHistoryLimit"], 9);
    // A change of ours is still applied.
    let mut changed = spec();
    changed["replicas"] = json!(3);
    apply(&client, manifest(name, changed)).await;
    let scauth = Arc::new(scauths(&client).get(name).await.unwrap());
    reconcile(scauth, context).await.unwrap();
    assert_eq!(child(&client, Child::Deployment, name).await["spec"]["replicas"], 3);
}
