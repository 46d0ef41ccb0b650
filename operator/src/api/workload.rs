//! How the pods run.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Affinity, ConfigMapVolumeSource, EmptyDirVolumeSource, EnvVarSource, SecretVolumeSource, Toleration,
    TopologySpreadConstraint, VolumeProjection,
};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rules::{no_reserved_variable, no_reserved_volume};

/// What each pod may use.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Resources {
    /// What a pod is stopped at: 500m CPU and 128Mi memory by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("!has(self.memory) || quantity(self.memory).compareTo(quantity('64Mi')) >= 0").message(
        "hashing a password takes 19Mi beside the server itself: give spec.resources.limits.memory 64Mi or more"))]
    pub limits: Option<Amounts>,
    /// What is set aside for a pod: 50m CPU and 64Mi memory by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<Amounts>,
}

/// An amount of each resource.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Amounts {
    /// Cores, or thousandths of one: `500m`, `1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self.matches('^[1-9][0-9]{0,5}m?$')").message("write cores such as 500m or 1"))]
    #[schemars(length(max = 7))]
    pub cpu: Option<String>,
    /// Bytes with a unit: `128Mi`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self.matches('^[1-9][0-9]{0,5}(Mi|Gi)$')").message("write memory such as 128Mi or 1Gi"))]
    #[schemars(length(max = 8))]
    pub memory: Option<String>,
}

/// A HorizontalPodAutoscaler decides how many pods serve.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.max >= (has(self.min) ? self.min : 2)").message(
    "spec.autoscaling.max must not be less than min (2 by default)"))]
pub struct Autoscaling {
    /// The fewest pods, 2 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 50))]
    pub min: Option<i32>,
    /// The most pods.
    #[schemars(range(min = 1, max = 50))]
    pub max: i32,
    /// The CPU that the pods are to use on average, in per cent of their request; 400 by default, which is 200m of the
    /// default request of 50m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10000))]
    pub cpu: Option<i32>,
}

impl Autoscaling {
    /// The fewest pods.
    pub fn fewest(&self) -> i32 {
        self.min.unwrap_or(2)
    }
}

/// What the pods have beside what they need. The rest of a pod is the operator's own: selector labels, security
/// context, probes, and the settings that other fields of this object are for.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.volumeMounts) || self.volumeMounts.all(mount, has(self.volumes) && self.volumes.exists(volume, volume.name == mount.name))").message(
    "each of volumeMounts names one of volumes"))]
pub struct PodTemplate {
    /// Labels of the pods.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[x_kube(validation = Rule::new("self.all(name, !name.startsWith('app.kubernetes.io/') && !name.startsWith('sc-auth.io/'))").message(
        "labels that begin with app.kubernetes.io/ or sc-auth.io/ are the operator's own: it finds the pods by them"))]
    #[schemars(inner(length(max = 63)), extend("maxProperties" = 50))]
    pub labels: BTreeMap<String, String>,
    /// Annotations of the pods, such as a service mesh's.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[x_kube(validation = Rule::new("self.all(name, !name.startsWith('sc-auth.io/'))").message(
        "annotations that begin with sc-auth.io/ are the operator's own"))]
    #[schemars(inner(length(max = 16384)), extend("maxProperties" = 50))]
    pub annotations: BTreeMap<String, String>,
    /// Labels that a node must have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(inner(length(max = 63)), extend("maxProperties" = 20))]
    pub node_selector: BTreeMap<String, String>,
    /// Taints of nodes that are put up with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub tolerations: Vec<Toleration>,
    /// Which nodes, and beside which pods, as in a Pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub affinity: Option<Affinity>,
    /// How the pods are spread, instead of evenly over zones and nodes where that is possible.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub topology_spread_constraints: Vec<TopologySpreadConstraint>,
    /// The pods' priority.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub priority_class_name: Option<String>,
    /// Secrets in the ScAuth's namespace with which the image is pulled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub image_pull_secrets: Vec<SecretName>,
    /// Environment variables, such as settings of the server that no other field of this object is for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(validation = Rule::new(no_reserved_variable()).message(
        "the operator sets this variable: set the field of spec that decides it (spec.database, spec.auth, spec.expose); ports, files and SC_AUTH_DRAIN stay as they are"))]
    #[schemars(length(max = 50))]
    pub env: Vec<EnvVar>,
    /// Volumes of the pods, beside ours.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(validation = Rule::new(no_reserved_volume()).message(
        "volumes called keys, admin, database, database-ca, legacy and data are the operator's own"))]
    #[schemars(length(max = 20))]
    pub volumes: Vec<PodVolume>,
    /// Where the volumes are seen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(validation = Rule::new("self.all(mount, mount.mountPath.startsWith('/') && !mount.mountPath.matches('^/(run(/sc-auth(/.*)?)?|var(/lib(/sc-auth(/.*)?)?)?)?/*$'))").message(
        "a mountPath is absolute, and not /run/sc-auth, /var/lib/sc-auth or a folder that holds them: those are the operator's own"))]
    #[schemars(length(max = 20))]
    pub volume_mounts: Vec<PodVolumeMount>,
}

/// A Secret in the ScAuth's namespace.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretName {
    /// The Secret's name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// An environment variable.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EnvVar {
    /// The variable's name.
    #[x_kube(validation = Rule::new("self.matches('^[A-Za-z_][A-Za-z0-9_]*$')").message(
        "a variable's name has letters, digits and underscores"))]
    #[schemars(length(min = 1, max = 128))]
    pub name: String,
    /// The variable's value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 8192))]
    pub value: Option<String>,
    /// Where its value is, instead of `value`; a change there reaches a pod when it starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_from: Option<EnvVarSource>,
}

/// A volume: one of the sources that the `restricted` Pod Security Standard allows and that have no token of a service
/// account.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("[has(self.configMap), has(self.secret), has(self.emptyDir), has(self.projected)].exists_one(set, set)").message(
        "set exactly one of configMap, secret, emptyDir and projected")
)]
pub struct PodVolume {
    /// The volume's name.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// A ConfigMap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map: Option<ConfigMapVolumeSource>,
    /// A Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretVolumeSource>,
    /// An empty folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub empty_dir: Option<EmptyDirVolumeSource>,
    /// Several sources in one folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub projected: Option<Projected>,
}

/// Several sources in one folder.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Projected {
    /// ConfigMaps, Secrets, fields of the pod.
    #[x_kube(validation = Rule::new("self.all(source, !has(source.serviceAccountToken))").message(
        "the server's pods have no token of a service account"))]
    #[schemars(length(min = 1, max = 8))]
    pub sources: Vec<VolumeProjection>,
    /// The mode of the files, 0644 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 511))]
    pub default_mode: Option<i32>,
}

/// Where a volume is seen.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodVolumeMount {
    /// The volume's name.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    /// The folder, or with subPath perhaps a file.
    #[schemars(length(min = 1, max = 512))]
    pub mount_path: String,
    /// A part of the volume; it does not follow changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub sub_path: Option<String>,
    /// Whether it cannot be written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_only: Option<bool>,
}

/// When the pods take up a new release of the operator: its server's image and its pod template. `Manual`, the default:
/// not before the annotation `sc-auth.io/upgrade-to` names the release, or `image` changes. `Automatic`: by itself, one
/// ScAuth after the other; where one is not Ready afterwards, the others stay as they are.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Upgrade {
    /// When a person says so.
    #[default]
    Manual,
    /// By itself.
    Automatic,
}

/// The signing keys.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Keys {
    /// See [`KeyAlgorithm`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<KeyAlgorithm>,
    /// How long a key signs before the next one does: a number and h or d; 30d by default, from 1h to 366d. To have it
    /// done now, set the annotation `sc-auth.io/rotate-keys` of this object to something new; to drop a key that has
    /// leaked, with every token that it signed, set `sc-auth.io/revoke-key` to its kid, which stands in status.keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self.matches('^([1-9][0-9]{0,2}d|[1-9][0-9]{0,3}h)$')").message(
        "write a duration such as 30d or 12h"))]
    #[x_kube(validation = Rule::new("!self.matches('^([1-9][0-9]{0,2}d|[1-9][0-9]{0,3}h)$') || {'h': 1, 'd': 24}\
        [self.substring(self.size() - 1)] * int(self.substring(0, self.size() - 1)) <= 8784").message(
        "spec.keys.rotation is at most 366d"))]
    #[schemars(length(min = 2, max = 5))]
    pub rotation: Option<String>,
}

/// How access tokens are signed: `EdDSA` (the default), `ES256` or `RS256`. A change takes effect with the next rotation,
/// which it brings about.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyAlgorithm {
    /// Ed25519 (RFC 8037).
    #[default]
    EdDSA,
    /// ECDSA with P-256 (RFC 7518).
    ES256,
    /// RSA with 2048 bits (RFC 7518).
    RS256,
}
