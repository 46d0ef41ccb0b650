//! Two ScAuths that ask for one namespace: one gets it, and nothing of the other is in it.

use std::sync::Arc;

use kube::api::{Api, ApiResource, DeleteParams, ListParams, Patch, PatchParams};
use kube::core::DynamicObject;
use kube::{Client, ResourceExt as _};
use kube_runtime::{reflector, watcher};
use sc_auth_operator::api::ScAuth;
use sc_auth_operator::scauth::child::Child;
use sc_auth_operator::scauth::names::Names;
use sc_auth_operator::scauth::{Context, reconcile};
use serde_json::{Value, json};
use strum::IntoEnumIterator as _;

use crate::harness::{admin, apply, manifest, operator, scauths, settle};
use crate::refusals::condition;

const ROUNDS: usize = 100;

fn spec(namespace: &str) -> Value {
    json!({"namespace": namespace, "replicas": 1, "database": {"external": {"urlFrom": {"name": "db", "key": "uri"}}}})
}

/// One operator that sees these ScAuths.
fn seeing(client: &Client, fleet: &[&ScAuth]) -> Arc<Context> {
    let (store, mut writer) = reflector::store();
    for scauth in fleet {
        writer.apply_watcher_event(&watcher::Event::Apply((*scauth).clone()));
    }
    let mut context = operator(client.clone());
    Arc::get_mut(&mut context).unwrap().fleet = store;
    context
}

/// The ScAuths whose objects are in a namespace: of all children, and the generated Secrets.
async fn present(client: &Client, namespace: &str) -> Vec<String> {
    let secrets = ApiResource::erase::<k8s_openapi::api::core::v1::Secret>(&());
    let kinds = Child::iter().filter(|child| *child != Child::Namespace).map(Child::resource).chain([secrets]);
    let mut names = Vec::new();
    for kind in kinds {
        let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &kind);
        let found = api.list(&ListParams::default().labels("sc-auth.io/scauth")).await.unwrap().items;
        names.extend(found.iter().map(|object| object.labels()["sc-auth.io/scauth"].clone()));
    }
    names.sort();
    names.dedup();
    names
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_scauths_made_at_once_for_one_namespace_one_gets_it_whole() {
    let client = admin().await;
    for round in 0..ROUNDS {
        let namespace = format!("race-{round}");
        let names = [format!("{namespace}-a"), format!("{namespace}-b")];
        let (first, second) = tokio::join!(
            apply(&client, manifest(&names[0], spec(&namespace))),
            apply(&client, manifest(&names[1], spec(&namespace))),
        );
        let context = seeing(&client, &[&first, &second]);
        let (first, second) = (Arc::new(first), Arc::new(second));
        let (a, b) = tokio::join!(
            tokio::spawn(reconcile(Arc::clone(&first), Arc::clone(&context))),
            tokio::spawn(reconcile(Arc::clone(&second), Arc::clone(&context))),
        );
        a.unwrap().unwrap();
        b.unwrap().unwrap();
        let owners = present(&client, &namespace).await;
        assert_eq!(owners.len(), 1, "round {round}: {owners:?}");
        let loser = names.iter().find(|name| **name != owners[0]).unwrap();
        assert_eq!(condition(&client, loser, "Ready").await.1, "NamespaceNotAllowed", "round {round}");
        for name in &names {
            scauths(&client).delete(name, &DeleteParams::default()).await.unwrap();
        }
    }
}

#[tokio::test]
async fn what_lies_in_a_namespace_of_another_scauth_goes_but_for_keys_and_claims() {
    let (client, owner, guest) = (admin().await, "leftovers", "leftovers-guest");
    apply(&client, manifest(owner, json!({"database": {"embedded": {}}}))).await;
    settle(&client, owner).await;
    // An earlier operator let the guest in; here its owner did.
    let namespaces = Child::Namespace.api(&client, owner);
    let allow = async |allowed: Option<&str>| {
        let patch = json!({"metadata": {"annotations": {"sc-auth.io/allow": allowed}}});
        namespaces.patch(owner, &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
    };
    allow(Some(guest)).await;
    let embedded = json!({"namespace": owner, "database": {"embedded": {}}});
    apply(&client, manifest(guest, embedded)).await;
    settle(&client, guest).await;
    let names = Names { scauth: guest.into(), namespace: owner.into() };
    let exists = async |child: Child| child.api(&client, owner).get_opt(&child.name(&names)).await.unwrap().is_some();
    assert!(exists(Child::Deployment).await);

    allow(None).await;
    settle(&client, guest).await;
    assert_eq!(condition(&client, guest, "Ready").await.1, "NamespaceNotAllowed");
    for child in [Child::Deployment, Child::Service, Child::OpsService, Child::NetworkPolicy, Child::ServiceAccount] {
        assert!(!exists(child).await, "{child:?}");
    }
    assert!(exists(Child::VolumeClaim).await);
    let secrets: Api<k8s_openapi::api::core::v1::Secret> = Api::namespaced(client.clone(), owner);
    assert!(secrets.get_opt(&names.secret()).await.unwrap().is_some());
    let owners = Names { scauth: owner.into(), namespace: owner.into() };
    let api = Child::Deployment.api(&client, owner);
    assert!(api.get_opt(&Child::Deployment.name(&owners)).await.unwrap().is_some(), "the owner's objects stay");
}
