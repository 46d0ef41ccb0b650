//! What the children are like.

use serde_json::{Value, json};
use strum::IntoEnumIterator as _;

use super::{NAME, embedded, external, resolved};
use crate::scauth::child::Child;
use crate::scauth::children::{Children, admin_secret, build, keys_secret};
use crate::scauth::observe::Observed;
use crate::shared::difference::is_stored;

fn children(spec: Value) -> Children {
    build(&resolved(spec, &Observed::default()).unwrap()).unwrap()
}

fn child(kind: Child, spec: Value) -> Value {
    children(spec).remove(&kind).unwrap_or_default()
}

fn deployment(spec: Value) -> Value {
    child(Child::Deployment, spec)
}

/// `base` with one more field at the top of the spec.
pub fn with(mut base: Value, field: &str, value: Value) -> Value {
    base[field] = value;
    base
}

/// The server's settings, as it finds them in its environment.
fn settings(deployment: &Value) -> Vec<(String, String)> {
    let env = deployment["spec"]["template"]["spec"]["containers"][0]["env"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    env.iter().map(|variable| (text(&variable["name"]), text(&variable["value"]))).collect()
}

fn setting(deployment: &Value, name: &str) -> Option<String> {
    settings(deployment).into_iter().find(|(other, _)| other == name).map(|(_, value)| value)
}

/// A spec that has every child.
fn everything() -> Value {
    json!({
        "database": {"external": {"urlFrom": {"name": "db", "key": "uri"}}},
        "autoscaling": {"max": 5}, "monitoring": {"labels": {"release": "prometheus"}, "interval": "30s"},
        "expose": {"httpRoute": {"parentRefs": [{"name": "edge", "namespace": "gateways"}], "hostnames": ["auth.test"]}},
    })
}

fn every_child() -> Children {
    let mut all = children(everything());
    all.extend(children(embedded()));
    all.extend(children(with(embedded(), "expose", json!({"ingress": {"host": "auth.test"}}))));
    assert_eq!(all.len(), Child::iter().count(), "{:?}", all.keys());
    all
}

#[test]
fn a_child_that_is_stored_as_it_was_applied_needs_no_change() {
    for (kind, child) in every_child() {
        assert!(is_stored(&child, &serde_json::from_value(child.clone()).unwrap()), "{kind:?}");
    }
}

#[test]
fn all_children_carry_the_name_of_their_scauth() {
    for (kind, child) in every_child() {
        let labels = &child["metadata"]["labels"];
        assert_eq!(labels["sc-auth.io/scauth"], NAME, "{kind:?}");
        assert_eq!(labels["app.kubernetes.io/managed-by"], "sc-auth-operator", "{kind:?}");
        assert_eq!(child["kind"], kind.resource().kind);
        assert_eq!(child["metadata"]["name"], kind.name(&resolved(embedded(), &Observed::default()).unwrap().names));
    }
}

#[test]
fn all_that_selects_pods_selects_ours() {
    let children = children(everything());
    let pod_labels = &children[&Child::Deployment]["spec"]["template"]["metadata"]["labels"];
    for (kind, path) in [
        (Child::Deployment, "/spec/selector/matchLabels"),
        (Child::Service, "/spec/selector"),
        (Child::OpsService, "/spec/selector"),
        (Child::DisruptionBudget, "/spec/selector/matchLabels"),
        (Child::NetworkPolicy, "/spec/podSelector/matchLabels"),
    ] {
        let selector = children[&kind].pointer(path).unwrap();
        assert_eq!(*selector, json!({"app.kubernetes.io/name": "sc-auth", "app.kubernetes.io/instance": NAME}));
        for (name, value) in selector.as_object().unwrap() {
            assert_eq!(pod_labels[name], *value, "{kind:?}");
        }
    }
    // And the monitor finds the Service with the metrics alone.
    let wanted = children[&Child::ServiceMonitor]["spec"]["selector"]["matchLabels"].as_object().unwrap();
    let finds = |kind| wanted.iter().all(|(name, value)| children[&kind]["metadata"]["labels"][name] == *value);
    assert_eq!((finds(Child::OpsService), finds(Child::Service)), (true, false));
}

#[test]
fn data_stays_unless_the_policy_says_otherwise_and_the_workload_always_goes() {
    let is_owned = |children: &Children, kind| !children[&kind]["metadata"]["ownerReferences"].is_null();
    let retain = children(embedded());
    assert!(!is_owned(&retain, Child::Namespace) && !is_owned(&retain, Child::VolumeClaim));
    assert!(is_owned(&retain, Child::Deployment) && is_owned(&retain, Child::Service));
    let delete = children(with(embedded(), "deletionPolicy", json!("Delete")));
    assert!(Child::iter().filter(|kind| delete.contains_key(kind)).all(|kind| is_owned(&delete, kind)));
}

/// Argo CD with label tracking prunes an object that has the label and no owner.
#[test]
fn what_may_stay_has_no_label_of_an_application() {
    let instance = json!(NAME);
    for spec in [embedded(), with(embedded(), "deletionPolicy", json!("Delete"))] {
        for (kind, child) in children(spec) {
            let label = child["metadata"]["labels"].get("app.kubernetes.io/instance");
            assert_eq!(label, (!kind.stays_when_dropped()).then_some(&instance), "{kind:?}");
        }
    }
}

#[test]
fn more_than_one_pod_has_a_disruption_budget() {
    assert_eq!(child(Child::DisruptionBudget, external())["spec"]["maxUnavailable"], 1);
    assert!(!child(Child::DisruptionBudget, with(external(), "autoscaling", json!({"min": 1, "max": 3}))).is_null());
    assert!(child(Child::DisruptionBudget, with(external(), "replicas", json!(1))).is_null());
    assert!(child(Child::DisruptionBudget, embedded()).is_null());
}

#[test]
fn with_an_autoscaler_nobody_else_sends_replicas() {
    let children = children(with(external(), "autoscaling", json!({"min": 3, "max": 6, "cpu": 200})));
    assert!(children[&Child::Deployment]["spec"]["replicas"].is_null());
    let spec = &children[&Child::Autoscaler]["spec"];
    assert_eq!((&spec["minReplicas"], &spec["maxReplicas"]), (&json!(3), &json!(6)));
    assert_eq!(spec["scaleTargetRef"], json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": NAME}));
    assert_eq!(spec["metrics"][0]["resource"]["target"], json!({"type": "Utilization", "averageUtilization": 200}));
    assert!(child(Child::Autoscaler, external()).is_null());
}

#[test]
fn by_default_all_may_reach_the_api_and_the_operator_alone_its_health() {
    let spec = child(Child::NetworkPolicy, external())["spec"].clone();
    assert_eq!(spec["policyTypes"], json!(["Ingress"]));
    assert_eq!(spec["ingress"][0], json!({"ports": [{"port": 8000, "protocol": "TCP"}]}));
    let operator = json!({
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "system"}},
        "podSelector": {"matchLabels": {"app.kubernetes.io/name": "sc-auth-operator"}},
    });
    assert_eq!(spec["ingress"][1], json!({"from": [operator], "ports": [{"port": 8001, "protocol": "TCP"}]}));
}

#[test]
fn peers_restrict_who_may_reach_the_pods_and_what_they_may_reach() {
    let peer = |name: &str| json!({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}});
    let mut spec = with(external(), "monitoring", json!({"from": [peer("monitoring")]}));
    spec["networkPolicy"] = json!({
        "ingressFrom": [peer("traefik")],
        "egressTo": [{"to": [{"ipBlock": {"cidr": "10.1.0.0/16"}}], "ports": [{"port": 5432}]}],
    });
    let spec = child(Child::NetworkPolicy, spec)["spec"].clone();
    assert_eq!(spec["policyTypes"], json!(["Ingress", "Egress"]));
    assert_eq!(spec["ingress"][0]["from"], json!([peer("traefik")]));
    assert_eq!(spec["ingress"][1]["from"][1], peer("monitoring"));
    assert_eq!(spec["egress"][0]["ports"], json!([{"port": 5432, "protocol": "TCP"}]));
    let dns = json!({"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]});
    assert_eq!(spec["egress"][1], dns, "names must still be found");
}

#[test]
fn an_ingress_takes_annotations_and_cert_manager_s_secret() {
    let annotations = json!({"cert-manager.io/cluster-issuer": "letsencrypt"});
    let ingress = json!({"ingress": {"host": "auth.test", "annotations": annotations, "tls": {}}});
    let ingress = child(Child::Ingress, with(external(), "expose", ingress));
    assert_eq!(ingress["metadata"]["annotations"], annotations);
    assert_eq!(ingress["spec"]["tls"], json!([{"hosts": ["auth.test"], "secretName": "tenant-tls"}]));
}

#[test]
fn a_route_leads_from_the_gateway_to_the_service() {
    let spec = child(Child::HttpRoute, everything())["spec"].clone();
    let parent =
        json!({"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "edge", "namespace": "gateways"});
    assert_eq!(spec["parentRefs"], json!([parent]));
    assert_eq!(spec["hostnames"], json!(["auth.test"]));
    assert_eq!(spec["rules"][0]["backendRefs"][0]["name"], "tenant-svc");
    assert!(child(Child::Ingress, everything()).is_null());
    assert!(child(Child::HttpRoute, with(external(), "expose", json!({"none": {}}))).is_null());
}

#[test]
fn a_service_monitor_has_the_labels_that_prometheus_selects() {
    let monitor = child(Child::ServiceMonitor, everything());
    assert_eq!(monitor["metadata"]["labels"]["release"], "prometheus");
    assert_eq!(monitor["spec"]["endpoints"], json!([{"port": "ops", "path": "/metrics", "interval": "30s"}]));
}

#[test]
fn proxies_are_trusted_only_where_they_are_named() {
    assert_eq!(setting(&deployment(external()), "SC_AUTH_TRUSTED_PROXIES"), None);
    let expose = json!({"none": {}, "trustedProxies": ["10.0.0.0/8", "fd00::/8"]});
    let deployment = deployment(with(external(), "expose", expose));
    assert_eq!(setting(&deployment, "SC_AUTH_TRUSTED_PROXIES").unwrap(), "10.0.0.0/8,fd00::/8");
}

#[test]
fn an_embedded_database_has_one_writer_and_a_volume() {
    let deployment = deployment(embedded());
    assert_eq!(
        (&deployment["spec"]["replicas"], &deployment["spec"]["strategy"]),
        (&json!(1), &json!({"type": "Recreate"}))
    );
    assert_eq!(setting(&deployment, "DATABASE_URL").unwrap(), "sqlite:/var/lib/sc-auth/sc-auth.db");
    assert!(deployment.to_string().contains("\"claimName\":\"tenant-data\""));
}

#[test]
fn with_a_database_server_a_new_pod_serves_before_an_old_one_goes() {
    let deployment = deployment(external());
    let rolling = json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}});
    assert_eq!((&deployment["spec"]["replicas"], &deployment["spec"]["strategy"]), (&json!(2), &rolling));
    assert_eq!(setting(&deployment, "DATABASE_URL_FILE").unwrap(), "/run/sc-auth/database/uri");
    assert!(child(Child::VolumeClaim, external()).is_null());
}

#[test]
fn the_parts_of_a_database_become_the_server_s_settings() {
    let deployment = deployment(json!({"database": {"external": {
        "engine": "postgresql", "host": "db.test", "port": 5433, "name": "auth",
        "credentialsFrom": {"name": "db", "userKey": "db-user"},
        "tls": {"mode": "verify-identity", "caFrom": {"name": "ca", "key": "ca.crt"}},
    }}}));
    for (name, value) in [
        ("DB_ENGINE", "postgres"),
        ("DB_HOST", "db.test"),
        ("DB_PORT", "5433"),
        ("DB_NAME", "auth"),
        ("DB_USER_FILE", "/run/sc-auth/database/db-user"),
        ("DB_PASS_FILE", "/run/sc-auth/database/password"),
        ("DB_TLS", "verify-identity"),
        ("DB_TLS_CA_FILE", "/run/sc-auth/database-ca/ca.crt"),
    ] {
        assert_eq!(setting(&deployment, name).as_deref(), Some(value), "{name}");
    }
}

#[test]
fn auth_becomes_the_server_s_settings() {
    let mut spec = external();
    spec["auth"] = json!({"audiences": ["orders", "billing"], "accessTokenTtl": "15m", "refreshTokenTtl": "12h"});
    let deployment = deployment(spec);
    assert_eq!(setting(&deployment, "SC_AUTH_AUDIENCE").unwrap(), "orders,billing");
    assert_eq!(setting(&deployment, "SC_AUTH_ACCESS_TOKEN_TTL").unwrap(), "15m");
    assert_eq!(setting(&deployment, "SC_AUTH_REFRESH_TOKEN_TTL").unwrap(), "12h");
}

#[test]
fn accounts_and_old_clients_become_the_server_s_settings() {
    let mut spec = external();
    spec["auth"] = json!({
        "sessionTtl": "60d", "refreshTokens": "Reusable", "registration": "Domains",
        "registrationDomains": ["example.com", "example.org"], "corsOrigins": ["https://app.example.com"],
        "password": {"minLength": 15, "blocklist": "None", "names": "Allowed"}, "coexist": true,
        "legacyTokens": {"secretKeyFrom": {"name": "old", "key": "secret"}, "allowWeak": true},
    });
    let deployment = deployment(spec);
    for (name, value) in [
        ("SC_AUTH_SESSION_TTL", "60d"),
        ("SC_AUTH_REFRESH_TOKENS", "reusable"),
        ("SC_AUTH_REGISTRATION", "example.com,example.org"),
        ("SC_AUTH_CORS_ORIGINS", "https://app.example.com"),
        ("SC_AUTH_PASSWORD_MIN_LENGTH", "15"),
        ("SC_AUTH_PASSWORD_BLOCKLIST", "off"),
        ("SC_AUTH_PASSWORD_NAMES", "allowed"),
        ("SC_AUTH_COEXIST", "on"),
        ("SECRET_KEY_FILE", "/run/sc-auth/legacy/secret"),
        ("SC_AUTH_LEGACY_TOKENS", "weak"),
    ] {
        assert_eq!(setting(&deployment, name).as_deref(), Some(value), "{name}");
    }
    assert!(deployment.to_string().contains(r#""secretName":"old""#), "it is mounted");
    for (registration, value) in [("Open", "open"), ("Closed", "closed")] {
        let mut spec = external();
        spec["auth"] = json!({"registration": registration});
        assert_eq!(setting(&self::deployment(spec), "SC_AUTH_REGISTRATION").as_deref(), Some(value));
    }
}

#[test]
fn no_secret_is_ever_put_into_the_environment() {
    for (name, value) in settings(&deployment(external())) {
        assert!(!name.contains("PASS") || name.ends_with("_FILE"), "{name}={value}");
    }
    assert!(!deployment(external()).to_string().contains("valueFrom"));
}

#[test]
fn the_generated_secrets_hold_usable_keys_and_a_password_that_is_no_default() {
    let resolved = resolved(embedded(), &Observed::default()).unwrap();
    let keys = keys_secret(&resolved, 0.into(), &mut rand::rng()).unwrap().string_data.unwrap();
    sc_auth_contract::keys::KeySet::parse(&keys["keys.json"].clone().into()).unwrap();
    let passwords = [0, 1].map(|_| admin_secret(&resolved, &mut rand::rng()).string_data.unwrap()["password"].clone());
    assert!(passwords[0].len() == 26 && passwords[0] != passwords[1]);
}

#[test]
fn the_generated_password_has_the_minimum_length() {
    for (min_length, length) in [(8, 26), (27, 27), (256, 256)] {
        let mut spec = embedded();
        spec.as_object_mut().unwrap().insert("auth".into(), json!({"password": {"minLength": min_length}}));
        let resolved = resolved(spec, &Observed::default()).unwrap();
        let secret = admin_secret(&resolved, &mut rand::rng()).string_data.unwrap();
        assert_eq!(secret["password"].len(), length);
    }
}

/// Those that can reach a mesh's port can reach each port through it.
#[test]
fn a_mesh_s_ports_are_open_to_the_peers_of_all_other_ports() {
    let peer = json!({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "traefik"}}});
    let policy = |spec: Value| child(Child::NetworkPolicy, with(external(), "networkPolicy", spec))["spec"].clone();
    let port = json!([{"port": 15008, "protocol": "TCP"}]);
    assert_eq!(policy(json!({"ingressPorts": [15008]}))["ingress"][2], json!({"ports": port}));
    let rules = policy(json!({"ingressPorts": [15008], "ingressFrom": [peer]}))["ingress"].clone();
    let operator = &rules[1]["from"][0];
    assert_eq!(rules[2], json!({"from": [peer, operator], "ports": port}));
}
