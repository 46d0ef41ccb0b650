//! Who leads, and who comes next.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::{admin, config, eventually, make};
use crate::operators::{Operator, clean, namespace};

#[tokio::test(flavor = "multi_thread")]
async fn a_successor_leads_within_twenty_seconds_of_a_kill_and_at_once_after_a_stop() {
    let client = admin().await;
    clean(&client).await;
    namespace(&client, "leader").await;
    let first = Operator::start("first", "leader", config().await, &[]);
    eventually("the first leads", || first.leads()).await;
    let second = Operator::start("second", "leader", config().await, &[]);
    eventually("the second is ready", || async { second.page("/readyz").await.0 == 200 }).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(!second.leads().await, "there is one leader");

    let killed = Instant::now();
    first.kill();
    eventually("the second leads", || second.leads()).await;
    assert!(killed.elapsed() < Duration::from_secs(20), "{:?}", killed.elapsed());

    let third = Operator::start("third", "leader", config().await, &[]);
    eventually("the third is ready", || async { third.page("/readyz").await.0 == 200 }).await;
    let stopped = Instant::now();
    second.stop().await;
    eventually("the third leads", || third.leads()).await;
    assert!(stopped.elapsed() < Duration::from_secs(5), "{:?}", stopped.elapsed());
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
    let second = Operator::start("second", "unbegun", config().await, &[]);
    eventually("the second leads", || second.leads()).await;
    assert!(stopped.elapsed() < Duration::from_secs(10), "{:?}", stopped.elapsed());
    second.stop().await;
}
