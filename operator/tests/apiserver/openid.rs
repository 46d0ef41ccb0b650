//! The keys of OpenID Connect, the applications, and the login pages. There are no pods here: what they would answer is
//! given to the reconcile.

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::events::v1::Event;
use kube::api::{ListParams, Patch, PatchParams};
use kube::{Api, Client};
use sc_auth_contract::keys::OidcKeySet;
use sc_auth_operator::scauth::child::Child;
use sc_auth_operator::scauth::names::Names;
use serde_json::{Value, json};

use crate::harness::{admin, apply, manifest, say, scauths, settle, silence};
use crate::refusals::condition;

const FILE: &str = "oidc-keys.json";

fn spec(tls: bool, login: Value) -> Value {
    let mut ingress = json!({"host": "login.example.com", "className": "traefik"});
    if tls {
        ingress["tls"] = json!({});
    }
    let mut spec = json!({"database": {"embedded": {}}, "expose": {"ingress": ingress}});
    if !login.is_null() {
        spec["login"] = login;
    }
    spec
}

fn serving(declared: Value) -> Value {
    let keys = json!([{"kid": "a", "algorithm": "RS256", "state": "current", "since": 1}]);
    json!([{"database": {"reachable": true, "schema": 2, "identity": "one"}, "declared": declared, "oidc_keys": keys}])
}

async fn secret(client: &Client, name: &str) -> Secret {
    let api: Api<Secret> = Api::namespaced(client.clone(), name);
    api.get(&format!("{name}-secret")).await.unwrap()
}

async fn file(client: &Client, name: &str, file: &str) -> Option<Vec<u8>> {
    secret(client, name).await.data.unwrap().get(file).map(|content| content.0.clone())
}

async fn write(client: &Client, name: &str, content: Option<&[u8]>) {
    let api: Api<Secret> = Api::namespaced(client.clone(), name);
    let content = content.map(|content| ByteString(content.to_vec()));
    let patch = Patch::Merge(json!({"data": {FILE: content}}));
    api.patch(&format!("{name}-secret"), &PatchParams::default(), &patch).await.unwrap();
}

/// Its pods serve, says the Deployment's controller, which this API server lacks.
async fn serve(client: &Client, name: &str) {
    let names = Names { scauth: name.into(), namespace: name.into() };
    let api = Child::Deployment.api(client, &names.namespace);
    let generation = api.get(name).await.unwrap().metadata.generation;
    let status = json!({"status": {"observedGeneration": generation, "replicas": 1, "updatedReplicas": 1,
        "readyReplicas": 1, "availableReplicas": 1}});
    api.patch_status(name, &PatchParams::default(), &Patch::Merge(&status)).await.unwrap();
}

/// A ScAuth whose pods say this of their applications.
async fn started(client: &Client, name: &str, spec: Value, declared: Value) {
    apply(client, manifest(name, spec)).await;
    settle(client, name).await;
    serve(client, name).await;
    hear(client, name, declared).await;
}

async fn hear(client: &Client, name: &str, declared: Value) {
    say(name, serving(declared));
    settle(client, name).await;
}

async fn is(client: &Client, name: &str, kind: &str, expected: [&str; 2]) -> String {
    let (status, reason, message) = condition(client, name, kind).await;
    assert_eq!([status.as_str(), reason.as_str()], expected, "{kind}: {message}");
    message
}

/// The keys in the status: purpose, algorithm and state.
async fn listed(client: &Client, name: &str) -> Vec<[String; 3]> {
    let keys = scauths(client).get(name).await.unwrap().status.unwrap().keys;
    keys.into_iter().filter(|key| key.purpose == "openid").map(|key| [key.purpose, key.alg, key.state]).collect()
}

fn current() -> Vec<[String; 3]> {
    ["RS256", "ES256"].map(|alg| ["openid", alg, "current"].map(str::to_owned)).to_vec()
}

/// The notes of the events with that reason.
pub async fn notes(client: &Client, name: &str, reason: &str) -> Vec<String> {
    let events: Api<Event> = Api::all(client.clone());
    let events = events.list(&ListParams::default()).await.unwrap().items;
    let is_ours = |event: &Event| {
        event.reason.as_deref() == Some(reason)
            && event.regarding.as_ref().is_some_and(|object| object.name.as_deref() == Some(name))
    };
    events.into_iter().filter(is_ours).filter_map(|event| event.note).collect()
}

#[tokio::test]
async fn oidc_keys_json_is_created_once_the_pods_serve_and_keys_json_stays_as_it_is() {
    let (client, name) = (admin().await, "openid-keys");
    apply(&client, manifest(name, spec(true, Value::Null))).await;
    settle(&client, name).await;
    assert_eq!(file(&client, name, FILE).await, None, "new ScAuths do not wait for an RSA key");
    let keys = file(&client, name, "keys.json").await;
    serve(&client, name).await;
    hear(&client, name, Value::Null).await;
    is(&client, name, "Ready", ["True", "Serving"]).await;
    let text = String::from_utf8(file(&client, name, FILE).await.unwrap()).unwrap();
    assert_eq!(OidcKeySet::parse(&text.into()).unwrap().keys().len(), 2);
    assert_eq!(file(&client, name, "keys.json").await, keys);
    assert_eq!(listed(&client, name).await, current());
    assert_eq!(condition(&client, name, "OpenIdReady").await.0, "", "nobody asked for it");

    // Without https they would have no use, and none are created.
    let (client, plain) = (admin().await, "openid-plain");
    let mut http = spec(false, Value::Null);
    http["expose"]["ingress"]["host"] = json!("plain.example.com");
    started(&client, plain, http, Value::Null).await;
    is(&client, plain, "Ready", ["True", "Serving"]).await;
    assert_eq!(file(&client, plain, FILE).await, None);
}

#[tokio::test]
async fn a_request_rotates_each_key_of_both_files_once() {
    let (client, name) = (admin().await, "openid-rotation");
    let mut own = spec(true, Value::Null);
    own["expose"]["ingress"]["host"] = json!("rotation.example.com");
    started(&client, name, own, Value::Null).await;
    let before = file(&client, name, FILE).await;
    let patch = json!({"metadata": {"annotations": {"sc-auth.io/rotate-keys": "now"}}});
    scauths(&client).patch(name, &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
    settle(&client, name).await;
    assert_ne!(file(&client, name, FILE).await, before);
    let keys = scauths(&client).get(name).await.unwrap().status.unwrap().keys;
    let states = keys.iter().map(|key| key.state.as_str()).collect::<Vec<_>>();
    assert_eq!((keys.len(), states.iter().filter(|state| **state == "retired").count()), (8, 4), "{states:?}");
    // Revoked by its kid, as the others.
    let kid = keys.iter().find(|key| key.purpose == "openid" && key.state == "retired").unwrap().kid.clone();
    let patch = json!({"metadata": {"annotations": {"sc-auth.io/revoke-key": kid}}});
    scauths(&client).patch(name, &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
    settle(&client, name).await;
    let text = String::from_utf8(file(&client, name, FILE).await.unwrap()).unwrap();
    assert!(!text.contains(&kid));
    let patch = json!({"metadata": {"annotations": {"sc-auth.io/revoke-key": "no-such-key"}}});
    scauths(&client).patch(name, &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
    settle(&client, name).await;
    for reason in ["KeyPublished", "KeyPromoted", "KeyRevoked", "KeyUnknown"] {
        assert!(!notes(&client, name, reason).await.is_empty(), "{reason}");
    }
    is(&client, name, "Reconciling", ["False", "Done"]).await;
}

#[tokio::test]
async fn the_operator_refuses_colours_that_the_api_server_lets_pass() {
    let (client, name) = (admin().await, "openid-colours");
    for (theme, color) in [("light", "#bb23f8"), ("dark", "#ff00bf")] {
        let mut own = spec(true, json!({"accentColor": {theme: color}}));
        own["expose"]["ingress"]["host"] = json!("colours.example.com");
        apply(&client, manifest(name, own)).await;
        settle(&client, name).await;
        let message = is(&client, name, "Ready", ["False", "Invalid"]).await;
        assert!(message.starts_with(&format!("spec.login.accentColor.{theme} is {color}: its contrast")), "{message}");
        is(&client, name, "Stalled", ["True", "Invalid"]).await;
    }
}

#[tokio::test]
async fn an_unreadable_keys_file_is_reported_and_not_replaced() {
    let (client, name) = (admin().await, "openid-broken");
    let mut own = spec(true, Value::Null);
    own["expose"]["ingress"]["host"] = json!("broken.example.com");
    started(&client, name, own, Value::Null).await;
    write(&client, name, Some(b"{\"keys\": \"hunter2\"}")).await;
    settle(&client, name).await;
    let message = is(&client, name, "OpenIdReady", ["False", "KeysUnreadable"]).await;
    assert!(
        message.contains("key oidc-keys.json of Secret openid-broken-secret") && !message.contains("hunter2"),
        "{message}"
    );
    is(&client, name, "Ready", ["True", "Serving"]).await;
    assert_eq!(file(&client, name, FILE).await.unwrap(), b"{\"keys\": \"hunter2\"}");
    // What a person removes is created again, and said.
    write(&client, name, None).await;
    settle(&client, name).await;
    assert_eq!(listed(&client, name).await, current());
    assert_eq!(condition(&client, name, "OpenIdReady").await.0, "");
    assert_eq!(notes(&client, name, "KeysLost").await.len(), 0, "the broken file had none to lose");
    write(&client, name, None).await;
    settle(&client, name).await;
    assert_eq!(notes(&client, name, "KeysLost").await.len(), 1);
    is(&client, name, "KeysReady", ["True", "KeysKnown"]).await;
}

#[tokio::test]
async fn openid_ready_follows_the_pods_and_ready_does_not_follow_it() {
    let (client, name) = (admin().await, "openid-clients");
    let mut own = spec(true, Value::Null);
    own["expose"]["ingress"]["host"] = json!("clients.example.com");
    started(&client, name, own, json!({"counter": 1, "clients": 2})).await;
    let message = is(&client, name, "OpenIdReady", ["True", "ClientsLoaded"]).await;
    assert_eq!(
        message,
        "2 applications in Secret openid-clients-declared are served, with issuer https://clients.example.com"
    );
    hear(&client, name, json!({"counter": 1, "clients": 0})).await;
    let message = is(&client, name, "OpenIdReady", ["True", "ClientsLoaded"]).await;
    assert!(message.starts_with("no applications are declared in Secret openid-clients-declared"), "{message}");
    let refused =
        json!({"counter": 2, "clients": 1, "refused": [{"client": "shop", "problem": "it has no redirect URI"}]});
    hear(&client, name, refused).await;
    let message = is(&client, name, "OpenIdReady", ["False", "ClientsRefused"]).await;
    assert_eq!(
        message,
        "1 application in Secret openid-clients-declared is refused, the others are served: shop: it has no redirect URI"
    );
    hear(&client, name, json!({"counter": 2, "problem": "it is not JSON"})).await;
    let message = is(&client, name, "OpenIdReady", ["False", "ClientsUnreadable"]).await;
    assert!(message.contains("it is not JSON; the pods keep serving the previous applications"), "{message}");
    silence(name);
    settle(&client, name).await;
    let message = is(&client, name, "OpenIdReady", ["Unknown", "PodsUnreachable"]).await;
    assert!(message.contains("whether ClientsUnreadable still holds"), "{message}");
    let mut without_keys = serving(json!({"counter": 3, "clients": 2}));
    without_keys[0]["oidc_keys"] = json!([]);
    say(name, without_keys);
    settle(&client, name).await;
    is(&client, name, "OpenIdReady", ["False", "KeysNotLoaded"]).await;
    is(&client, name, "Ready", ["True", "Serving"]).await;
    hear(&client, name, Value::Null).await;
    assert_eq!(condition(&client, name, "OpenIdReady").await.0, "");
}

#[tokio::test]
async fn an_unusable_issuer_is_reported_if_login_is_configured() {
    let (client, name) = (admin().await, "openid-issuer");
    let mut own = spec(false, json!({"title": "Example"}));
    own["expose"]["ingress"]["host"] = json!("issuer.example.com");
    started(&client, name, own.clone(), Value::Null).await;
    let message = is(&client, name, "OpenIdReady", ["False", "IssuerNotUsable"]).await;
    assert!(message.contains("but the issuer is http://issuer.example.com: set"), "{message}");
    is(&client, name, "Ready", ["True", "Serving"]).await;
    own["auth"] = json!({"issuer": "https://issuer.example.com/tenant"});
    apply(&client, manifest(name, own.clone())).await;
    settle(&client, name).await;
    is(&client, name, "OpenIdReady", ["False", "IssuerNotUsable"]).await;
    own["auth"] = json!({"issuer": "https://issuer.example.com"});
    apply(&client, manifest(name, own)).await;
    settle(&client, name).await;
    serve(&client, name).await;
    hear(&client, name, json!({"clients": 1})).await;
    is(&client, name, "OpenIdReady", ["True", "ClientsLoaded"]).await;
}

#[tokio::test]
async fn pods_of_an_earlier_revision_are_reported_if_login_is_configured() {
    let (client, name) = (admin().await, "openid-old");
    let mut own = spec(true, Value::Null);
    own["expose"]["ingress"]["host"] = json!("old.example.com");
    apply(&client, manifest(name, own.clone())).await;
    settle(&client, name).await;
    let note = |revision: &str, image: &str| json!({"metadata": {"annotations": {"sc-auth.io/template-revision": revision, "sc-auth.io/image": image}}});
    let patch = Patch::Merge(note("2", "registry.test/server:0.2.0"));
    Child::Deployment.api(&client, name).patch(name, &PatchParams::default(), &patch).await.unwrap();
    own["login"] = json!({"title": "Example"});
    apply(&client, manifest(name, own)).await;
    settle(&client, name).await;
    let message = is(&client, name, "OpenIdReady", ["False", "ServerTooOld"]).await;
    assert!(message.contains("sc-auth.io/upgrade-to"), "{message}");
    let deployment = Child::Deployment.api(&client, name).get(name).await.unwrap();
    let text = deployment.data.to_string();
    assert!(!text.contains("SC_AUTH_LOGIN") && !text.contains("openid-old-declared"), "{text}");
    // Release 0.2.0 is the one of this operator, too.
    let patch = json!({"metadata": {"annotations": {"sc-auth.io/upgrade-to": "0.2.0"}}});
    scauths(&client).patch(name, &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
    settle(&client, name).await;
    let deployment = Child::Deployment.api(&client, name).get(name).await.unwrap();
    let text = deployment.data.to_string();
    assert!(text.contains("SC_AUTH_LOGIN_TITLE") && text.contains("openid-old-declared"), "{text}");
    assert_eq!(condition(&client, name, "OpenIdReady").await.0, "");
}
