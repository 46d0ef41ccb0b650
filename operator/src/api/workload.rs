//! How the pods run.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Affinity, CSIVolumeSource, ConfigMapVolumeSource, EmptyDirVolumeSource, EnvVarSource, SecretVolumeSource,
    Toleration, TopologySpreadConstraint, VolumeProjection,
};
use kube::KubeSchema;
use sc_auth_contract::keys::AccessAlgorithm;
use sc_auth_contract::places::{DATA, RUN};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::Display;

use super::amount::Amount;
use super::references::SecretName;
use super::rules::{
    IS_AMOUNT, OBJECT_NAME, annotations, at_least, csi_driver, labels, names_objects, no_own_label, no_reserved_folder,
    no_reserved_variable, no_reserved_volume, object_name, one_kind_of_source, one_source, pod_fields,
    request_within_limit, reserved_volumes, search_domains, unique_by, variable_keys,
};

/// Resource requests and limits of each pod.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new(request_within_limit("cpu", Some(DEFAULT_LIMITS.cpu))).message(
        &*format!("spec.resources.requests.cpu is more than limits.cpu ({} by default)", DEFAULT_LIMITS.cpu)),
    validation = Rule::new(request_within_limit("memory", Some(DEFAULT_LIMITS.memory))).message(
        &*format!("spec.resources.requests.memory is more than limits.memory ({} by default)", DEFAULT_LIMITS.memory)),
    validation = Rule::new(request_within_limit("ephemeral__dash__storage", None)).message(
        "spec.resources.requests.ephemeral-storage is more than limits.ephemeral-storage")
)]
pub struct Resources {
    /// Resource limits of each pod. Default to 500m CPU and 128Mi memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("!has(self.memory) || !isQuantity(string(self.memory)) || quantity(string(self.memory)).compareTo(quantity('64Mi')) >= 0").message(
        "hashing a password takes 19Mi beside the server itself: give spec.resources.limits.memory 64Mi or more"))]
    pub limits: Option<Amounts>,
    /// Resource requests of each pod. Default to 50m CPU and 64Mi memory, or to the limits if those are less.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<Amounts>,
}

/// The limits of a ScAuth that sets none.
pub const DEFAULT_LIMITS: DefaultAmounts = DefaultAmounts { cpu: "500m", memory: "128Mi" };
/// The requests of a ScAuth that sets none.
pub const DEFAULT_REQUESTS: DefaultAmounts = DefaultAmounts { cpu: "50m", memory: "64Mi" };

/// The default amount of each resource.
#[derive(Debug, Clone, Copy)]
pub struct DefaultAmounts {
    pub cpu: &'static str,
    pub memory: &'static str,
}

const CPU: &str = "write CPU cores such as 500m, 0.5 or 1";
const STORAGE: &str = "write storage such as 1Gi or 500M";
const MEMORY: &str = "write memory such as 128Mi, 128M or 1.5Gi";

/// An amount of each resource.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Amounts {
    /// CPU cores, or thousandths of a core: `1`, `0.5`, `500m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new(IS_AMOUNT).message(CPU), validation = Rule::new(at_least("1m")).message(CPU))]
    pub cpu: Option<Amount>,
    /// Memory in bytes, usually with a unit: `128Mi`, `128M`, `1.5Gi`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new(IS_AMOUNT).message(MEMORY), validation = Rule::new(at_least("1Mi")).message(MEMORY))]
    pub memory: Option<Amount>,
    /// Space on the node's disk for logs and emptyDir volumes. Defaults to none.
    #[serde(default, rename = "ephemeral-storage", skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new(IS_AMOUNT).message(STORAGE), validation = Rule::new(at_least("1Mi")).message(STORAGE))]
    pub ephemeral_storage: Option<Amount>,
}

/// A HorizontalPodAutoscaler decides how many pods serve.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.max >= (has(self.min) ? self.min : 2)").message(
    "spec.autoscaling.max must not be less than min (2 by default)"))]
pub struct Autoscaling {
    /// Minimum number of pods. Defaults to 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 50))]
    pub min: Option<i32>,
    /// Maximum number of pods.
    #[schemars(range(min = 1, max = 50))]
    pub max: i32,
    /// Target CPU usage, in per cent of the request. Defaults to 400, which is 200m of the default request of 50m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10000))]
    pub cpu: Option<i32>,
}

/// Additions to the pods. The operator sets the rest of the pod: selector labels, security context, probes, and the
/// settings that other fields of this object control.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.volumeMounts) || self.volumeMounts.all(mount, has(self.volumes) && self.volumes.exists(volume, volume.name == mount.name))").message(
    "each of volumeMounts names one of volumes"))]
#[x_kube(validation = Rule::new("!has(self.dnsPolicy) || self.dnsPolicy != 'None' || self.?dnsConfig.nameservers.hasValue()").message(
    "dnsPolicy None needs dnsConfig.nameservers"))]
pub struct PodTemplate {
    /// Labels of the pods.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[x_kube(validation = Rule::new(no_own_label()).message(
        "labels that begin with app.kubernetes.io/ or sc-auth.io/ are the operator's own: it finds the pods by them"))]
    #[schemars(schema_with = "labels", extend("maxProperties" = 50))]
    pub labels: BTreeMap<String, String>,
    /// Annotations of the pods, such as those of a service mesh.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[x_kube(validation = Rule::new("self.all(name, !name.startsWith('sc-auth.io/'))").message(
        "annotations that begin with sc-auth.io/ are the operator's own"))]
    #[schemars(schema_with = "annotations", extend("maxProperties" = 50))]
    pub annotations: BTreeMap<String, String>,
    /// Labels that a node must have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "labels", extend("maxProperties" = 20))]
    pub node_selector: BTreeMap<String, String>,
    /// Tolerations of the pods.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(validation = Rule::new("self.all(t, (has(t.key) && t.key != '') || (has(t.operator) && t.operator == 'Exists'))").message(
        "a toleration without a key has the operator Exists"))]
    #[x_kube(validation = Rule::new("self.all(t, !has(t.operator) || t.operator != 'Exists' || !has(t.value) || t.value == '')").message(
        "a toleration with the operator Exists has no value"))]
    #[x_kube(validation = Rule::new("self.all(t, !has(t.tolerationSeconds) || (has(t.effect) && t.effect == 'NoExecute'))").message(
        "tolerationSeconds needs the effect NoExecute"))]
    #[schemars(length(max = 20))]
    pub tolerations: Vec<Toleration>,
    /// Node and pod affinity, as in a Pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub affinity: Option<Affinity>,
    /// Topology spread constraints. Default to an even spread over zones and nodes, if possible.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(validation = Rule::new("self.all(a, self.exists_one(b, b.topologyKey == a.topologyKey && b.whenUnsatisfiable == a.whenUnsatisfiable))").message(
        "name each topologyKey in topologySpreadConstraints once for each whenUnsatisfiable"))]
    #[x_kube(validation = Rule::new("self.all(c, !has(c.minDomains) || c.whenUnsatisfiable == 'DoNotSchedule')").message(
        "minDomains needs whenUnsatisfiable DoNotSchedule"))]
    #[schemars(length(max = 8))]
    pub topology_spread_constraints: Vec<TopologySpreadConstraint>,
    /// Priority class of the pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new(object_name()).message(
        "the name of a PriorityClass has lower-case letters, digits, hyphens and dots"))]
    #[schemars(length(max = 253))]
    pub priority_class_name: Option<String>,
    /// Secrets in the ScAuth's namespace for pulling the image.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(validation = Rule::new(unique_by("name")).message("name each Secret in imagePullSecrets once"))]
    #[schemars(length(max = 8))]
    pub image_pull_secrets: Vec<SecretName>,
    /// See [`DnsPolicy`], whose text is the one that `kubectl explain` prints.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns_policy: Option<DnsPolicy>,
    /// Additions to the pods' DNS, as in a Pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns_config: Option<DnsConfig>,
    /// See [`Migration`], whose text is the one that `kubectl explain` prints.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub migration: Option<Migration>,
    /// Environment variables, such as settings of the server that no other field of this object controls.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(validation = Rule::new(no_reserved_variable()).message(
        "this variable is reserved: use the field of spec that sets it (spec.database, spec.auth, spec.login, spec.expose); ports, files and SC_AUTH_DRAIN cannot be changed"))]
    #[x_kube(validation = Rule::new(unique_by("name")).message("name each variable in env once"))]
    #[schemars(length(max = 50))]
    pub env: Vec<EnvVar>,
    /// Additional volumes of the pods.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(validation = Rule::new(no_reserved_volume()).message(
        &*format!("volumes called {} are the operator's own", reserved_volumes())))]
    #[x_kube(validation = Rule::new(unique_by("name")).message("give each of volumes a name of its own"))]
    #[schemars(length(max = 20))]
    pub volumes: Vec<PodVolume>,
    /// Mounts of the additional volumes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(validation = Rule::new(no_reserved_folder()).message(
        &*format!("a mountPath is absolute, without : and .., and not {RUN}, {} or a folder that holds them: those are the operator's own", DATA.path)))]
    #[x_kube(validation = Rule::new(unique_by("mountPath")).message("give each of volumeMounts a mountPath of its own"))]
    #[schemars(length(max = 20))]
    pub volume_mounts: Vec<PodVolumeMount>,
}

/// An environment variable.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.value) || !has(self.valueFrom)").message("a variable has value or valueFrom, not both")
)]
pub struct EnvVar {
    /// Name of the variable.
    #[x_kube(validation = Rule::new("self.matches('^[A-Za-z_][A-Za-z0-9_]*$')").message(
        "a variable's name has letters, digits and underscores"))]
    #[schemars(length(max = 128))]
    pub name: String,
    /// Value of the variable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 8192))]
    pub value: Option<String>,
    /// Source of the value, instead of `value`. A change of the source takes effect when a pod starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new(one_source()).message("valueFrom has exactly one source, such as secretKeyRef"))]
    #[x_kube(validation = Rule::new(names_objects("self", &["secretKeyRef.name", "configMapKeyRef.name"])).message(OBJECT_NAME))]
    #[x_kube(validation = Rule::new(variable_keys()).message(
        "a key of a Secret or ConfigMap has letters, digits, hyphens, dots and underscores"))]
    #[x_kube(validation = Rule::new(pod_fields()).message(
        "write a fieldPath such as metadata.name, spec.nodeName or status.podIP, or a resource such as limits.memory"))]
    pub value_from: Option<EnvVarSource>,
}

/// A volume. Its source must be one that the `restricted` Pod Security Standard allows, without service account
/// tokens.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("[has(self.configMap), has(self.secret), has(self.emptyDir), has(self.projected), has(self.csi)].exists_one(set, set)").message(
        "set exactly one of configMap, secret, emptyDir, projected and csi"),
    validation = Rule::new("!has(self.secret) || has(self.secret.secretName)").message("a volume from a Secret needs secretName"),
    validation = Rule::new(names_objects("self", &["configMap.name", "secret.secretName", "csi.nodePublishSecretRef.name"])).message(OBJECT_NAME),
    validation = Rule::new(csi_driver()).message(
        "write the name of a CSI driver such as secrets-store.csi.k8s.io")
)]
pub struct PodVolume {
    /// Name of the volume.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// A ConfigMap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map: Option<ConfigMapVolumeSource>,
    /// A Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretVolumeSource>,
    /// An empty directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub empty_dir: Option<EmptyDirVolumeSource>,
    /// Several sources in one directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub projected: Option<Projected>,
    /// A volume of a CSI driver, such as the Secrets Store driver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub csi: Option<CSIVolumeSource>,
}

/// The pods' resolver: `ClusterFirst` (default), `Default` (the node's), or `None` (only dnsConfig).
#[derive(JsonSchema, Clone, Copy, Debug, Display, PartialEq, Eq, Serialize, Deserialize)]
pub enum DnsPolicy {
    /// The cluster's.
    ClusterFirst,
    /// The node's.
    Default,
    /// Only the one in dnsConfig.
    None,
}

/// Additions to the pods' DNS.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DnsConfig {
    /// Addresses of name servers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(validation = Rule::new("self.all(address, isIP(address))").message(
        "write addresses of name servers such as 10.0.0.10"))]
    #[schemars(length(min = 1, max = 3), inner(length(max = 45)))]
    pub nameservers: Vec<String>,
    /// Domains in which host names are looked up.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(validation = Rule::new(search_domains()).message("write search domains such as svc.cluster.local"))]
    #[schemars(length(max = 32), inner(length(max = 253)))]
    pub searches: Vec<String>,
    /// Options of the resolver, such as `ndots`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub options: Vec<DnsOption>,
}

/// An option of the resolver.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DnsOption {
    /// Name of the option.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    /// Value of the option.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub value: Option<String>,
}

/// Where the database's schema is migrated: in an init container (`InitContainer`, the default with an external
/// database), or by each pod's server when it starts (`Server`, the default with an embedded one), for meshes whose
/// sidecar starts after the init containers.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Migration {
    /// In an init container.
    #[default]
    InitContainer,
    /// By the server.
    Server,
}

/// Several sources in one directory.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Projected {
    /// ConfigMaps, Secrets and fields of the pod.
    #[x_kube(validation = Rule::new("self.all(source, !has(source.serviceAccountToken))").message(
        "the server's pods have no token of a service account"))]
    #[x_kube(validation = Rule::new(format!("self.all(source, {})", names_objects("source", &["secret.name", "configMap.name"]))).message(OBJECT_NAME))]
    #[x_kube(validation = Rule::new(one_kind_of_source()).message(
        "each of sources has exactly one kind, such as configMap or secret"))]
    #[schemars(length(min = 1, max = 8))]
    pub sources: Vec<VolumeProjection>,
    /// Mode of the files. Defaults to 0644.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 511))]
    pub default_mode: Option<i32>,
}

/// A mount of a volume.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodVolumeMount {
    /// Name of the volume.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    /// Path of the directory or, with subPath, of a file.
    #[schemars(length(min = 1, max = 512))]
    pub mount_path: String,
    /// Path within the volume. Such a mount does not follow changes of the volume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("!self.startsWith('/') && !self.matches('(^|/)[.][.](/|$)')").message(
        "a subPath is relative to the volume, and has no .."))]
    #[schemars(length(min = 1, max = 512))]
    pub sub_path: Option<String>,
    /// Whether the mount is read-only. Defaults to false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_only: Option<bool>,
}

/// When the image is pulled. Defaults to `IfNotPresent`.
#[derive(JsonSchema, Clone, Copy, Debug, Default, Display, PartialEq, Eq, Serialize, Deserialize)]
pub enum ImagePullPolicy {
    /// At each start of a container.
    Always,
    /// If the node does not have it.
    #[default]
    IfNotPresent,
    /// Never.
    Never,
}

/// When the pods move to the server image and pod template of a new operator release. `Manual` (default): when the
/// annotation `sc-auth.io/upgrade-to` names the release, or `image` changes. `Automatic`: by itself, one ScAuth
/// after another; if one is not Ready afterwards, the others wait.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Upgrade {
    /// When a person sets the annotation.
    #[default]
    Manual,
    /// Automatically.
    Automatic,
}

/// The signing keys.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Keys {
    /// See [`AccessAlgorithm`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<AccessAlgorithm>,
    /// How long a key signs: a number and h or d, from 1h to 366d. Defaults to 30d. To rotate now, set the
    /// annotation `sc-auth.io/rotate-keys` of this object to a new value. To revoke a leaked key and every token
    /// that it signed, set `sc-auth.io/revoke-key` to its kid, as listed in status.keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self.matches('^([1-9][0-9]{0,2}d|[1-9][0-9]{0,3}h)$')").message(
        "write a duration such as 30d or 12h"))]
    #[x_kube(validation = Rule::new("!self.matches('^([1-9][0-9]{0,2}d|[1-9][0-9]{0,3}h)$') || {'h': 1, 'd': 24}\
        [self.substring(self.size() - 1)] * int(self.substring(0, self.size() - 1)) <= 8784").message(
        "spec.keys.rotation is at most 366d"))]
    #[schemars(length(min = 2, max = 5))]
    pub rotation: Option<String>,
}
