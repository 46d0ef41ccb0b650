//! Who leads, and who comes next.

use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use kube::{Api, Client};
use serde_json::json;

use crate::harness::{admin, config, eventually, make};
use crate::operators::{Operator, clean, namespace};

async fn lease(client: &Client, namespace: &str) -> LeaseSpec {
    let lease = Api::<Lease>::namespaced(client.clone(), namespace).get("sc-auth-operator").await.unwrap();
    lease.spec.unwrap()
}

/// Who holds the Lease.
async fn holder(client: &Client, namespace: &str) -> String {
    lease(client, namespace).await.holder_identity.unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_successor_leads_after_a_kill_and_need_not_wait_after_a_stop() {
    let client = admin().await;
    clean(&client).await;
    namespace(&client, "leader").await;
    let first = Operator::start("first", "leader", config().await, &[]);
    eventually("the first leads", || first.leads()).await;
    let second = Operator::start("second", "leader", config().await, &[]);
    eventually("the second is ready", || async { second.page("/readyz").await.0 == 200 }).await;
    let renewed = async || lease(&client, "leader").await.renew_time.unwrap().0;
    let before = renewed().await;
    eventually("the first has renewed the Lease", || async { renewed().await > before }).await;
    assert!(!second.leads().await, "there is one leader");

    first.kill();
    eventually("the second leads", || second.leads()).await;

    let third = Operator::start("third", "leader", config().await, &[]);
    eventually("the third is ready", || async { third.page("/readyz").await.0 == 200 }).await;
    second.stop().await;
    assert!(!holder(&client, "leader").await.starts_with("second"), "it has given the Lease back");
    eventually("the third leads", || third.leads()).await;
    third.stop().await;
}

/// Stopped while the first list of ScAuths is not there yet: here it never comes, since it is forbidden.
#[tokio::test(flavor = "multi_thread")]
async fn one_that_has_not_begun_ends_at_once_and_gives_the_lease_back() {
    let client = admin().await;
    clean(&client).await;
    namespace(&client, "unbegun").await;
    let (role, api) = ("leads-only", "rbac.authorization.k8s.io");
    make(&client, "clusterroles", json!({
        "apiVersion": format!("{api}/v1"), "kind": "ClusterRole", "metadata": {"name": role},
        "rules": [
            {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["*"]},
            {"apiGroups": ["apiextensions.k8s.io"], "resources": ["customresourcedefinitions"], "verbs": ["list", "watch"]},
        ],
    }))
    .await;
    make(
        &client,
        "clusterrolebindings",
        json!({
            "apiVersion": format!("{api}/v1"), "kind": "ClusterRoleBinding", "metadata": {"name": role},
            "roleRef": {"apiGroup": api, "kind": "ClusterRole", "name": role},
            "subjects": [{"kind": "User", "name": role, "apiGroup": api}],
        }),
    )
    .await;
    let mut limited = config().await;
    limited.auth_info.impersonate = Some(role.into());
    let first = Operator::start("first", "unbegun", limited, &[]);
    eventually("the first leads", || first.leads()).await;
    let stopped = Instant::now();
    first.stop().await;
    // Not at the end of the time that reconciles are given to finish.
    assert!(stopped.elapsed() < Duration::from_secs(20), "{:?}", stopped.elapsed());
    assert!(!holder(&client, "unbegun").await.starts_with("first"), "it has given the Lease back");
    let second = Operator::start("second", "unbegun", config().await, &[]);
    eventually("the second leads", || second.leads()).await;
    second.stop().await;
}
