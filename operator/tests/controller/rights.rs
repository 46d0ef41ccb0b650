//! An operator with fewer rights.

use kube::Client;
use serde_json::json;

use crate::harness::{config, make};

/// Everything that the operator may do, except to hold that Lease: as with the ClusterRole of release 0.2.
pub async fn without_claim(client: &Client, user: &str) -> kube::Config {
    let text = std::fs::read_to_string("../config/rbac/cluster-role.yaml").unwrap();
    let mut role: serde_json::Value = serde_yaml::from_str(&text).unwrap();
    let rules = role["rules"].as_array_mut().unwrap();
    rules.retain(|rule| rule["resources"] != json!(["leases"]));
    rules.push(json!({"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["create"]}));
    rules.push(json!({
        "apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get", "update"], "resourceNames": [user],
    }));
    role["metadata"] = json!({"name": user});
    make(client, "clusterroles", role).await;
    let api = "rbac.authorization.k8s.io";
    make(
        client,
        "clusterrolebindings",
        json!({
            "apiVersion": format!("{api}/v1"), "kind": "ClusterRoleBinding", "metadata": {"name": user},
            "roleRef": {"apiGroup": api, "kind": "ClusterRole", "name": user},
            "subjects": [{"kind": "User", "name": user, "apiGroup": api}],
        }),
    )
    .await;
    let mut limited = config().await;
    limited.auth_info.impersonate = Some(user.into());
    limited
}
