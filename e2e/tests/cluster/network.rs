//! NetworkPolicies, enforced by kube-router: which clients reach the pods, and what the pods reach.

use sc_auth_e2e::database;
use sc_auth_e2e::kube::{apply, condition, eventually, get, kubectl, lend_namespace, run};
use sc_auth_e2e::tenant::Tenant;
use serde_json::json;

/// A foreign pod that connects, in a namespace with this name.
struct Client(&'static str);

impl Client {
    fn start(namespace: &'static str) -> Self {
        apply(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})).unwrap();
        let container = json!({
            "name": "client", "image": "docker.io/local/busybox:1", "imagePullPolicy": "Never", "args": ["sleep", "3600"],
        });
        apply(json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "client", "namespace": namespace, "labels": {"app": "client"}},
            "spec": {"containers": [container], "terminationGracePeriodSeconds": 0},
        }))
        .unwrap();
        run(&["wait", "--for", "condition=Ready", "pod/client", "-n", namespace, "--timeout", "240s"]);
        Self(namespace)
    }

    /// Whether it can connect to a pod of a ScAuth.
    fn reaches(&self, tenant: &Tenant, port: &str) -> bool {
        let pods = tenant.pods();
        let address = pods[0]["status"]["podIP"].as_str().unwrap();
        kubectl(&["exec", "client", "-n", self.0, "--", "/busybox", "nc", "-w", "2", address, port], "")
            .status
            .success()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        kubectl(&["delete", "namespace", self.0, "--wait=false"], "");
    }
}

#[test]
fn the_api_is_open_and_health_and_metrics_are_closed_by_default() {
    let name = "e2e-network";
    let tenant = Tenant::embedded(name);
    let (app, prometheus) = (Client::start("e2e-network-app"), Client::start("e2e-network-prometheus"));
    let (api, metrics) = ("8000", "8001");
    tenant.apply().ready();
    eventually("anybody reaches the API", || app.reaches(&tenant, api) && prometheus.reaches(&tenant, api));
    assert!(!app.reaches(&tenant, metrics) && !prometheus.reaches(&tenant, metrics), "nobody can read the metrics yet");
    // The operator has reached the pods through the policy.
    assert_eq!(condition(name, "DatabaseReady")["status"], "True");

    let of =
        |namespace: &str| json!([{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}}]);
    tenant.apply_with(json!({"monitoring": {"from": of("e2e-network-prometheus")}})).ready();
    eventually("who is named in monitoring.from", || prometheus.reaches(&tenant, metrics));
    assert!(!app.reaches(&tenant, metrics), "and nobody else");
    assert_eq!(condition(name, "Monitored")["reason"], "Applied");
    assert!(!get("servicemonitor", name, name).is_null());

    tenant.apply_with(json!({"networkPolicy": {"ingressFrom": of("e2e-network-app")}})).ready();
    eventually("who is not named in ingressFrom is kept away", || !prometheus.reaches(&tenant, api));
    assert!(app.reaches(&tenant, api));
    assert!(!prometheus.reaches(&tenant, metrics), "monitoring is gone from the spec");
}

/// Gives the database a host name, so that pods need DNS too.
fn name_the_database(namespace: &str, address: &str, port: i32) {
    let metadata = json!({"name": "database", "namespace": namespace});
    apply(json!({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"clusterIP": "None", "ports": [{"port": port}]}}))
        .unwrap();
    apply(json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": {"name": "database", "namespace": namespace, "labels": {"kubernetes.io/service-name": "database"}},
        "ports": [{"port": port}], "endpoints": [{"addresses": [address]}],
    }))
    .unwrap();
}

#[test]
fn pods_reach_only_the_targets_of_egress_to_and_dns() {
    let name = "e2e-egress";
    let tenant = Tenant::external(name);
    let server = database::postgres("e2e_egress");
    lend_namespace(name);
    name_the_database(name, &server.host, server.port);
    let uri = server.uri("e2e_egress").replace(&server.host, &format!("database.{name}.svc.cluster.local"));
    tenant.use_database(&uri);
    let egress_to = |port: i32| {
        let database = json!({"ipBlock": {"cidr": format!("{}/32", server.host)}});
        json!({"networkPolicy": {"egressTo": [{"to": [database], "ports": [{"port": port}]}]}})
    };
    // Until the policy is active on the node, a new pod can connect to everything: close the database meanwhile.
    database::close("e2e_egress");
    tenant.apply_with(egress_to(server.port + 1));
    let failure = || {
        let database = condition(name, "DatabaseReady");
        let failed = database["reason"] == "MigrationFailed" || database["reason"] == "StartFailed";
        failed.then(|| database["message"].to_string())
    };
    eventually("nobody is let in", || failure().is_some());
    database::open("e2e_egress");
    // PostgreSQL is listening: kube-router blocks the connection.
    eventually("the database is out of reach", || {
        failure().is_some_and(|message| message.contains("Connection refused"))
    });
    tenant.apply_with(egress_to(server.port)).ready();
}
