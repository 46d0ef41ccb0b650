//! What a user asks for.

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema};
use sc_auth_contract::limits::{EMAIL_MAX, USERNAME_MAX, USERNAME_MIN};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::auth::Auth;
use super::database::Database;
use super::expose::{Expose, HttpRoute, Ingress, Monitoring, NetworkPolicy, Service};
use super::login::Login;
use super::rules::{
    OWN_ANNOTATIONS, OWN_LABELS, annotations, email, files_are_mounted, image, labels, no_own_annotation, no_own_label,
    size_only_grows, visible,
};
use super::status::ScAuthStatus;
use super::workload::{Autoscaling, ImagePullPolicy, Keys, PodTemplate, Resources, Upgrade};

/// An auth service: accounts, login, sessions, roles and tokens over HTTP.
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
    doc = "An auth service. For each ScAuth, the operator maintains a Namespace with the server's Deployment, Secrets, Service and Ingress.",
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
    validation = Rule::new(size_only_grows()).message(
        "spec.database.embedded.size can only grow: a volume cannot shrink below what it has, see status.volume"),
    validation = Rule::new("!has(oldSelf.status) || !has(oldSelf.status.keys) || \
        (has(self.spec.bootstrapAdmin) == has(oldSelf.spec.bootstrapAdmin) \
        && (!has(self.spec.bootstrapAdmin) || self.spec.bootstrapAdmin == oldSelf.spec.bootstrapAdmin))").message(
        "spec.bootstrapAdmin cannot change once the Secret with the first Admin's password was created: change the user \
         through the API, or create another with: sc-auth-server admin create")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.database.embedded) || !has(self.replicas) || self.replicas == 1").message(
        "an embedded database has one writer: remove spec.replicas, or use spec.database.external"),
    validation = Rule::new("!has(self.database.embedded) || !has(self.autoscaling)").message(
        "an embedded database has one writer: remove spec.autoscaling, or use spec.database.external"),
    validation = Rule::new("!has(self.autoscaling) || !has(self.replicas)").message(
        "with spec.autoscaling the autoscaler decides: remove spec.replicas"),
    validation = Rule::new(files_are_mounted()).message(
        "each file of spec.database.external is in one of spec.podTemplate.volumeMounts, and has no .. in its path"),
    validation = Rule::new("has(self.database.embedded) == has(oldSelf.database.embedded)").message(
        "a database cannot become embedded or external later: the users would stay behind; create another ScAuth instead")
)]
pub struct ScAuthSpec {
    /// Namespace of all objects of this ScAuth. Defaults to its name. The namespace is created. An existing
    /// namespace is used only if its annotation `sc-auth.io/allow` contains the name of this ScAuth, or `*`. It
    /// cannot change once objects were created in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self.matches('^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$')").message(
        "a namespace has lower-case letters, digits and hyphens, at most 63 characters"))]
    #[x_kube(validation = Rule::new("self != 'default' && !self.startsWith('kube-')").message(
        "default and kube-* are the cluster's own namespaces: choose another one"))]
    #[schemars(length(max = 63))]
    pub namespace: Option<String>,

    /// Labels of the namespace, such as `pod-security.kubernetes.io/enforce`, which defaults to `restricted`. An
    /// existing namespace of yours keeps its labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[x_kube(validation = Rule::new("self.all(name, !name.startsWith('kubernetes.io/'))").message(
        "labels that begin with kubernetes.io/ are the cluster's own"))]
    #[x_kube(validation = Rule::new(no_own_label()).message(OWN_LABELS))]
    #[x_kube(validation = Rule::new("['enforce', 'audit', 'warn'].all(mode, !('pod-security.kubernetes.io/' + mode in self) \
        || self['pod-security.kubernetes.io/' + mode] in ['privileged', 'baseline', 'restricted'])").message(
        "a Pod Security level is privileged, baseline or restricted"))]
    #[x_kube(validation = Rule::new("['enforce-version', 'audit-version', 'warn-version'].all(mode, !('pod-security.kubernetes.io/' + mode in self) \
        || self['pod-security.kubernetes.io/' + mode].matches('^(latest|v1[.](0|[1-9][0-9]*))$'))").message(
        "a Pod Security version is latest, or one such as v1.33"))]
    #[schemars(schema_with = "labels", extend("maxProperties" = 20))]
    pub namespace_labels: BTreeMap<String, String>,

    /// Annotations of the namespace, like namespaceLabels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[x_kube(validation = Rule::new(no_own_annotation()).message(OWN_ANNOTATIONS))]
    #[schemars(schema_with = "annotations", extend("maxProperties" = 20))]
    pub namespace_annotations: BTreeMap<String, String>,

    /// Database of users and sessions: exactly one of `embedded` and `external`.
    pub database: Database,

    /// How clients outside the cluster reach the API. Without it, only the Service exposes the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expose: Option<Expose>,

    /// The Service of the API, `NAME-svc`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<Service>,

    /// Annotations of the pods' ServiceAccount, such as those of a cloud's workload identity.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[x_kube(validation = Rule::new(no_own_annotation()).message(OWN_ANNOTATIONS))]
    #[schemars(schema_with = "annotations", extend("maxProperties" = 20))]
    pub service_account_annotations: BTreeMap<String, String>,

    /// Number of pods. Defaults to 2, or to 1 with an embedded database. `kubectl scale scauth NAME` sets it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 50))]
    pub replicas: Option<i32>,

    /// Scale the pods with a HorizontalPodAutoscaler, by their CPU usage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autoscaling: Option<Autoscaling>,

    /// Resource requests and limits of each pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,

    /// Additions to the pods: labels, scheduling, environment, volumes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_template: Option<PodTemplate>,

    /// Network access to and from the pods. A NetworkPolicy is always created; by default it restricts only the
    /// port of health and metrics.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_policy: Option<NetworkPolicy>,

    /// Create a ServiceMonitor for Prometheus. Needs the Prometheus operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub monitoring: Option<Monitoring>,

    /// Image of the server. Defaults to the image of the operator's release, see `upgrade`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new(image()).message(
        "write an image such as registry.example.com/sc-auth-server:0.1.0, or with @sha256:…"))]
    #[schemars(length(max = 512))]
    pub image: Option<String>,

    /// See [`ImagePullPolicy`], whose text is the one that `kubectl explain` prints.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_pull_policy: Option<ImagePullPolicy>,

    /// See [`Upgrade`], whose text is the one that `kubectl explain` prints.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upgrade: Option<Upgrade>,

    /// Issuer, audiences and lifetimes of tokens, and rules for accounts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth>,

    /// Login pages of OpenID Connect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<Login>,

    /// Signing keys and their rotation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<Keys>,

    /// First Admin. The password is generated and stored in the Secret `NAME-admin`, which you may delete once you
    /// have saved the password. It cannot change once that Secret was created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bootstrap_admin: Option<BootstrapAdmin>,

    /// See [`DeletionPolicy`], whose text is the one that `kubectl explain` prints.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<DeletionPolicy>,

    /// Set to true to pause the operator: it applies nothing and rotates no key; the status stays up to date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,

    /// The fields of the stored object that could not be read and are missing here, and why; see [`super::StoredScAuth`].
    #[serde(skip_deserializing, skip_serializing_if = "always")]
    #[schemars(skip)]
    pub unreadable: Option<String>,
}

/// Like `skip`, which would leave the field unread in the copy of the struct that the derive makes.
fn always<T>(_: &T) -> bool {
    true
}

impl ScAuthSpec {
    /// The Ingress that the spec asks for.
    pub fn ingress(&self) -> Option<&Ingress> {
        self.expose.as_ref()?.ingress.as_ref()
    }

    /// The HTTPRoute that the spec asks for.
    pub fn http_route(&self) -> Option<&HttpRoute> {
        self.expose.as_ref()?.http_route.as_ref()
    }
}

/// What happens to namespace, volume and Secrets when this object is deleted. `Retain` (default): they are kept,
/// and a ScAuth of the same name adopts them. `Delete`: the namespace is deleted WITH EVERYTHING IN IT, unless you
/// own it through the annotation `sc-auth.io/allow`.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeletionPolicy {
    /// They are kept.
    #[default]
    Retain,
    /// They are deleted, the namespace with everything in it.
    Delete,
}

/// The first Admin.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BootstrapAdmin {
    /// User name. Defaults to `admin`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new(visible()).message("write a name without invisible and control characters"))]
    #[schemars(length(min = USERNAME_MIN, max = USERNAME_MAX), regex(pattern = r"^\S(.*\S)?$"))]
    pub username: Option<String>,
    /// E-mail address. Defaults to none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new(email()).message("write an address such as admin@example.com"))]
    #[x_kube(validation = Rule::new(visible()).message("write an address without invisible and control characters"))]
    #[schemars(length(max = EMAIL_MAX))]
    pub email: Option<String>,
}
