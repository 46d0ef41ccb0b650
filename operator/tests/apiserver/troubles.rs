//! What stands in the way becomes a reason of its own, and goes when the way is free.

use std::sync::{Arc, LazyLock};

use k8s_openapi::jiff::Timestamp;
use kube::api::{ApiResource, DeleteParams, Patch, PatchParams, PostParams};
use kube::core::DynamicObject;
use kube::{Api, Client};
use sc_auth_operator::scauth::child::Child;
use sc_auth_operator::scauth::names::Names;
use sc_auth_operator::scauth::{Context, reconcile};
use serde_json::{Value, json};

use crate::harness::{Fault, Line, admin, apply, eventually, make, manifest, operator, scauths, settle};
use crate::refusals::condition;

fn spec() -> Value {
    json!({"database": {"embedded": {}}})
}

/// One reconcile by an operator that is as the test wants it, and the reason of Ready then.
async fn reason(client: &Client, name: &str, line: &Arc<Line>, change: impl FnOnce(&mut Context)) -> String {
    let scauth = Arc::new(scauths(client).get(name).await.unwrap());
    let mut context = operator(line.client(client));
    change(Arc::get_mut(&mut context).unwrap());
    // Whether it fails is not what is asked here.
    drop(reconcile(scauth, context).await);
    condition(client, name, "Ready").await.1
}

#[tokio::test]
async fn each_failure_that_lasts_has_its_reason() {
    let (client, name) = (admin().await, "lasting");
    let uid = apply(&client, manifest(name, spec())).await.metadata.uid.unwrap();
    for (fault, expected) in [
        (Fault::Status(409), "Conflict"),
        (Fault::Status(422), "Invalid"),
        (Fault::Status(429), "ApiServerUnavailable"),
        (Fault::TimeOut, "ApplyFailed"),
    ] {
        let line = Line::disturbed(1, fault);
        let often = |context: &mut Context| {
            for _ in 0..5 {
                context.attempts.count(&uid);
            }
        };
        assert_eq!(reason(&client, name, &line, often).await, expected, "{fault:?}");
    }
    settle(&client, name).await;
}

#[tokio::test]
async fn a_quota_that_was_raised_is_noticed_within_half_a_minute_after_any_number_of_failures() {
    let (client, name) = (admin().await, "quota");
    make(
        &client,
        "namespaces",
        json!({"apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": name, "annotations": {"sc-auth.io/allow": name}}}),
    )
    .await;
    let quotas: Api<k8s_openapi::api::core::v1::ResourceQuota> = Api::namespaced(client.clone(), name);
    // As the quota's controller does, which this API server lacks.
    let allow = async |services: &str| {
        let hard = json!({"count/services": services});
        let quota = json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "few", "namespace": name},
            "spec": {"hard": hard}});
        make(&client, "resourcequotas", quota).await;
        let status = Patch::Merge(json!({"status": {"hard": hard, "used": {"count/services": "0"}}}));
        quotas.patch_status("few", &PatchParams::default(), &status).await.unwrap();
    };
    allow("0").await;
    let scauth = Arc::new(apply(&client, manifest(name, spec())).await);
    let context = operator(client.clone());
    for _ in 0..20 {
        context.attempts.count(scauth.metadata.uid.as_deref().unwrap());
    }
    // The API server takes up a quota a moment after it is stored.
    eventually("the quota is in force", || async {
        let failure = reconcile(Arc::clone(&scauth), Arc::clone(&context)).await.err();
        failure.is_some_and(|failure| failure.to_string().contains("exceeded quota"))
    })
    .await;
    let (_, reason, message) = condition(&client, name, "Ready").await;
    assert_eq!(reason, "QuotaExceeded", "{message}");
    allow("9").await;
    eventually("it is settled", || async { reconcile(Arc::clone(&scauth), Arc::clone(&context)).await.is_ok() }).await;
    assert!(context.attempts.is_below_threshold(scauth.metadata.uid.as_deref().unwrap()));
}

#[tokio::test]
async fn a_scauth_of_the_same_name_has_none_of_the_failures_of_the_one_before() {
    let (client, name) = (admin().await, "reborn");
    let uid = async || scauths(&client).get(name).await.unwrap().metadata.uid.unwrap();
    apply(&client, manifest(name, spec())).await;
    let context = operator(client.clone());
    for _ in 0..5 {
        context.attempts.count(&uid().await);
    }
    assert!(!context.attempts.is_below_threshold(&uid().await));
    scauths(&client).delete(name, &DeleteParams::default()).await.unwrap();
    eventually("it is gone", || async { scauths(&client).get_opt(name).await.unwrap().is_none() }).await;
    apply(&client, manifest(name, spec())).await;
    assert!(context.attempts.is_below_threshold(&uid().await));
    settle(&client, name).await;
}

#[tokio::test]
async fn an_image_that_the_operator_may_not_run_is_a_matter_of_the_spec() {
    let (client, name) = (admin().await, "imageless");
    let mut spec = spec();
    spec["image"] = json!("elsewhere.test/server:1");
    apply(&client, manifest(name, spec)).await;
    let allow =
        |images: &'static str| move |context: &mut Context| context.environment.allowed_images = vec![images.into()];
    let line = Arc::new(Line::default());
    assert_eq!(reason(&client, name, &line, allow("registry.test/")).await, "ImageNotAllowed");
    assert_eq!(condition(&client, name, "Stalled").await.0, "True");
    assert_ne!(reason(&client, name, &line, allow("elsewhere.test/")).await, "ImageNotAllowed");
}

#[tokio::test]
async fn keys_that_somebody_broke_are_named_and_not_made_anew() {
    let (client, name) = (admin().await, "garbled");
    apply(&client, manifest(name, spec())).await;
    settle(&client, name).await;
    let secrets: Api<DynamicObject> =
        Api::namespaced_with(client.clone(), name, &ApiResource::erase::<k8s_openapi::api::core::v1::Secret>(&()));
    let secret = format!("{name}-secret");
    let good = secrets.get(&secret).await.unwrap().data["data"].clone();
    let garble = good.as_object().unwrap().keys().map(|key| (key.clone(), json!("bm90IGpzb24="))).collect::<Value>();
    let patch = |data: &Value| Patch::Merge(json!({"data": data}));
    secrets.patch(&secret, &PatchParams::default(), &patch(&garble)).await.unwrap();
    let line = Arc::new(Line::default());
    assert_eq!(reason(&client, name, &line, |_| {}).await, "KeysUnreadable");
    let now = secrets.get(&secret).await.unwrap().data["data"]["keys.json"].clone();
    assert_eq!(now, garble["keys.json"], "it may hold the only copy");
    secrets.patch(&secret, &PatchParams::default(), &patch(&good)).await.unwrap();
    assert_ne!(reason(&client, name, &line, |_| {}).await, "KeysUnreadable");
}

/// The word of the Deployment's controller, which has it after ten minutes, and which this API server lacks.
#[tokio::test]
async fn a_rollout_that_takes_too_long_says_so() {
    let (client, name) = (admin().await, "stuck");
    apply(&client, manifest(name, spec())).await;
    settle(&client, name).await;
    let names = Names { scauth: name.into(), namespace: name.into() };
    let (api, deployment) = (Child::Deployment.api(&client, &names.namespace), Child::Deployment.name(&names));
    let generation = api.get(&deployment).await.unwrap().metadata.generation;
    let word = json!({"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded",
        "message": "ReplicaSet \"stuck-1\" has timed out progressing.", "lastUpdateTime": "2026-01-01T00:00:00Z",
        "lastTransitionTime": "2026-01-01T00:00:00Z"});
    let status = |conditions: Value| {
        Patch::Merge(json!({"status": {"observedGeneration": generation, "conditions": conditions}}))
    };
    api.patch_status(&deployment, &PatchParams::default(), &status(json!([word]))).await.unwrap();
    let line = Arc::new(Line::default());
    assert_eq!(reason(&client, name, &line, |_| {}).await, "RolloutStuck");
    assert!(condition(&client, name, "Ready").await.2.contains("timed out progressing"));
    api.patch_status(&deployment, &PatchParams::default(), &status(json!([]))).await.unwrap();
    assert_ne!(reason(&client, name, &line, |_| {}).await, "RolloutStuck");
}

/// As `kubectl rollout pause` does it.
#[tokio::test]
async fn a_rollout_that_somebody_has_paused_says_so() {
    let (client, name) = (admin().await, "paused");
    apply(&client, manifest(name, spec())).await;
    settle(&client, name).await;
    let names = Names { scauth: name.into(), namespace: name.into() };
    let (api, deployment) = (Child::Deployment.api(&client, &names.namespace), Child::Deployment.name(&names));
    let pause = |paused: Value| Patch::Merge(json!({"spec": {"paused": paused}}));
    api.patch(&deployment, &PatchParams::default(), &pause(json!(true))).await.unwrap();
    let line = Arc::new(Line::default());
    assert_eq!(reason(&client, name, &line, |_| {}).await, "RolloutPaused");
    assert!(condition(&client, name, "Ready").await.2.contains("rollout resume deployment/paused"));
    api.patch(&deployment, &PatchParams::default(), &pause(Value::Null)).await.unwrap();
    assert_ne!(reason(&client, name, &line, |_| {}).await, "RolloutPaused");
}

/// The word of the ReplicaSet's controller, which tries again after growing delays.
#[tokio::test]
async fn pods_that_a_quota_refuses_are_tried_again_until_they_exist() {
    static NOW: LazyLock<Timestamp> = LazyLock::new(crate::harness::soon);
    let (client, name) = (admin().await, "rationed");
    apply(&client, manifest(name, spec())).await;
    settle(&client, name).await;
    let names = Names { scauth: name.into(), namespace: name.into() };
    let (api, deployment) = (Child::Deployment.api(&client, &names.namespace), Child::Deployment.name(&names));
    let word = json!({"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate",
        "message": "pods \"rationed-1\" is forbidden: exceeded quota: few", "lastUpdateTime": "2026-01-01T00:00:00Z",
        "lastTransitionTime": "2026-01-01T00:00:00Z"});
    let status = |conditions: Value| Patch::Merge(json!({"status": {"conditions": conditions}}));
    api.patch_status(&deployment, &PatchParams::default(), &status(json!([word]))).await.unwrap();
    let tried = async || api.get(&deployment).await.unwrap().metadata.annotations.unwrap().remove("sc-auth.io/retried");
    let at_once = |context: &mut Context| context.clock = || *NOW;
    let line = Arc::new(Line::default());
    assert_eq!(reason(&client, name, &line, at_once).await, "PodsRefused");
    let first = tried().await.unwrap();
    // Not at each look: each attempt has the operator look again.
    let line = Arc::new(Line::default());
    reason(&client, name, &line, at_once).await;
    assert_eq!(tried().await.as_ref(), Some(&first));
    let later = |context: &mut Context| context.clock = || *NOW + std::time::Duration::from_secs(9);
    reason(&client, name, &line, later).await;
    assert_ne!(tried().await.unwrap(), first);
    api.patch_status(&deployment, &PatchParams::default(), &status(json!([]))).await.unwrap();
    settle(&client, name).await;
    assert_eq!(tried().await, None);
}

#[tokio::test]
async fn a_child_that_is_on_its_way_out_is_waited_for_and_made_anew() {
    let (client, name) = (admin().await, "leaving");
    apply(&client, manifest(name, spec())).await;
    settle(&client, name).await;
    let names = Names { scauth: name.into(), namespace: name.into() };
    let (api, claim) = (Child::VolumeClaim.api(&client, &names.namespace), Child::VolumeClaim.name(&names));
    let hold = |finalizers: Value| Patch::Merge(json!({"metadata": {"finalizers": finalizers}}));
    api.patch(&claim, &PatchParams::default(), &hold(json!(["example.com/in-use"]))).await.unwrap();
    let before = api.get(&claim).await.unwrap().metadata.uid;
    api.delete(&claim, &DeleteParams::default()).await.unwrap();
    let line = Arc::new(Line::default());
    assert_eq!(reason(&client, name, &line, |_| {}).await, "ChildTerminating");
    api.patch(&claim, &PatchParams::default(), &hold(Value::Null)).await.unwrap();
    settle(&client, name).await;
    assert_ne!(api.get(&claim).await.unwrap().metadata.uid, before);
}

/// As after a restore: what was made for a ScAuth of this name, and is collected since that one is no more.
#[tokio::test]
async fn a_child_of_an_earlier_scauth_is_waited_for_and_made_anew() {
    let (client, name) = (admin().await, "restored");
    apply(&client, manifest(name, spec())).await;
    settle(&client, name).await;
    let names = Names { scauth: name.into(), namespace: name.into() };
    let (api, service) = (Child::Service.api(&client, &names.namespace), Child::Service.name(&names));
    let mut child = api.get(&service).await.unwrap();
    let before = child.metadata.uid.clone();
    child.metadata.owner_references.as_mut().unwrap()[0].uid = "00000000-0000-0000-0000-000000000001".into();
    child.metadata.managed_fields = None;
    // So that the garbage collector is not done with it before it is looked at.
    child.metadata.finalizers = Some(vec!["example.com/in-use".into()]);
    api.replace(&service, &PostParams::default(), &child).await.unwrap();
    let line = Arc::new(Line::default());
    assert_eq!(reason(&client, name, &line, |_| {}).await, "GarbageCollecting");
    api.patch(&service, &PatchParams::default(), &Patch::Merge(json!({"metadata": {"finalizers": null}})))
        .await
        .unwrap();
    // The garbage collector notices new kinds every half minute.
    eventually("it is collected", || async { api.get_opt(&service).await.unwrap().is_none() }).await;
    settle(&client, name).await;
    assert_ne!(api.get(&service).await.unwrap().metadata.uid, before);
}

#[tokio::test]
async fn a_namespace_that_is_going_is_waited_for_and_made_anew() {
    let (client, name) = (admin().await, "going");
    // No volume: nobody here takes the finalizer off a claim.
    let spec = json!({"database": {"external": {"urlFrom": {"name": "db", "key": "uri"}}}});
    apply(&client, manifest(name, spec)).await;
    settle(&client, name).await;
    let names = Names { scauth: name.into(), namespace: name.into() };
    let namespaces = Child::Namespace.api(&client, &names.namespace);
    let before = namespaces.get(name).await.unwrap().metadata.uid;
    // Something in it that takes its time.
    let resource = ApiResource::erase::<k8s_openapi::api::core::v1::ConfigMap>(&());
    let held = json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "held", "namespace": name, "finalizers": ["example.com/in-use"]}});
    make(&client, "configmaps", held).await;
    namespaces.delete(name, &DeleteParams::default()).await.unwrap();
    let line = Arc::new(Line::default());
    assert_eq!(reason(&client, name, &line, |_| {}).await, "NamespaceTerminating");
    let maps: Api<DynamicObject> = Api::namespaced_with(client.clone(), name, &resource);
    let free = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    maps.patch("held", &PatchParams::default(), &free).await.unwrap();
    eventually("it is gone", || async { namespaces.get_opt(name).await.unwrap().is_none() }).await;
    settle(&client, name).await;
    assert_ne!(namespaces.get(name).await.unwrap().metadata.uid, before);
}

#[tokio::test]
async fn a_pod_that_was_evicted_has_the_kubelet_s_words_until_another_pod_has_its_own() {
    let (client, name) = (admin().await, "evicted");
    apply(&client, manifest(name, spec())).await;
    settle(&client, name).await;
    let deployment = Child::Deployment.api(&client, name).get(name).await.unwrap();
    let template = &deployment.data["spec"]["template"];
    let pods: Api<k8s_openapi::api::core::v1::Pod> = Api::namespaced(client.clone(), name);
    let pod = async |pod: &str, status: Value| {
        let mut metadata = template["metadata"].clone();
        metadata["name"] = json!(pod);
        metadata["namespace"] = json!(name);
        let object = json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]});
        make(&client, "pods", object).await;
        pods.patch_status(pod, &PatchParams::default(), &Patch::Merge(&json!({"status": status}))).await.unwrap();
        settle(&client, name).await;
        condition(&client, name, "Ready").await
    };
    let container = |state: Value| json!([{"name": "server", "image": "registry.test/server:9", "imageID": "", "ready": false, "restartCount": 0, "state": state}]);
    let killed = container(json!({"terminated": {"exitCode": 137, "reason": "Error"}}));
    let message = "The node was low on resource: memory.";
    let evicted = json!({"phase": "Failed", "reason": "Evicted", "message": message, "containerStatuses": killed});
    let (_, reason, found) = pod("a", evicted).await;
    assert_eq!((reason.as_str(), found), ("PodFailed", format!("pod a failed: Evicted: {message}")));
    let waiting = container(json!({"waiting": {"reason": "ErrImagePull", "message": "not found"}}));
    let (_, reason, found) = pod("b", json!({"phase": "Pending", "containerStatuses": waiting})).await;
    assert_eq!(reason, "ImagePullFailed", "{found}");
}
