//! What a user asks for.

use kube::{CustomResource, KubeSchema};
use sc_auth_contract::limits::{EMAIL_MAX, USERNAME_MAX, USERNAME_MIN};
use sc_auth_contract::settings::{Engine, TlsMode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::auth::Auth;
use super::expose::{Expose, Monitoring, NetworkPolicy};
use super::status::ScAuthStatus;
use super::workload::{Autoscaling, Keys, PodTemplate, Resources, Upgrade};

/// An auth API of one's own: accounts, login, sessions, roles and tokens over HTTP.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "sc-auth.io",
    version = "v1alpha1",
    kind = "ScAuth",
    plural = "scauths",
    shortname = "sca",
    status = "ScAuthStatus",
    scale(
        spec_replicas_path = ".spec.replicas",
        status_replicas_path = ".status.replicas",
        label_selector_path = ".status.selector"
    ),
    derive = "PartialEq",
    doc = "An auth API of one's own: the operator keeps a Namespace with a server, its Secrets, a Service and an Ingress for each ScAuth.",
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].status"),
    printcolumn(name = "URL", type_ = "string", json_path = ".status.url"),
    printcolumn(name = "Database", type_ = "string", json_path = ".status.conditions[?(@.type=='DatabaseReady')].status"),
    printcolumn(name = "Replicas", type_ = "integer", json_path = ".status.readyReplicas"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].reason"),
    printcolumn(name = "Update", type_ = "string", json_path = ".status.availableUpdate"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Image", type_ = "string", json_path = ".status.image", priority = "1"),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].message", priority = "1"),
    validation = Rule::new("self.metadata.name.matches('^[a-z]([-a-z0-9]{0,50}[a-z0-9])?$')").message(
        "metadata.name also names the Service and the Secrets: use a letter, then lower-case letters, digits and \
         hyphens, at most 52 characters in all"),
    validation = Rule::new(
        "has(self.spec.__namespace__) || !(self.metadata.name == 'default' || self.metadata.name.startsWith('kube-'))").message(
        "the namespace would be the cluster's own: set spec.namespace, or choose another name"),
    validation = Rule::new("(has(self.spec.__namespace__) == has(oldSelf.spec.__namespace__) \
        && (!has(self.spec.__namespace__) || self.spec.__namespace__ == oldSelf.spec.__namespace__)) \
        || (has(oldSelf.status) && !has(oldSelf.status.url) && has(oldSelf.status.conditions) && \
        oldSelf.status.conditions.exists(c, c.type == 'Ready' && c.reason in ['NamespaceNotAllowed', 'NameConflict']))").message(
        "spec.namespace cannot change: the data would stay behind; create another ScAuth instead"),
    validation = Rule::new("!has(self.spec.database.embedded) || !has(oldSelf.spec.database.embedded) \
        || (has(self.spec.database.embedded.storageClassName) ? self.spec.database.embedded.storageClassName : '') \
        == (has(oldSelf.spec.database.embedded.storageClassName) ? oldSelf.spec.database.embedded.storageClassName : '') \
        || (has(oldSelf.status) && has(oldSelf.status.volume) && (!has(oldSelf.status.volume.capacity) \
        || !has(self.spec.database.embedded.storageClassName) || (has(oldSelf.status.volume.storageClassName) \
        && self.spec.database.embedded.storageClassName == oldSelf.status.volume.storageClassName)))").message(
        "spec.database.embedded.storageClassName cannot change: a volume stays in its class"),
    validation = Rule::new("!has(self.spec.database.embedded) || !has(oldSelf.spec.database.embedded) \
        || quantity(has(self.spec.database.embedded.size) ? self.spec.database.embedded.size : '1Gi').compareTo(\
        quantity(has(oldSelf.spec.database.embedded.size) ? oldSelf.spec.database.embedded.size : '1Gi')) >= 0 \
        || (has(oldSelf.status) && has(oldSelf.status.volume) && (!has(oldSelf.status.volume.capacity) \
        || quantity(has(self.spec.database.embedded.size) ? self.spec.database.embedded.size : '1Gi').compareTo(\
        quantity(oldSelf.status.volume.capacity)) >= 0 \
        || quantity(has(oldSelf.spec.database.embedded.size) ? oldSelf.spec.database.embedded.size : '1Gi').compareTo(\
        quantity(oldSelf.status.volume.capacity)) < 0))").message(
        "spec.database.embedded.size can only grow: a volume cannot shrink below what it has, see status.volume")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.database.embedded) || !has(self.replicas) || self.replicas == 1").message(
        "an embedded database has one writer: remove spec.replicas, or use spec.database.external"),
    validation = Rule::new("!has(self.database.embedded) || !has(self.autoscaling)").message(
        "an embedded database has one writer: remove spec.autoscaling, or use spec.database.external"),
    validation = Rule::new("!has(self.autoscaling) || !has(self.replicas)").message(
        "with spec.autoscaling the autoscaler decides: remove spec.replicas"),
    validation = Rule::new("has(self.database.embedded) == has(oldSelf.database.embedded)").message(
        "a database cannot become embedded or external later: the users would stay behind; create another ScAuth instead")
)]
pub struct ScAuthSpec {
    /// Where everything lives; the name of the ScAuth by default. The namespace is made. One that exists already is
    /// used only if its annotation `sc-auth.io/allow` holds the name of this ScAuth, or `*`. It cannot change
    /// once anything was made in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self.matches('^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$')").message(
        "a namespace has lower-case letters, digits and hyphens, at most 63 characters"))]
    #[x_kube(validation = Rule::new("self != 'default' && !self.startsWith('kube-')").message(
        "default and kube-* are the cluster's own namespaces: choose another one"))]
    #[schemars(length(max = 63))]
    pub namespace: Option<String>,

    /// Where users and sessions are kept: exactly one of `embedded` and `external`.
    pub database: Database,

    /// How clients outside of the cluster reach the API. Without it, only the Service does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expose: Option<Expose>,

    /// How many pods serve: 2 by default, 1 with an embedded database. `kubectl scale scauth NAME` sets it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 50))]
    pub replicas: Option<i32>,

    /// Let an autoscaler decide how many pods serve, by the CPU that they use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autoscaling: Option<Autoscaling>,

    /// What each pod may use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,

    /// What the pods have beside what they need: labels, scheduling, environment, volumes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_template: Option<PodTemplate>,

    /// What may reach the pods, and what they may reach. A NetworkPolicy is made in any case; by default it leaves all
    /// open but the port of health and metrics.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_policy: Option<NetworkPolicy>,

    /// Have metrics read by Prometheus: makes a ServiceMonitor, where the Prometheus operator is installed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub monitoring: Option<Monitoring>,

    /// The server's image; by default the one of the operator's release at the time, see upgrade.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self.matches('^[a-z0-9][a-zA-Z0-9._:/@-]*$')").message(
        "write an image such as registry.example.com/sc-auth-server:0.1.0, or with @sha256:…"))]
    #[schemars(length(max = 512))]
    pub image: Option<String>,

    /// See [`Upgrade`], whose text is the one that `kubectl explain` prints.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upgrade: Option<Upgrade>,

    /// Who issues tokens, for whom, and for how long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth>,

    /// The signing keys, and how often they change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<Keys>,

    /// The first Admin. The password is generated and kept in the Secret `NAME-admin`, which a person may delete once
    /// it is noted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bootstrap_admin: Option<BootstrapAdmin>,

    /// See [`DeletionPolicy`], whose text is the one that `kubectl explain` prints.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<DeletionPolicy>,

    /// While set, nothing is applied and no key rotates; the status goes on telling what is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,
}

/// What becomes of namespace, volume and Secrets when this object is deleted. `Retain`, the default: they stay, and a
/// ScAuth of the same name takes them up again. `Delete`: the namespace goes WITH EVERYTHING IN IT, unless it is yours
/// by the annotation `sc-auth.io/allow`.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeletionPolicy {
    /// They stay.
    #[default]
    Retain,
    /// They go, the namespace with everything in it.
    Delete,
}

/// Where users and sessions are kept.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.embedded) != has(self.external)").message(
    "set exactly one of spec.database.embedded and spec.database.external"))]
pub struct Database {
    /// SQLite on a volume of its own: one replica, and a short pause when the pod is replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub embedded: Option<Embedded>,
    /// A MySQL, MariaDB or PostgreSQL server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external: Option<External>,
}

/// SQLite on a volume.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Embedded {
    /// The size of the volume, 1Gi by default. It can only grow, where the storage class allows it; back to what the volume
    /// has it can always be set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self.matches('^[1-9][0-9]{0,5}(Mi|Gi|Ti)$')").message("write a size such as 1Gi or 500Mi"))]
    #[schemars(length(max = 8))]
    pub size: Option<String>,
    /// The class of the volume; the cluster's default by default. It cannot change once there is a volume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub storage_class_name: Option<String>,
}

/// A database server: its address in a Secret, or in parts.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.urlFrom) != has(self.host)").message(
        "set either urlFrom (a Secret with the whole address) or host with name and credentialsFrom"),
    validation = Rule::new("!has(self.host) || (has(self.name) && has(self.credentialsFrom))").message(
        "with host, name and credentialsFrom are needed too"),
    validation = Rule::new("!has(self.urlFrom) || !(has(self.engine) || has(self.port) || has(self.name) || has(self.credentialsFrom))").message(
        "with urlFrom, the address holds engine, port, name and credentials: remove them")
)]
pub struct External {
    /// A key of a Secret in the ScAuth's namespace that holds the address, such as `postgresql://user:password@host:5432/name`.
    /// CloudNativePG writes one as key `uri` of the Secret `CLUSTER-app`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url_from: Option<SecretKey>,
    /// See [`Engine`], whose text is the one that `kubectl explain` prints.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<Engine>,
    /// The server's host name or address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub host: Option<String>,
    /// Its port; 3306 or 5432 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<i32>,
    /// The name of the database there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub name: Option<String>,
    /// A Secret in the ScAuth's namespace with user name and password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials_from: Option<Credentials>,
    /// Whether the connection is encrypted. By default it is where the server can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<DatabaseTls>,
}

/// A key of a Secret in the ScAuth's namespace.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretKey {
    /// The Secret's name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// The key in it.
    #[x_kube(validation = Rule::new("self.matches('^[-._a-zA-Z0-9]+$')").message(
        "a key of a Secret has letters, digits, hyphens, dots and underscores"))]
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

/// A Secret with user name and password.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Credentials {
    /// The Secret's name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// The key that holds the user name, `username` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[-._a-zA-Z0-9]+$"))]
    pub user_key: Option<String>,
    /// The key that holds the password, `password` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[-._a-zA-Z0-9]+$"))]
    pub password_key: Option<String>,
}

/// How the connection to a database server is encrypted.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DatabaseTls {
    /// `disabled`, `preferred` (where the server can), `required` (whoever answers), `verify-ca` (a certificate of a
    /// known authority) or `verify-identity` (and for that very host).
    pub mode: TlsMode,
    /// A key of a Secret in the ScAuth's namespace with the authority's certificates (PEM).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_from: Option<SecretKey>,
}

/// The first Admin.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BootstrapAdmin {
    /// The user name, `admin` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = USERNAME_MIN, max = USERNAME_MAX), regex(pattern = r"^\S(.*\S)?$"))]
    pub username: Option<String>,
    /// The e-mail address, if there is to be one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self.matches('^[^@ ]+@[^@ ]+[.][^@ .]+$')").message("write an address such as admin@example.com"))]
    #[schemars(length(max = EMAIL_MAX))]
    pub email: Option<String>,
}
