//! ScAuths where pods may not name user and group ids. A ValidatingAdmissionPolicy stands in for OpenShift's SCC
//! restricted-v2, which is not here; it covers Deployments too, since nothing makes pods of them here.

use std::fmt::Debug;
use std::sync::Arc;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::{Api, Client, Resource, ResourceExt as _};
use sc_auth_operator::diff::diff;
use sc_auth_operator::scauth::child::Child;
use sc_auth_operator::scauth::reconcile;
use sc_auth_operator::scauth::release::{PodIds, ReleaseDefaults};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::harness::{Line, admin, apply, eventually, make, manifest, of, once, operator, scauths};
use crate::refusals::condition;

const REFUSAL: &str = "stand-in for restricted-v2: fixed ids";

/// Refuses ids in one namespace, and in objects of that name, which show when it is in force.
async fn stand_in(client: &Client, name: &str) {
    let names = |context: &str, ids: &[&str]| {
        let ids: Vec<_> = ids.iter().map(|id| format!("has({context}.{id})")).collect();
        format!("has({context}) && ({})", ids.join(" || "))
    };
    let of_pod = names("variables.pod.securityContext", &["runAsUser", "runAsGroup", "fsGroup", "supplementalGroups"]);
    let of_container = names("container.securityContext", &["runAsUser", "runAsGroup"]);
    let rule = |group: &str, plural: &str| json!({"apiGroups": [group], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": [plural]});
    let (version, kind) = ("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy");
    make(
        client,
        "validatingadmissionpolicies",
        json!({"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": {
            "matchConstraints": {"resourceRules": [rule("", "pods"), rule("apps", "deployments")]},
            "matchConditions": [{
                "name": "here", "expression": format!("request.namespace == '{name}' || object.metadata.name == '{name}'"),
            }],
            "variables": [{
                "name": "pod", "expression": "object.kind == 'Pod' ? object.spec : object.spec.template.spec",
            }],
            "validations": [
                {"expression": format!("!({of_pod})"), "message": REFUSAL},
                {"expression": format!("!variables.pod.containers.exists(container, {of_container})"), "message": REFUSAL},
                {
                    "expression": format!("!has(variables.pod.initContainers) || \
                        !variables.pod.initContainers.exists(container, {of_container})"),
                    "message": REFUSAL,
                },
            ],
        }}),
    )
    .await;
    make(
        client,
        "validatingadmissionpolicybindings",
        json!({
            "apiVersion": version, "kind": format!("{kind}Binding"), "metadata": {"name": name},
            "spec": {"policyName": name, "validationActions": ["Deny"]},
        }),
    )
    .await;
    let labels = json!({"probe": name});
    let pod = json!({"metadata": {"labels": labels}, "spec": {
        "securityContext": {"runAsUser": 1}, "containers": [{"name": "probe", "image": "registry.test/probe:1"}],
    }});
    let probe: Deployment = serde_json::from_value(json!({
        "metadata": {"name": name}, "spec": {"selector": {"matchLabels": labels}, "template": pod},
    }))
    .unwrap();
    let is_in_force = || async { tried(client, "default", &probe).await.is_err_and(|error| error.contains(REFUSAL)) };
    eventually("the policy is in force", is_in_force).await;
}

/// What the API server answers to an object that it does not store.
async fn tried<K>(client: &Client, namespace: &str, object: &K) -> Result<K, String>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Serialize + DeserializeOwned + Clone + Debug,
{
    let params = PostParams { dry_run: true, ..PostParams::default() };
    let api: Api<K> = Api::namespaced(client.clone(), namespace);
    api.create(&params, object).await.map_err(|error| error.to_string())
}

/// The same of a pod of the ScAuth, with that security context.
async fn tried_pod(client: &Client, name: &str, context: Value) -> Result<Pod, String> {
    let mut pod = template(client, name).await;
    pod["metadata"]["name"] = json!("pod");
    pod["spec"]["securityContext"] = context;
    tried(client, name, &serde_json::from_value(pod).unwrap()).await
}

/// The first operator of the tests, or the next release of it.
fn release(version: &str, ids: PodIds) -> ReleaseDefaults {
    ReleaseDefaults { version: version.into(), image: format!("registry.test/server:{version}"), ids }
}

/// A fresh operator of that release reconciles until it has nothing more to do.
async fn settle(client: &Client, name: &str, defaults: &ReleaseDefaults) {
    for _ in 0..50 {
        let line = Arc::new(Line::default());
        let mut operator = operator(line.client(client));
        Arc::get_mut(&mut operator).unwrap().environment.defaults = defaults.clone();
        let result = reconcile(Arc::new(scauths(client).get(name).await.unwrap()), operator).await;
        if result.is_ok() && line.writes.lock().unwrap().is_empty() {
            return;
        }
    }
    panic!("{name} does not settle: {:?}", condition(client, name, "Ready").await);
}

async fn template(client: &Client, name: &str) -> Value {
    Child::Deployment.api(client, name).get(name).await.unwrap().data["spec"]["template"].clone()
}

/// Whether the pods name ids: all three or none.
async fn has_ids(client: &Client, name: &str) -> bool {
    let context = template(client, name).await["spec"]["securityContext"].clone();
    let ids = ["runAsUser", "runAsGroup", "fsGroup"].map(|id| context[id] == 65_532);
    assert!(ids == [true; 3] || (ids == [false; 3] && context["runAsUser"].is_null()), "{context}");
    ids[0]
}

async fn ask_for(client: &Client, name: &str, version: &str) {
    let patch = json!({"metadata": {"annotations": {"sc-auth.io/upgrade-to": version}}});
    scauths(client).patch(name, &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
}

#[tokio::test]
async fn where_ids_are_refused_a_scauth_is_created_with_the_flag() {
    let (client, name) = (admin().await, "openshift-new");
    stand_in(&client, name).await;
    apply(&client, manifest(name, json!({"database": {"embedded": {}}}))).await;
    once(&client, name, &Arc::new(Line::default())).await.unwrap().unwrap_err();
    let (_, reason, message) = condition(&client, name, "Ready").await;
    assert!(reason == "PolicyDenied" && message.contains(REFUSAL), "{reason}: {message}");

    settle(&client, name, &release("0.2.0", PodIds::Assigned)).await;
    assert!(!has_ids(&client, name).await);
    // The namespace enforces the standard `restricted`, which covers pods alone.
    let namespace = Child::Namespace.api(&client, name).get(name).await.unwrap();
    assert_eq!(namespace.labels()["pod-security.kubernetes.io/enforce"], "restricted");
    let mut context = template(&client, name).await["spec"]["securityContext"].clone();
    tried_pod(&client, name, context.clone()).await.unwrap();
    context["fsGroup"] = json!(65_532);
    assert!(tried_pod(&client, name, context).await.unwrap_err().contains(REFUSAL));
    let refusal = tried_pod(&client, name, json!({})).await.unwrap_err();
    assert!(refusal.contains("PodSecurity"), "the standard is enforced here: {refusal}");
}

#[tokio::test]
async fn another_flag_moves_no_pod_until_the_next_upgrade() {
    let (client, name) = (admin().await, "openshift-later");
    apply(&client, manifest(name, json!({"database": {"embedded": {}}}))).await;
    settle(&client, name, &release("0.2.0", PodIds::Fixed)).await;
    let before = template(&client, name).await;
    for version in [None, Some("0.2.0")] {
        if let Some(version) = version {
            ask_for(&client, name, version).await;
        }
        settle(&client, name, &release("0.2.0", PodIds::Assigned)).await;
        assert_eq!(template(&client, name).await, before, "the annotation in a manifest names the release for long");
    }
    settle(&client, name, &release("0.3.0", PodIds::Assigned)).await;
    assert_eq!(template(&client, name).await, before, "a new operator");

    ask_for(&client, name, "0.3.0").await;
    settle(&client, name, &release("0.3.0", PodIds::Assigned)).await;
    assert!(!has_ids(&client, name).await);
    settle(&client, name, &release("0.3.0", PodIds::Fixed)).await;
    settle(&client, name, &release("0.4.0", PodIds::Fixed)).await;
    assert!(!has_ids(&client, name).await, "nor does the flag's end");

    let deployments = Child::Deployment.api(&client, name);
    deployments.delete(name, &DeleteParams::background()).await.unwrap();
    settle(&client, name, &release("0.4.0", PodIds::Fixed)).await;
    assert!(has_ids(&client, name).await, "new pods are as the operator is set");
}

#[tokio::test]
async fn diff_shows_the_same_as_the_operator_does() {
    let (client, name) = (admin().await, "openshift-diff");
    let ours = manifest(name, json!({"database": {"embedded": {}}}));
    let told = async |ids: PodIds| {
        let mut environment = operator(client.clone()).environment.clone();
        environment.defaults = release("0.2.0", ids);
        diff(&client, &of(serde_json::from_value(ours.clone()).unwrap()), None, &environment).await.unwrap().text
    };
    assert!(told(PodIds::Fixed).await.contains("runAsUser: 65532"));
    let without = told(PodIds::Assigned).await;
    assert!(without.contains("runAsNonRoot: true") && !without.contains("runAsUser"), "{without}");
    apply(&client, ours.clone()).await;
    settle(&client, name, &release("0.2.0", PodIds::Fixed)).await;
    assert_eq!(told(PodIds::Assigned).await, "", "the pods keep their ids");
}
