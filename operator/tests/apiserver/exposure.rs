//! What Exposed says of an Ingress: an address counts for the class that it was written for, and HTTPS needs a
//! certificate.

use std::sync::Arc;

use k8s_openapi::api::networking::v1::IngressClass;
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::{Api, Client};
use sc_auth_operator::scauth::child::Child;
use sc_auth_operator::scauth::names::Names;
use serde_json::{Value, json};

use crate::harness::{Line, admin, apply, make, manifest, once, scauths, settle};
use crate::refusals::condition;

pub fn spec(ingress: Value) -> Value {
    json!({"database": {"external": {"urlFrom": {"name": "db", "key": "uri"}}}, "expose": {"ingress": ingress}})
}

pub fn names(name: &str) -> Names {
    Names { scauth: name.into(), namespace: name.into() }
}

/// As an ingress controller does, which this API server lacks.
pub async fn answer(client: &Client, name: &str, address: Value) {
    answer_as(client, name, "controller", address).await;
}

pub async fn answer_as(client: &Client, name: &str, controller: &str, address: Value) {
    let names = names(name);
    let api = Child::Ingress.api(client, &names.namespace);
    let status = Patch::Merge(json!({"status": {"loadBalancer": {"ingress": address}}}));
    let params = PatchParams { field_manager: Some(controller.into()), ..PatchParams::default() };
    api.patch_status(&names.ingress(), &params, &status).await.unwrap();
}

/// Creates that IngressClass.
pub async fn class(client: &Client, name: &str, controller: &str) {
    let class = json!({"apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "metadata": {"name": name},
        "spec": {"controller": controller}});
    make(client, "ingressclasses", class).await;
}

pub async fn delete_class(client: &Client, name: &str) {
    let classes: Api<IngressClass> = Api::all(client.clone());
    classes.delete(name, &DeleteParams::default()).await.unwrap();
}

async fn stored_address(client: &Client, name: &str) -> Value {
    let names = names(name);
    let ingress = Child::Ingress.api(client, &names.namespace).get(&names.ingress()).await.unwrap();
    ingress.data["status"]["loadBalancer"]["ingress"].clone()
}

/// Changes the Ingress in the spec as a person does, and looks twice: what the first look learned must last.
pub async fn change(client: &Client, name: &str, ingress: Value) -> (String, String, String) {
    let patch = Patch::Merge(json!({"spec": {"expose": {"ingress": ingress}}}));
    scauths(client).patch(name, &PatchParams::default(), &patch).await.unwrap();
    look(client, name).await;
    look(client, name).await
}

pub async fn look(client: &Client, name: &str) -> (String, String, String) {
    once(client, name, &Arc::new(Line::default())).await.unwrap().unwrap();
    condition(client, name, "Exposed").await
}

pub fn is(found: &(String, String, String), status: &str, reason: &str) {
    assert_eq!((found.0.as_str(), found.1.as_str()), (status, reason), "{}", found.2);
}

pub async fn exposed(client: &Client, name: &str, ingress: Value) {
    class(client, "served", "example.com/served").await;
    apply(client, manifest(name, spec(ingress))).await;
    settle(client, name).await;
    answer(client, name, json!([{"ip": "192.0.2.1"}])).await;
    is(&look(client, name).await, "True", "Admitted");
}

#[tokio::test]
async fn an_address_does_not_count_for_another_class_than_it_was_written_for() {
    let (client, name) = (admin().await, "reclassed");
    exposed(&client, name, json!({"host": "reclassed.test", "className": "served"})).await;
    let found = change(&client, name, json!({"className": "nobody"})).await;
    is(&found, "Unknown", "NoAddress");
    for words in ["class nobody", "class served", "192.0.2.1", "does not exist as an IngressClass"] {
        assert!(found.2.contains(words), "{words}: {}", found.2);
    }
    assert_eq!(stored_address(&client, name).await, json!([{"ip": "192.0.2.1"}]), "the status is the controller's");
    // A change of anything else is not an address.
    let found = change(&client, name, json!({"host": "other.test", "annotations": {"example.com/a": "b"}})).await;
    is(&found, "Unknown", "NoAddress");
    class(&client, "nobody", "example.com/nobody").await;
    // The controller before, which is late.
    answer(&client, name, json!([{"ip": "192.0.2.9"}])).await;
    is(&look(&client, name).await, "Unknown", "NoAddress");
    answer_as(&client, name, "other", json!([{"hostname": "new.test"}])).await;
    is(&look(&client, name).await, "True", "Admitted");
    is(&look(&client, name).await, "True", "Admitted");
    // The controller of that class still serves another host.
    is(&change(&client, name, json!({"host": "third.test"})).await, "True", "Admitted");
}

#[tokio::test]
async fn the_class_may_go_back_or_away_or_be_in_an_annotation() {
    let (client, name) = (admin().await, "classless");
    exposed(&client, name, json!({"host": "classless.test", "className": "served"})).await;
    is(&change(&client, name, json!({"className": null})).await, "Unknown", "NoAddress");
    is(&change(&client, name, json!({"className": "served"})).await, "True", "Admitted");
    let annotated = json!({"className": null, "annotations": {"kubernetes.io/ingress.class": "nobody"}});
    let found = change(&client, name, annotated).await;
    is(&found, "Unknown", "NoAddress");
    assert!(found.2.contains("class nobody"), "{}", found.2);
    let back = json!({"annotations": {"kubernetes.io/ingress.class": "served"}});
    is(&change(&client, name, back).await, "True", "Admitted");
    // Gone, and written again later, by the same controller and by another one.
    is(
        &change(&client, name, json!({"annotations": {"kubernetes.io/ingress.class": "late"}})).await,
        "Unknown",
        "NoAddress",
    );
    answer(&client, name, Value::Null).await;
    is(&look(&client, name).await, "Unknown", "NoAddress");
    answer(&client, name, json!([{"ip": "192.0.2.1"}])).await;
    is(&look(&client, name).await, "Unknown", "NoAddress");
    answer_as(&client, name, "late", json!([{"ip": "192.0.2.1"}, {"ip": "192.0.2.2"}])).await;
    is(&look(&client, name).await, "True", "Admitted");
}

/// The host in the spec leads nowhere yet, and neither does the one of the Ingress belong to it.
#[tokio::test]
async fn a_change_of_host_while_suspended_does_not_hide_a_change_of_class() {
    let (client, name) = (admin().await, "slept");
    exposed(&client, name, json!({"host": "slept.test", "className": "served"})).await;
    is(&change(&client, name, json!({"className": "nobody"})).await, "Unknown", "NoAddress");
    let set = async |spec: Value| {
        let patch = Patch::Merge(json!({"spec": spec}));
        scauths(&client).patch(name, &PatchParams::default(), &patch).await.unwrap();
        look(&client, name).await
    };
    set(json!({"suspend": true, "expose": {"ingress": {"host": "moved.test"}}})).await;
    is(&set(json!({"suspend": false})).await, "Unknown", "NoAddress");
    // Nor does an Ingress that the spec does not ask for meanwhile.
    set(json!({"suspend": true, "expose": null})).await;
    let ingress = json!({"host": "moved.test", "className": "nobody"});
    is(&set(json!({"suspend": false, "expose": {"ingress": ingress}})).await, "Unknown", "NoAddress");
}

#[tokio::test]
async fn a_service_that_leads_out_of_the_cluster_counts() {
    let (client, name) = (admin().await, "balanced");
    let set = async |service: Value| {
        let patch = Patch::Merge(json!({"spec": {"service": service}}));
        scauths(&client).patch(name, &PatchParams::default(), &patch).await.unwrap();
        look(&client, name).await
    };
    let database = json!({"external": {"urlFrom": {"name": "db", "key": "uri"}}});
    apply(&client, manifest(name, json!({"database": database}))).await;
    settle(&client, name).await;
    is(&look(&client, name).await, "False", "NotWanted");
    let found = set(json!({"type": "NodePort", "nodePort": 30_123})).await;
    is(&found, "True", "ByService");
    assert!(found.2.contains("port 30123 of each node"), "{}", found.2);
    let found = set(json!({"type": "LoadBalancer", "nodePort": null})).await;
    is(&found, "Unknown", "NoAddress");
    assert!(found.2.contains("Service balanced-svc has no load balancer yet"), "{}", found.2);
    let api = Child::Service.api(&client, name);
    let status = Patch::Merge(json!({"status": {"loadBalancer": {"ingress": [{"hostname": "lb.test"}]}}}));
    api.patch_status(&names(name).service(), &PatchParams::default(), &status).await.unwrap();
    let found = look(&client, name).await;
    is(&found, "True", "ByService");
    assert!(found.2.contains("lb.test, on port 8000"), "{}", found.2);
    is(&set(Value::Null).await, "False", "NotWanted");
}

/// Release 0.2 recorded no address.
#[tokio::test]
async fn a_status_of_release_0_2_has_no_address_and_a_change_of_class_counts_all_the_same() {
    let (client, name) = (admin().await, "unrecorded");
    exposed(&client, name, json!({"host": "unrecorded.test", "className": "served"})).await;
    let forget = Patch::Merge(json!({"status": {"exposure": null}}));
    scauths(&client).patch_status(name, &PatchParams::default(), &forget).await.unwrap();
    is(&change(&client, name, json!({"className": "nobody"})).await, "Unknown", "NoAddress");
}

#[tokio::test]
async fn a_class_that_does_not_exist_is_named() {
    let (client, name) = (admin().await, "ghosted");
    apply(&client, manifest(name, spec(json!({"host": "ghosted.test", "className": "ghost"})))).await;
    settle(&client, name).await;
    let found = condition(&client, name, "Exposed").await;
    is(&found, "Unknown", "NoAddress");
    assert!(found.2.contains("IngressClass ghost does not exist"), "{}", found.2);
    class(&client, "ghost", "example.com/none").await;
    let found = look(&client, name).await;
    assert!(found.2.ends_with("does the cluster have one for ghost?"), "{}", found.2);
}

#[tokio::test]
async fn a_missing_certificate_is_reported_until_it_is_there() {
    let (client, name) = (admin().await, "certless");
    apply(&client, manifest(name, spec(json!({"host": "certless.test", "className": "served", "tls": {}})))).await;
    settle(&client, name).await;
    answer(&client, name, json!([{"ip": "192.0.2.1"}])).await;
    let found = look(&client, name).await;
    // The controller may have a certificate of its own.
    is(&found, "Unknown", "SecretNotFound");
    assert!(found.2.contains(&format!("Secret {name}-tls is missing in namespace {name}")), "{}", found.2);
    let found = change(&client, name, json!({"tls": {"secretName": "wildcard"}})).await;
    is(&found, "False", "SecretNotFound");
    assert!(found.2.contains("Secret wildcard is missing"), "{}", found.2);
    certificate(&client, name, json!({"tls.crt": CERTIFICATE, "tls.key": KEY})).await;
    is(&look(&client, name).await, "True", "Admitted");
}

const CERTIFICATE: &str = include_str!("../certificates/auth.crt");
const KEY: &str = include_str!("../certificates/auth.key");
const OTHER_KEY: &str = include_str!("../certificates/other.key");

async fn certificate(client: &Client, namespace: &str, data: Value) {
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "type": "Opaque",
        "metadata": {"name": "wildcard", "namespace": namespace}, "stringData": data});
    make(client, "secrets", secret).await;
}

#[tokio::test]
async fn a_certificate_that_clients_do_not_accept_is_reported_with_its_problem() {
    let (client, name) = (admin().await, "certified");
    let ingress = json!({"host": "certless.test", "className": "served", "tls": {"secretName": "wildcard"}});
    class(&client, "served", "example.com/served").await;
    apply(&client, manifest(name, spec(ingress))).await;
    settle(&client, name).await;
    answer(&client, name, json!([{"ip": "192.0.2.1"}])).await;
    for (data, problem) in [
        (json!({"ca.crt": ""}), "key tls.crt is missing"),
        (json!({"tls.crt": "", "tls.key": ""}), "key tls.crt is empty"),
        (json!({"tls.crt": CERTIFICATE, "tls.key": "a"}), "key tls.key has no private key in PEM form"),
        (json!({"tls.crt": CERTIFICATE, "tls.key": OTHER_KEY}), "is not that of the first certificate"),
    ] {
        certificate(&client, name, data).await;
        let found = look(&client, name).await;
        is(&found, "False", "CertificateInvalid");
        assert!(found.2.contains("Secret wildcard") && found.2.contains(problem), "{}, not: {problem}", found.2);
        let ready = condition(&client, name, "Ready").await;
        assert!(!ready.2.contains("BEGIN"), "{}", ready.2);
    }
    certificate(&client, name, json!({"tls.crt": CERTIFICATE, "tls.key": KEY})).await;
    is(&look(&client, name).await, "True", "Admitted");
    let found = change(&client, name, json!({"host": "elsewhere.test"})).await;
    is(&found, "False", "CertificateInvalid");
    assert!(found.2.contains("is not valid for elsewhere.test"), "{}", found.2);
}
