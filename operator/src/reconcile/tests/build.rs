//! What the children are like.

use serde_json::{Value, json};

use super::{NAME, embedded, external, validated};
use crate::reconcile::build::{Children, admin_secret, build, keys_secret};
use crate::reconcile::observe::Observed;

fn children(spec: Value) -> Children {
    build(&validated(spec, &Observed::default()).unwrap())
}

fn deployment(spec: Value) -> Value {
    serde_json::to_value(children(spec).deployment).unwrap()
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

#[test]
fn all_children_carry_the_name_of_their_scauth() {
    let children = children(embedded());
    let metadata = [
        children.namespace.unwrap().metadata,
        children.service_account.metadata,
        children.volume_claim.unwrap().metadata,
        children.service.metadata,
        children.deployment.metadata,
    ];
    for metadata in metadata {
        let labels = metadata.labels.unwrap();
        assert_eq!(labels["sc-auth.io/scauth"], NAME);
        assert_eq!(labels["app.kubernetes.io/instance"], NAME);
        assert_eq!(labels["app.kubernetes.io/managed-by"], "sc-auth-operator");
    }
}

#[test]
fn service_and_deployment_select_the_pods() {
    let children = children(external());
    let deployment = serde_json::to_value(&children.deployment).unwrap();
    let pod_labels = deployment["spec"]["template"]["metadata"]["labels"].as_object().unwrap();
    let service = serde_json::to_value(&children.service).unwrap();
    for selector in [&deployment["spec"]["selector"]["matchLabels"], &service["spec"]["selector"]] {
        for (name, value) in selector.as_object().unwrap() {
            assert_eq!(pod_labels[name], *value);
        }
    }
    assert_eq!(
        service["spec"]["selector"],
        json!({"app.kubernetes.io/name": "sc-auth", "app.kubernetes.io/instance": NAME})
    );
}

#[test]
fn data_stays_unless_the_policy_says_otherwise_and_the_workload_always_goes() {
    let kept = |children: &Children| {
        [&children.namespace.as_ref().unwrap().metadata, &children.volume_claim.as_ref().unwrap().metadata]
            .map(|metadata| metadata.owner_references.is_none())
    };
    let retain = children(embedded());
    assert_eq!(kept(&retain), [true, true]);
    assert!(
        retain.deployment.metadata.owner_references.is_some() && retain.service.metadata.owner_references.is_some()
    );
    let mut spec = embedded();
    spec["deletionPolicy"] = json!("Delete");
    assert_eq!(kept(&children(spec)), [false, false]);
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
    assert!(children(external()).volume_claim.is_none());
}

#[test]
fn the_parts_of_a_database_become_the_server_s_settings() {
    let deployment = deployment(json!({"database": {"external": {
        "engine": "postgresql", "host": "db.test", "port": 5433, "name": "auth",
        "credentialsFrom": {"name": "db", "passwordKey": "pass"},
        "tls": {"mode": "verify-identity", "caFrom": {"name": "ca", "key": "ca.crt"}},
    }}}));
    for (name, value) in [
        ("DB_ENGINE", "postgres"),
        ("DB_HOST", "db.test"),
        ("DB_PORT", "5433"),
        ("DB_NAME", "auth"),
        ("DB_USER_FILE", "/run/sc-auth/database/username"),
        ("DB_PASS_FILE", "/run/sc-auth/database/pass"),
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
    let validated = validated(embedded(), &Observed::default()).unwrap();
    let keys = keys_secret(&validated, 0, &mut rand::rng()).unwrap().string_data.unwrap();
    sc_auth_keys::KeySet::parse(&keys["keys.json"].clone().into()).unwrap();
    let passwords = [0, 1].map(|_| admin_secret(&validated, &mut rand::rng()).string_data.unwrap()["password"].clone());
    assert!(passwords[0].len() == 26 && passwords[0] != passwords[1]);
}
