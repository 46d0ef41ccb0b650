//! Which database holds the data stands in the Secret with the keys, and changes only when a person accepts another one.
//! There are no pods here: what they would answer is given to the reconcile.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::{Api, Client};
use sc_auth_operator::scauth::child::Child;
use sc_auth_operator::scauth::names::Names;
use serde_json::{Value, json};

use crate::harness::{Line, admin, apply, eventually, make, manifest, once, say, scauths, settle, silence};
use crate::refusals::condition;

fn external() -> Value {
    json!({"database": {"external": {"urlFrom": {"name": "db", "key": "uri"}}}})
}

fn serving(identity: &str) -> Value {
    json!({"database": {"reachable": true, "schema": 2, "identity": identity}})
}

fn with(mut answer: Value, field: &str, value: Value) -> Value {
    answer[field] = value;
    answer
}

fn offering(identity: &str, offered: Value) -> Value {
    json!({"database": {"reachable": true, "schema": 2, "identity": identity, "offered": offered}})
}

fn held(reason: &str, expected: &str, found: &str) -> Value {
    json!({"hold": {"reason": reason, "expected": expected, "found": found}})
}

fn names(name: &str) -> Names {
    Names { scauth: name.into(), namespace: name.into() }
}

fn secrets(client: &Client, name: &str) -> Api<Secret> {
    Api::namespaced(client.clone(), name)
}

/// A file in the Secret with the keys, as text.
async fn file(client: &Client, name: &str, file: &str) -> String {
    let secret = secrets(client, name).get(&names(name).secret()).await.unwrap();
    String::from_utf8(secret.data.unwrap()[file].0.clone()).unwrap()
}

async fn expected(client: &Client, name: &str) -> Value {
    let file: Value = serde_json::from_str(&file(client, name, "scauth.json").await).unwrap();
    file["database"].clone()
}

async fn annotate(client: &Client, name: &str, value: Option<&str>) {
    let patch = json!({"metadata": {"annotations": {"sc-auth.io/accept-database": value}}});
    scauths(client).patch(name, &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
}

/// The annotation by which pods are replaced.
async fn template(client: &Client, name: &str) -> Value {
    let deployment = Child::Deployment.api(client, &names(name).namespace).get(name).await.unwrap();
    deployment.data["spec"]["template"]["metadata"]["annotations"]["sc-auth.io/database"].clone()
}

/// All pods of the current template are ready, says the Deployment's controller, which this API server lacks.
async fn serve(client: &Client, name: &str) {
    let api = Child::Deployment.api(client, &names(name).namespace);
    let deployment = api.get(name).await.unwrap();
    let (generation, replicas) = (deployment.metadata.generation, deployment.data["spec"]["replicas"].clone());
    let status = json!({"status": {"observedGeneration": generation, "replicas": replicas, "updatedReplicas": replicas,
        "readyReplicas": replicas, "availableReplicas": replicas}});
    api.patch_status(name, &PatchParams::default(), &Patch::Merge(&status)).await.unwrap();
}

/// One reconcile after the pods have answered so, and all that follows from it.
async fn hear(client: &Client, name: &str, answers: Value) {
    say(name, answers);
    settle(client, name).await;
}

async fn is(client: &Client, name: &str, kind: &str, expected: [&str; 2]) -> String {
    let (status, reason, message) = condition(client, name, kind).await;
    assert_eq!([status.as_str(), reason.as_str()], expected, "{kind}: {message}");
    message
}

/// A ScAuth that serves from database `one`.
async fn started(client: &Client, name: &str, spec: Value) {
    apply(client, manifest(name, spec)).await;
    settle(client, name).await;
    database_secret(client, name).await;
    serve(client, name).await;
    hear(client, name, json!([serving("one")])).await;
}

async fn database_secret(client: &Client, name: &str) {
    let metadata = json!({"name": "db", "namespace": name});
    make(client, "secrets", json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata})).await;
}

#[tokio::test]
async fn it_is_learned_and_another_one_is_used_only_when_it_is_accepted() {
    let (client, name) = (admin().await, "identities");
    started(&client, name, external()).await;
    let keys = file(&client, name, "keys.json").await;
    assert_eq!(expected(&client, name).await, "one");
    is(&client, name, "Ready", ["True", "Serving"]).await;
    is(&client, name, "KeysReady", ["True", "KeysKnown"]).await;
    let status = scauths(&client).get(name).await.unwrap().status.unwrap();
    assert_eq!(status.database.unwrap().identity.as_deref(), Some("one"));

    hear(&client, name, json!([offering("one", json!({"identity": "empty-2"}))])).await;
    let message = is(&client, name, "DatabaseReady", ["False", "DatabaseChanged"]).await;
    assert!(message.contains("database one") && message.contains("accept-database=empty-2"), "{message}");
    is(&client, name, "Ready", ["True", "Serving"]).await;
    annotate(&client, name, Some("something-else")).await;
    settle(&client, name).await;
    assert_eq!((expected(&client, name).await, template(&client, name).await), (json!("one"), Value::Null));

    // One pod was replaced meanwhile.
    hear(
        &client,
        name,
        json!([offering("one", json!({"identity": "empty-2"})), held("EmptyDatabase", "one", "empty-2")]),
    )
    .await;
    is(&client, name, "Ready", ["False", "DatabaseChanged"]).await;

    annotate(&client, name, Some("empty-2")).await;
    settle(&client, name).await;
    assert_eq!((expected(&client, name).await, template(&client, name).await), (json!("empty-2"), json!("empty-2")));
    serve(&client, name).await;
    let migrated = json!({"database": {"reachable": true, "identity": "two", "accepted_as": "empty-2"}});
    hear(&client, name, json!([migrated])).await;
    assert_eq!((expected(&client, name).await, template(&client, name).await), (json!("two"), json!("empty-2")));
    is(&client, name, "Ready", ["True", "Serving"]).await;
    is(&client, name, "DatabaseReady", ["True", "Migrated"]).await;
    assert_eq!(file(&client, name, "keys.json").await, keys);
}

/// A restore from Git has no status, and a new operator no memory.
#[tokio::test]
async fn it_survives_the_loss_of_the_status() {
    let (client, name) = (admin().await, "restored-from-git");
    started(&client, name, external()).await;
    scauths(&client).delete(name, &DeleteParams::default()).await.unwrap();
    eventually("the Deployment is collected", || async {
        Child::Deployment.api(&client, &names(name).namespace).get_opt(name).await.unwrap().is_none()
    })
    .await;
    let before = secrets(&client, name).get(&names(name).secret()).await.unwrap();
    say(name, json!([held("AnotherDatabase", "one", "two")]));
    let uid = apply(&client, manifest(name, external())).await.metadata.uid.unwrap();
    settle(&client, name).await;
    assert_eq!(expected(&client, name).await, "one");
    is(&client, name, "DatabaseReady", ["False", "DatabaseChanged"]).await;
    let now: Value = serde_json::from_str(&file(&client, name, "scauth.json").await).unwrap();
    let then: Value = serde_json::from_slice(&before.data.unwrap()["scauth.json"].0).unwrap();
    assert_eq!((&now["uid"], &now["instance"]), (&json!(uid), &then["instance"]));
}

/// What was known of it stands in the status, too.
#[tokio::test]
async fn it_survives_the_loss_of_the_secret_and_of_the_namespace_with_it() {
    let (client, name) = (admin().await, "namespace-lost");
    started(&client, name, external()).await;
    let namespaces = Child::Namespace.api(&client, &names(name).namespace);
    namespaces.delete(name, &DeleteParams::default()).await.unwrap();
    eventually("it is gone", || async { namespaces.get_opt(name).await.unwrap().is_none() }).await;
    // The reconcile that makes the keys again is the one that says so.
    say(name, json!([{"draining": false, "database": {"reachable": true}}]));
    for _ in 0..10 {
        drop(once(&client, name, &Arc::new(Line::default())).await);
        if condition(&client, name, "KeysReady").await.1 == "KeysLost" {
            break;
        }
    }
    let message = is(&client, name, "KeysReady", ["False", "KeysLost"]).await;
    assert!(message.contains("was created with new keys"), "{message}");
    assert_eq!(expected(&client, name).await, "one");
    serve(&client, name).await;
    let lost = with(with(serving("one"), "keys_lost", json!(true)), "admin", json!({"secret_id": "i", "made": false}));
    hear(&client, name, json!([lost])).await;
    is(&client, name, "KeysReady", ["False", "KeysLost"]).await;
    let message = is(&client, name, "AdminReady", ["False", "AdminNotCreated"]).await;
    assert!(message.contains("sc-auth-server admin create"), "{message}");
    let metadata = secrets(&client, name).get_metadata(&names(name).admin_secret()).await.unwrap().metadata;
    assert_eq!(metadata.annotations.unwrap()["sc-auth.io/admin"], "not-created");
    is(&client, name, "Ready", ["True", "Serving"]).await;
}

/// The keys of the Secret with the first Admin's password.
async fn admin_keys(client: &Client, name: &str) -> Vec<String> {
    let secret = secrets(client, name).get(&names(name).admin_secret()).await.unwrap();
    secret.data.unwrap().into_keys().collect()
}

#[tokio::test]
async fn a_secret_keeps_no_password_that_no_admin_was_created_with() {
    let (client, name) = (admin().await, "taken-over");
    started(&client, name, external()).await;
    assert_eq!(admin_keys(&client, name).await, ["id", "password", "username"], "nobody knows yet");
    for _ in 0..2 {
        let answer = with(serving("one"), "admin", json!({"secret_id": "i", "made": false}));
        hear(&client, name, json!([answer])).await;
        assert_eq!(admin_keys(&client, name).await, ["id"]);
        let message = is(&client, name, "AdminReady", ["False", "AdminNotCreated"]).await;
        assert!(message.contains("existing Admin") && message.contains("deploy/taken-over"), "{message}");
    }
    // A person deletes the Secret, as the message says: it does not come back.
    secrets(&client, name).delete(&names(name).admin_secret(), &DeleteParams::default()).await.unwrap();
    hear(&client, name, json!([serving("one")])).await;
    assert_eq!(condition(&client, name, "AdminReady").await.0, "");
    assert!(secrets(&client, name).get_opt(&names(name).admin_secret()).await.unwrap().is_none());
}

#[tokio::test]
async fn a_password_that_has_worked_stays_when_the_database_changes() {
    let (client, name) = (admin().await, "worked-once");
    started(&client, name, external()).await;
    for (made, expected) in [(true, ["True", "AdminCreated"]), (false, ["False", "AdminNotCreated"])] {
        hear(&client, name, json!([with(serving("one"), "admin", json!({"secret_id": "i", "made": made}))])).await;
        is(&client, name, "AdminReady", expected).await;
        assert_eq!(admin_keys(&client, name).await, ["id", "password", "username"]);
    }
}

#[tokio::test]
async fn secrets_of_release_0_2_get_the_file_and_are_otherwise_left_alone() {
    let (client, name) = (admin().await, "from-0-2");
    apply(&client, manifest(name, external())).await;
    settle(&client, name).await;
    let api = secrets(&client, name);
    for (secret, key) in [(names(name).secret(), "scauth.json"), (names(name).admin_secret(), "id")] {
        let patch = json!({"data": {key: null}});
        api.patch(&secret, &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
    }
    database_secret(&client, name).await;
    let (keys, password) =
        (file(&client, name, "keys.json").await, api.get(&names(name).admin_secret()).await.unwrap());
    serve(&client, name).await;
    hear(&client, name, json!([{"version": "0.2.0", "database": {"reachable": true}}])).await;
    assert_eq!(expected(&client, name).await, Value::Null, "its pods do not know");
    is(&client, name, "Ready", ["True", "Serving"]).await;
    assert_eq!(condition(&client, name, "AdminReady").await.0, "");
    assert_eq!(template(&client, name).await, Value::Null, "no pod is replaced");
    // Pods of a later release write the identity.
    hear(&client, name, json!([serving("one")])).await;
    assert_eq!(expected(&client, name).await, "one");
    assert_eq!(file(&client, name, "keys.json").await, keys);
    let admin = api.get(&names(name).admin_secret()).await.unwrap();
    assert_eq!(admin.data, password.data, "nothing is made up");
    is(&client, name, "DatabaseReady", ["True", "Migrated"]).await;
}

#[tokio::test]
async fn an_embedded_database_that_was_lost_is_not_replaced_by_an_empty_one_until_that_is_accepted() {
    let (client, name) = (admin().await, "volume-lost");
    started(&client, name, json!({"database": {"embedded": {}}})).await;
    let lost = || json!([held("EmptyDatabase", "one", "empty-1")]);
    hear(&client, name, lost()).await;
    let message = is(&client, name, "DatabaseReady", ["False", "DatabaseLost"]).await;
    assert!(message.contains("it had one") && message.contains("accept-database=empty-1"), "{message}");
    is(&client, name, "Ready", ["False", "DatabaseLost"]).await;
    annotate(&client, name, Some("empty-1")).await;
    settle(&client, name).await;
    assert_eq!((expected(&client, name).await, template(&client, name).await), (json!("empty-1"), json!("empty-1")));
    serve(&client, name).await;
    let migrated = json!({"database": {"reachable": true, "identity": "two", "accepted_as": "empty-1"}});
    hear(&client, name, json!([migrated])).await;
    is(&client, name, "Ready", ["True", "Serving"]).await;

    // The next time, the annotation that was left does not count.
    hear(&client, name, json!([held("EmptyDatabase", "two", "empty-1")])).await;
    let message = is(&client, name, "DatabaseReady", ["False", "DatabaseLost"]).await;
    assert!(message.contains("kubectl annotate scauth volume-lost sc-auth.io/accept-database-"), "{message}");
    assert_eq!(expected(&client, name).await, "two");
    annotate(&client, name, None).await;
    settle(&client, name).await;
    annotate(&client, name, Some("empty-1")).await;
    settle(&client, name).await;
    assert_eq!(expected(&client, name).await, "empty-1");
}

#[tokio::test]
async fn a_volume_that_is_being_deleted_under_a_living_pod_is_a_warning() {
    let (client, name) = (admin().await, "volume-going");
    started(&client, name, json!({"database": {"embedded": {}}})).await;
    let (api, claim) = (Child::VolumeClaim.api(&client, &names(name).namespace), Child::VolumeClaim.name(&names(name)));
    let hold = |finalizers: Value| Patch::Merge(json!({"metadata": {"finalizers": finalizers}}));
    api.patch(&claim, &PatchParams::default(), &hold(json!(["example.com/in-use"]))).await.unwrap();
    api.delete(&claim, &DeleteParams::default()).await.unwrap();
    // A change that would replace the pod, one that would not, and a key that is to be revoked.
    let kid = scauths(&client).get(name).await.unwrap().status.unwrap().keys[0].kid.clone();
    let patch = json!({"metadata": {"annotations": {"sc-auth.io/revoke-key": kid}},
        "spec": {"expose": {"ingress": {"host": "going.example.com"}}, "podTemplate": {"labels": {"team": "a"}}}});
    scauths(&client).patch(name, &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
    settle(&client, name).await;
    let message = is(&client, name, "DatabaseReady", ["False", "VolumeAtRisk"]).await;
    assert!(message.contains("sc-auth-server users export -"), "{message}");
    is(&client, name, "Ready", ["True", "Serving"]).await;
    assert!(
        Child::Ingress
            .api(&client, &names(name).namespace)
            .get_opt(&Child::Ingress.name(&names(name)))
            .await
            .unwrap()
            .is_some()
    );
    let deployment = Child::Deployment.api(&client, &names(name).namespace).get(name).await.unwrap();
    assert!(deployment.data["spec"]["template"]["metadata"]["labels"]["team"].is_null(), "the pod stays");
    assert!(!file(&client, name, "keys.json").await.contains(&kid), "the key is gone");
    let events: Api<k8s_openapi::api::events::v1::Event> = Api::all(client.clone());
    let events = events.list(&kube::api::ListParams::default()).await.unwrap().items;
    let warns = |event: &k8s_openapi::api::events::v1::Event| {
        event.reason.as_deref() == Some("VolumeAtRisk") && event.type_.as_deref() == Some("Warning")
    };
    assert!(events.iter().any(warns));
    api.patch(&claim, &PatchParams::default(), &hold(Value::Null)).await.unwrap();
}

#[tokio::test]
async fn what_pods_say_makes_each_condition_and_each_passes_by_itself() {
    let (client, name) = (admin().await, "sayings");
    started(&client, name, external()).await;
    let other = json!([{"name": "elder", "uid": "0", "created": 1}]);
    let made = json!({"secret_id": "i", "made": true});
    for (answer, kind, expected, ready) in [
        (with(serving("one"), "others", other), "DatabaseReady", ["False", "DatabaseShared"], "Serving"),
        (
            offering("one", json!({"error": "no route to host"})),
            "DatabaseReady",
            ["False", "AddressUnusable"],
            "Serving",
        ),
        (with(serving("one"), "server_errors", json!(2)), "Ready", ["False", "ServerErrors"], "ServerErrors"),
        (with(serving("one"), "keys_lost", json!(true)), "KeysReady", ["False", "KeysLost"], "Serving"),
        (with(serving("one"), "admin", made), "AdminReady", ["True", "AdminCreated"], "Serving"),
        (
            json!({"database": {"identity": "one"}}),
            "DatabaseReady",
            ["False", "DatabaseUnreachable"],
            "DatabaseUnreachable",
        ),
    ] {
        hear(&client, name, json!([serving("one"), answer])).await;
        is(&client, name, kind, expected).await;
        assert_eq!(condition(&client, name, "Ready").await.1, ready, "{answer}");
        hear(&client, name, json!([serving("one")])).await;
        is(&client, name, "Ready", ["True", "Serving"]).await;
        is(&client, name, "DatabaseReady", ["True", "Migrated"]).await;
    }
}

#[tokio::test]
async fn what_pods_said_is_unknown_once_none_of_them_answers() {
    let (client, name) = (admin().await, "unreachable-pods");
    started(&client, name, external()).await;
    hear(&client, name, json!([{"database": {"identity": "one"}}])).await;
    is(&client, name, "Ready", ["False", "DatabaseUnreachable"]).await;
    silence(name);
    settle(&client, name).await;
    for kind in ["Ready", "DatabaseReady", "KeysReady"] {
        is(&client, name, kind, ["Unknown", "PodsUnreachable"]).await;
    }
    is(&client, name, "Reconciling", ["True", "PodsUnreachable"]).await;
    hear(&client, name, json!([serving("one")])).await;
    is(&client, name, "Ready", ["True", "Serving"]).await;
    is(&client, name, "DatabaseReady", ["True", "Migrated"]).await;
}
