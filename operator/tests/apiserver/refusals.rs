//! What the API server refuses becomes a condition with its own words.

use kube::api::{ApiResource, DeleteParams, Patch, PatchParams, PostParams};
use kube::core::DynamicObject;
use kube::{Api, Client};
use sc_auth_operator::scauth::child::Child;
use sc_auth_operator::scauth::names::Names;
use serde_json::{Value, json};

use crate::faults::collected;
use crate::harness::{
    Line, admin, apply, eventually, impersonating, make, manifest, once, say, scauths, settle, silence, tried,
};

fn spec() -> Value {
    json!({"database": {"external": {"urlFrom": {"name": "db", "key": "uri"}}}})
}

/// A policy on our Deployments in one namespace.
async fn forbid_deployments(client: &Client, name: &str) {
    make(
        client,
        "validatingadmissionpolicies",
        json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy", "metadata": {"name": name},
            "spec": {
                "matchConstraints": {"resourceRules": [{
                    "apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["deployments"],
                }]},
                "validations": [{
                    "expression": format!("object.metadata.namespace != '{name}' && object.metadata.name != '{name}'"),
                    "message": "not on a Friday",
                }],
            },
        }),
    )
    .await;
    make(
        client,
        "validatingadmissionpolicybindings",
        json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": name}, "spec": {"policyName": name, "validationActions": ["Deny"]},
        }),
    )
    .await;
    let is_in_force = || async { tried(client, "deployments", name).await.contains("not on a Friday") };
    eventually("the policy is in force", is_in_force).await;
}

pub async fn condition(client: &Client, name: &str, kind: &str) -> (String, String, String) {
    let status = scauths(client).get(name).await.unwrap().status.unwrap_or_default();
    let found = status.conditions.into_iter().find(|condition| condition.type_ == kind);
    found.map(|condition| (condition.status, condition.reason, condition.message)).unwrap_or_default()
}

/// Reconciles once, which must fail, and gives what Ready says then.
async fn refused(client: &Client, name: &str) -> (String, String) {
    once(client, name, &std::sync::Arc::new(Line::default())).await.unwrap().unwrap_err();
    let (status, reason, message) = condition(client, name, "Ready").await;
    assert_eq!(status, "False");
    (reason, message)
}

#[tokio::test]
async fn a_policy_s_refusal_is_passed_on_and_the_other_children_are_there() {
    let (client, name) = (admin().await, "denied");
    forbid_deployments(&client, name).await;
    apply(&client, manifest(name, spec())).await;
    let (reason, message) = refused(&client, name).await;
    assert_eq!(reason, "PolicyDenied");
    assert!(message.starts_with("Deployment denied: ") && message.contains("not on a Friday"), "{message}");
    assert_eq!(condition(&client, name, "Stalled").await.0, "False", "the policy may change");
    let names = Names { scauth: name.into(), namespace: name.into() };
    for kind in [Child::Service, Child::NetworkPolicy, Child::DisruptionBudget] {
        assert!(kind.api(&client, &names.namespace).get_opt(&kind.name(&names)).await.unwrap().is_some(), "{kind:?}");
    }
}

#[tokio::test]
async fn what_cannot_change_is_said_and_is_stalled() {
    let (client, name) = (admin().await, "immutable");
    apply(&client, manifest(name, spec())).await;
    settle(&client, name).await;
    // Somebody replaced the Deployment by one with other selectors that carries our owner reference.
    let uid = scauths(&client).get(name).await.unwrap().metadata.uid.unwrap();
    let deployments: Api<DynamicObject> =
        Api::namespaced_with(client.clone(), name, &ApiResource::erase::<k8s_openapi::api::apps::v1::Deployment>(&()));
    deployments.delete(name, &DeleteParams::default()).await.unwrap();
    make(
        &client,
        "deployments",
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": name, "namespace": name, "ownerReferences": [
                {"apiVersion": "sc-auth.io/v1alpha1", "kind": "ScAuth", "name": name, "uid": uid, "controller": true}]},
            "spec": {
                "selector": {"matchLabels": {"app": "other"}},
                "template": {"metadata": {"labels": {"app": "other"}}, "spec": {"containers": [{"name": "a", "image": "a"}]}},
            },
        }),
    )
    .await;
    let (reason, message) = refused(&client, name).await;
    assert_eq!(reason, "Invalid");
    assert!(message.contains("field is immutable"), "{message}");
    assert_eq!(condition(&client, name, "Stalled").await.0, "True");
}

#[tokio::test]
async fn the_first_admin_cannot_change_once_its_secret_exists() {
    let (client, name) = (admin().await, "first-admin");
    let named = |username: &str| json!({"bootstrapAdmin": {"username": username}});
    let change = async |spec: Value| change(&client, name, spec).await;
    let spec = json!({"database": {"embedded": {}}, "bootstrapAdmin": {"username": "mistake"}});
    apply(&client, manifest(name, spec)).await;
    change(named("root")).await.unwrap();
    settle(&client, name).await;
    for other in [
        named("other"),
        json!({"bootstrapAdmin": {"email": "root@example.com"}}),
        json!({"bootstrapAdmin": {"username": null}}),
        json!({"bootstrapAdmin": null}),
    ] {
        let refusal = change(other.clone()).await.unwrap_err();
        assert!(refusal.contains("spec.bootstrapAdmin cannot change once"), "{other}: {refusal}");
    }
    change(json!({"bootstrapAdmin": {"username": "root"}, "suspend": true})).await.unwrap();
}

async fn rename_first_admin(client: &Client, name: &str, username: &str) -> Result<(), String> {
    change(client, name, json!({"bootstrapAdmin": {"username": username}})).await
}

async fn change(client: &Client, name: &str, spec: Value) -> Result<(), String> {
    let patch = Patch::Merge(json!({"spec": spec}));
    let changed = scauths(client).patch(name, &PatchParams::default(), &patch).await;
    changed.map(drop).map_err(|error| error.to_string())
}

/// The Secrets come before the children.
#[tokio::test]
async fn the_first_admin_cannot_change_after_a_first_apply_that_failed() {
    let (client, name) = (admin().await, "first-admin-denied");
    forbid_deployments(&client, name).await;
    apply(&client, manifest(name, spec())).await;
    refused(&client, name).await;
    let refusal = rename_first_admin(&client, name, "other").await.unwrap_err();
    assert!(refusal.contains("spec.bootstrapAdmin cannot change once"), "{refusal}");
}

#[tokio::test]
async fn the_first_admin_cannot_change_while_the_keys_are_unreadable() {
    let (client, name) = (admin().await, "first-admin-broken");
    apply(&client, manifest(name, spec())).await;
    settle(&client, name).await;
    let names = Names { scauth: name.into(), namespace: name.into() };
    let secrets: Api<k8s_openapi::api::core::v1::Secret> = Api::namespaced(client.clone(), name);
    let broken = Patch::Merge(json!({"stringData": {"keys.json": "nonsense"}}));
    secrets.patch(&names.secret(), &PatchParams::default(), &broken).await.unwrap();
    settle(&client, name).await;
    assert_eq!(condition(&client, name, "Ready").await.1, "KeysUnreadable");
    let refusal = rename_first_admin(&client, name, "other").await.unwrap_err();
    assert!(refusal.contains("spec.bootstrapAdmin cannot change once"), "{refusal}");
}

/// Deleted, kept and adopted.
#[tokio::test]
async fn a_first_admin_of_another_name_than_in_the_spec_is_named() {
    let (client, name) = (admin().await, "first-admin-kept");
    let mut first = manifest(name, spec());
    first["spec"]["bootstrapAdmin"] = json!({"username": "boss"});
    apply(&client, first).await;
    settle(&client, name).await;
    scauths(&client).delete(name, &DeleteParams::default()).await.unwrap();
    collected(&client, name).await;
    let mut second = manifest(name, spec());
    second["spec"]["bootstrapAdmin"] = json!({"username": "root"});
    apply(&client, second).await;
    settle(&client, name).await;
    say(name, json!([{"version": "9", "database": {"reachable": true}, "admin": {"made": true}}]));
    settle(&client, name).await;
    let (_, _, message) = condition(&client, name, "AdminReady").await;
    assert!(message.contains("is called boss, not root as in spec.bootstrapAdmin"), "{message}");
    silence(name);
}

#[tokio::test]
async fn a_right_that_the_operator_lacks_is_named() {
    let (client, name) = (admin().await, "forbidden");
    make(&client, "clusterroles", json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "half"},
        "rules": [
            {"apiGroups": ["sc-auth.io"], "resources": ["*"], "verbs": ["*"]},
            {"apiGroups": ["events.k8s.io"], "resources": ["events"], "verbs": ["*"]},
            {"apiGroups": ["", "apps", "networking.k8s.io", "policy", "autoscaling"], "resources": ["*"], "verbs": ["get"]},
            {"apiGroups": ["gateway.networking.k8s.io", "monitoring.coreos.com"], "resources": ["*"], "verbs": ["get"]},
        ],
    })).await;
    make(
        &client,
        "clusterrolebindings",
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "half"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "half"},
            "subjects": [{"kind": "User", "name": "half", "apiGroup": "rbac.authorization.k8s.io"}],
        }),
    )
    .await;
    apply(&client, manifest(name, spec())).await;
    let half = impersonating("half").await;
    let (reason, message) = refused(&half, name).await;
    assert_eq!(reason, "Forbidden");
    assert!(message.contains("cannot patch resource \"namespaces\""), "{message}");
}

/// An API server that takes a request and never answers.
#[tokio::test]
async fn silence_of_the_api_server_ends_a_reconcile_and_is_told_when_it_lasts() {
    use crate::harness::{Fault, operator};
    use sc_auth_operator::scauth::{Error, reconcile};
    let (client, name) = (admin().await, "silence");
    apply(&client, manifest(name, spec())).await;
    let scauth = std::sync::Arc::new(scauths(&client).get(name).await.unwrap());
    let uid = scauth.metadata.uid.clone().unwrap();
    let line = Line::disturbed(2, Fault::Kill);
    let mut disturbed = operator(line.client(&client));
    let inner = std::sync::Arc::get_mut(&mut disturbed).unwrap();
    inner.patience = std::time::Duration::from_secs(1);
    for _ in 0..3 {
        inner.attempts.count(&uid);
    }
    let error = reconcile(scauth, disturbed).await.unwrap_err();
    assert!(matches!(error, Error::Apply(_)), "{error}");
    let (status, reason, message) = condition(&client, name, "Ready").await;
    assert_eq!((status.as_str(), reason.as_str()), ("False", "ApiServerUnavailable"));
    assert!(message.contains("did not answer in time"), "{message}");
    settle(&client, name).await;
}

#[tokio::test]
async fn a_bad_moment_of_the_api_server_is_told_only_when_it_lasts() {
    use crate::harness::{Fault, operator};
    use sc_auth_operator::scauth::reconcile;
    let (client, name) = (admin().await, "moment");
    apply(&client, manifest(name, spec())).await;
    settle(&client, name).await;
    let before = condition(&client, name, "Ready").await;
    let scauth = std::sync::Arc::new(scauths(&client).get(name).await.unwrap());
    let uid = scauth.metadata.uid.clone().unwrap();
    for failures in 0..5 {
        // The same operator each time, whose second request is answered with 503.
        let line = Line::disturbed(1, Fault::Status(503));
        let mut disturbed = operator(line.client(&client));
        let inner = std::sync::Arc::get_mut(&mut disturbed).unwrap();
        for _ in 0..failures {
            inner.attempts.count(&uid);
        }
        reconcile(scauth.clone(), disturbed).await.unwrap_err();
        let now = condition(&client, name, "Ready").await;
        if failures < 3 {
            assert_eq!(now, before, "after {failures} failures");
        } else {
            assert_eq!(now.1, "ApiServerUnavailable", "after {failures} failures");
        }
    }
}

#[tokio::test]
async fn credentials_may_have_any_keys_that_a_secret_can_have() {
    let client = admin().await;
    for (key, is_allowed) in [("db-user", true), ("DB_USER.v2", true), ("db/user", false), ("", false)] {
        for field in ["userKey", "passwordKey"] {
            let credentials = json!({"name": "db", field: key});
            let external = json!({"host": "db.test", "name": "auth", "credentialsFrom": credentials});
            let scauth = manifest("keyed", json!({"database": {"external": external}}));
            let params = PostParams { dry_run: true, ..PostParams::default() };
            let answer = scauths(&client).create(&params, &serde_json::from_value(scauth).unwrap()).await;
            assert_eq!(answer.is_ok(), is_allowed, "{field}: {key:?}: {answer:?}");
        }
    }
}
