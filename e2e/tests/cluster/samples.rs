//! config/samples, each until it is Ready: with this machine's databases in the place of those in the files, and with the
//! Secret that an operator for databases would write where that operator cannot be had.

use serde::Deserialize as _;
use serde_json::{Value, json};

use crate::common::client::Client;
use crate::common::database::{mariadb, postgres};
use crate::common::kube::{apply, condition, eventually, get, make_secret, ready, run};

/// The documents of a sample, of the kinds that this cluster knows.
fn sample(file: &str, change: impl Fn(String) -> String) -> Vec<Value> {
    let text = change(std::fs::read_to_string(format!("../config/samples/{file}")).unwrap());
    let documents = serde_yaml::Deserializer::from_str(&text).map(|one| Value::deserialize(one).unwrap());
    let elsewhere = ["postgresql.cnpg.io/v1", "k8s.mariadb.com/v1alpha1"];
    documents.filter(|document| !elsewhere.iter().any(|version| document["apiVersion"] == *version)).collect()
}

/// Its ScAuth, by which it is looked after and deleted.
struct Applied {
    name: String,
    namespace: String,
}

impl Applied {
    fn new(documents: Vec<Value>) -> Self {
        let scauth = documents.iter().find(|document| document["kind"] == "ScAuth").unwrap();
        let name = scauth["metadata"]["name"].as_str().unwrap().to_owned();
        let namespace = scauth["spec"]["namespace"].as_str().unwrap_or(&name).to_owned();
        for document in documents {
            apply(document).unwrap();
        }
        Self { name, namespace }
    }

    /// Ready, and everything of it gone again.
    fn ends_ready(self) {
        ready(&self.name);
        run(&["delete", "scauth", &self.name]);
        run(&["delete", "namespace", &self.namespace, "--wait=false"]);
    }
}

/// The address in the samples for PostgreSQL, replaced by that of an empty database.
fn with_postgres(database: &str) -> impl Fn(String) -> String {
    let address = postgres(database).uri(database);
    move |text| {
        let sample = "postgresql://sc-auth:change-me@postgresql.example.com:5432/sc_auth";
        assert!(text.contains(sample));
        text.replace(sample, &address)
    }
}

#[test]
fn postgresql_by_an_address() {
    Applied::new(sample("postgresql.yaml", with_postgres("e2e_sample"))).ends_ready();
}

#[test]
fn an_autoscaler() {
    let applied = Applied::new(sample("autoscaling.yaml", with_postgres("e2e_sample_scaled")));
    ready(&applied.name);
    assert!(!get("hpa", &applied.name, &applied.namespace).is_null());
    applied.ends_ready();
}

#[test]
fn mariadb_in_parts() {
    let server = mariadb("e2e_sample");
    let mut documents = sample("mariadb.yaml", |text| text);
    for document in &mut documents {
        match document["kind"].as_str().unwrap() {
            "Secret" => document["stringData"] = json!({"username": server.user, "password": server.password}),
            "ScAuth" => {
                let external = &mut document["spec"]["database"]["external"];
                external["host"] = json!(server.host);
                external["port"] = json!(server.port);
                external["name"] = json!("e2e_sample");
            }
            _ => {}
        }
    }
    Applied::new(documents).ends_ready();
}

/// The Secret arrives last, as it does where a database has to be made first.
fn by_an_operator(file: &str, secret: &str, address: &str) {
    let applied = Applied::new(sample(file, |text| text));
    eventually("it waits for the Secret", 30, || condition(&applied.name, "Ready")["reason"] == "SecretNotFound");
    make_secret(secret, &applied.namespace, json!({"uri": address}));
    applied.ends_ready();
}

#[test]
fn cloudnativepg() {
    by_an_operator("cloudnativepg.yaml", "orders-db-app", &postgres("e2e_sample_cnpg").uri("e2e_sample_cnpg"));
}

#[test]
fn mariadb_operator() {
    let there = mariadb("e2e_sample_operator");
    let (user, password, host, port) = (there.user, there.password, there.host, there.port);
    let address = format!("mysql://{user}:{password}@{host}:{port}/e2e_sample_operator");
    by_an_operator("mariadb-operator.yaml", "support-db-uri", &address);
}

#[tokio::test(flavor = "multi_thread")]
async fn gateway_api() {
    let applied = tokio::task::block_in_place(|| Applied::new(sample("gateway-api.yaml", |text| text)));
    Client::at("auth.edge.example.com").answers().await;
    tokio::task::block_in_place(|| {
        run(&["wait", "--for=condition=Exposed", "scauth", &applied.name, "--timeout=60s"]);
        applied.ends_ready();
        run(&["delete", "namespace", "gateways", "--wait=false"]);
    });
}
