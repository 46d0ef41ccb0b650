//! A ScAuth for a test, with its database, its namespace and its Secret.

use serde_json::{Value, json};

use crate::client::Client;
use crate::database::{self, Server};
use crate::kube::{Cleanup, apply, condition, get, lend_namespace, make_secret, pods, ready, scauth};

/// A ScAuth with a namespace of the same name. Drop it last: it deletes both, unless the test has failed.
pub struct Tenant {
    name: &'static str,
    host: Option<&'static str>,
    spec: Value,
    _cleanup: Cleanup,
}

impl Tenant {
    fn new(name: &'static str, database: Value) -> Self {
        Self { name, host: None, spec: json!({"database": database}), _cleanup: Cleanup(name) }
    }

    /// With SQLite on a volume.
    pub fn embedded(name: &'static str) -> Self {
        Self::new(name, json!({"embedded": {}}))
    }

    /// With a database whose address will be in Secret `db`; see [`Tenant::use_database`].
    pub fn external(name: &'static str) -> Self {
        Self::new(name, json!({"external": {"urlFrom": {"name": "db", "key": "uri"}}}))
    }

    /// With a new database in PostgreSQL, whose address is in Secret `db` of a namespace that the test lends.
    pub fn postgres(name: &'static str) -> Self {
        let tenant = Self::external(name);
        let server = database::postgres(&tenant.database());
        lend_namespace(name);
        tenant.use_database(&server.uri(&tenant.database()));
        tenant
    }

    /// With a new database in MariaDB, whose credentials are in Secret `db` of a namespace that the test lends.
    pub fn mariadb(name: &'static str) -> Self {
        let database = database_of(name);
        let Server { host, port, user, password } = database::mariadb(&database);
        lend_namespace(name);
        make_secret("db", name, json!({"username": user, "password": password}));
        let credentials = json!({"name": "db"});
        Self::new(
            name,
            json!({"external": {
                "engine": "mariadb", "host": host, "port": port, "name": database, "credentialsFrom": credentials,
            }}),
        )
    }

    /// Exposes it through the ingress, under a host name.
    #[must_use]
    pub fn host(mut self, host: &'static str) -> Self {
        self.host = Some(host);
        self.with(json!({"expose": {"ingress": {"host": host, "className": "traefik"}}}))
    }

    /// Changes its spec with a JSON merge patch.
    #[must_use]
    pub fn with(mut self, patch: Value) -> Self {
        merge(&mut self.spec, patch);
        self
    }

    /// Its name, and that of its namespace.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The name of its database: its own, with underscores.
    pub fn database(&self) -> String {
        database_of(self.name)
    }

    /// Writes Secret `db`.
    pub fn use_database(&self, uri: &str) {
        make_secret("db", self.name, json!({"uri": uri}));
    }

    /// Applies it, without earlier patches of [`Tenant::apply_with`].
    pub fn apply(&self) -> &Self {
        self.apply_with(json!({}))
    }

    /// Applies it with a JSON merge patch of its spec, which the next apply drops.
    pub fn apply_with(&self, patch: Value) -> &Self {
        let mut spec = self.spec.clone();
        merge(&mut spec, patch);
        apply(scauth(self.name, spec)).unwrap();
        self
    }

    /// Waits until it is Ready with its current spec.
    pub fn ready(&self) {
        ready(self.name);
    }

    /// A condition; `Null` if it does not exist.
    pub fn condition(&self, kind: &str) -> Value {
        condition(self.name, kind)
    }

    /// Its status; `Null` if it does not exist.
    pub fn status(&self) -> Value {
        get("scauth", self.name, self.name)["status"].clone()
    }

    /// Its pods that are not being deleted.
    pub fn pods(&self) -> Vec<Value> {
        pods(self.name, self.name)
    }

    /// The uids of these pods, which change when a pod is replaced.
    pub fn pod_uids(&self) -> Vec<Value> {
        self.pods().iter().map(|pod| pod["metadata"]["uid"].clone()).collect()
    }

    /// A client of the first pod, without the ingress.
    pub fn pod_client(&self) -> Client {
        Client::of_pod(&self.pods()[0])
    }

    /// A client, once the ingress routes to a server.
    pub async fn client(&self) -> Client {
        let client = Client::at(self.host.expect("the ScAuth has no host"));
        client.answers().await;
        client
    }
}

fn database_of(name: &str) -> String {
    name.replace('-', "_")
}

/// A JSON merge patch: objects are merged, null removes a field, and other values replace it.
fn merge(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    let fields = target.as_object_mut().unwrap();
    for (name, value) in patch {
        if value.is_null() {
            fields.remove(&name);
        } else {
            merge(fields.entry(name).or_insert(Value::Null), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_merges_objects_removes_null_fields_and_replaces_the_rest() {
        let mut spec = json!({"database": {"embedded": {}}, "expose": {"ingress": {"host": "a"}}, "replicas": 1});
        merge(&mut spec, json!({"expose": {"ingress": null, "none": {}}, "replicas": 2, "auth": {"issuer": "b"}}));
        let merged = json!({
            "database": {"embedded": {}}, "expose": {"none": {}}, "replicas": 2, "auth": {"issuer": "b"},
        });
        assert_eq!(spec, merged);
    }
}
