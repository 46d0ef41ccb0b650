//! Applies each file in config/samples until it is Ready: with this machine's databases instead of those in the files,
//! and with the Secrets that operators for databases would write, because those operators are not available.

use sc_auth_e2e::client::Client;
use sc_auth_e2e::database::{mariadb, postgres};
use sc_auth_e2e::kube::{apply, condition, eventually, get, make_secret, ready, run};
use sc_auth_e2e::manifests::sample;
use serde_json::{Value, json};

/// The objects of a sample whose kinds this cluster has.
fn known(file: &str) -> Vec<Value> {
    let elsewhere = ["postgresql.cnpg.io/v1", "k8s.mariadb.com/v1alpha1"];
    let is_known = |object: &Value| !elsewhere.iter().any(|version| object["apiVersion"] == *version);
    sample(file).into_iter().filter(is_known).collect()
}

/// A sample with its ScAuth.
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

    /// Waits until it is Ready, and deletes it.
    fn ends_ready(self) {
        ready(&self.name);
        run(&["delete", "scauth", &self.name]);
        run(&["delete", "namespace", &self.namespace, "--wait=false"]);
    }
}

/// A sample for PostgreSQL with the address of an empty database.
fn with_postgres(file: &str, database: &str) -> Vec<Value> {
    let mut objects = known(file);
    let secret = objects.iter_mut().find(|object| object["kind"] == "Secret").unwrap();
    let uri = secret["stringData"]["uri"].as_str().unwrap();
    let address = "postgresql://sc-auth:change-me@postgresql.example.com:5432/sc_auth";
    assert!(uri.contains(address));
    secret["stringData"]["uri"] = json!(uri.replace(address, &postgres(database).uri(database)));
    objects
}

#[test]
fn postgresql_by_an_address() {
    Applied::new(with_postgres("postgresql.yaml", "e2e_sample")).ends_ready();
}

#[test]
fn an_autoscaler() {
    let applied = Applied::new(with_postgres("autoscaling.yaml", "e2e_sample_scaled"));
    ready(&applied.name);
    assert!(!get("hpa", &applied.name, &applied.namespace).is_null());
    applied.ends_ready();
}

#[test]
fn mariadb_in_parts() {
    let server = mariadb("e2e_sample");
    let mut documents = known("mariadb.yaml");
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

#[test]
fn login_pages() {
    let applied = Applied::new(known("login.yaml"));
    eventually("the application is served", || condition(&applied.name, "OpenIdReady")["reason"] == "ClientsLoaded");
    applied.ends_ready();
}

/// The Secret is created last, as by an operator that has to create the database first.
fn by_an_operator(file: &str, secret: &str, address: &str) {
    let applied = Applied::new(known(file));
    eventually("it waits for the Secret", || condition(&applied.name, "Ready")["reason"] == "SecretNotFound");
    make_secret(secret, &applied.namespace, json!({"uri": address}));
    applied.ends_ready();
}

#[test]
fn cloudnativepg() {
    by_an_operator("cloudnativepg.yaml", "orders-db-app", &postgres("e2e_sample_cnpg").uri("e2e_sample_cnpg"));
}

#[test]
fn mariadb_operator() {
    let address = mariadb("e2e_sample_operator").mysql_uri("e2e_sample_operator");
    by_an_operator("mariadb-operator.yaml", "support-db-uri", &address);
}

#[tokio::test(flavor = "multi_thread")]
async fn gateway_api() {
    let applied = tokio::task::block_in_place(|| Applied::new(known("gateway-api.yaml")));
    Client::at("auth.edge.example.com").answers().await;
    tokio::task::block_in_place(|| {
        run(&["wait", "--for=condition=Exposed", "scauth", &applied.name, "--timeout=240s"]);
        applied.ends_ready();
        run(&["delete", "namespace", "gateways", "--wait=false"]);
    });
}
