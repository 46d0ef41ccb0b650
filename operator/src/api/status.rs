//! What the operator says back.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use sc_auth_contract::limits::{KEYS_MAX, OIDC_KEYS_MAX};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::borrowed::EXACT;

/// Observed state.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScAuthStatus {
    /// Generation of the spec that this status describes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = -1, max = EXACT))]
    pub observed_generation: Option<i64>,
    /// Conditions. Ready, Reconciling and Stalled follow kstatus; docs/conditions.md describes all types and
    /// reasons.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// Address of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Host names that lead to this ScAuth, and through what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exposure: Option<Exposure>,
    /// Volume of the embedded database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume: Option<VolumeStatus>,
    /// Image of the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Revision of the pod template of the pods. It changes together with the image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = i32::MAX))]
    pub template_revision: Option<i32>,
    /// Release that the pods could be upgraded to; see spec.upgrade.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub available_update: Option<String>,
    /// Number of pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = i32::MAX))]
    pub replicas: Option<i32>,
    /// Number of ready pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = i32::MAX))]
    pub ready_replicas: Option<i32>,
    /// Label selector of the pods, for the scale subresource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,
    /// Database that contains the data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<DatabaseStatus>,
    /// The signing keys.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = KEYS_MAX + OIDC_KEYS_MAX), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["kid"]))]
    pub keys: Vec<KeyStatus>,
}

/// Database that contains the data.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseStatus {
    /// Random identity of the database, or the name of an accepted empty database that is not in use yet. Pods do
    /// not use any other database until the annotation sc-auth.io/accept-database names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// Value of the annotation when it was last accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<String>,
}

/// The hosts that a ScAuth has.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exposure {
    /// Host names. No other ScAuth gets them through the same class or Gateway.
    #[schemars(length(max = 16))]
    pub hosts: Vec<String>,
    /// Ingress class, or the Gateways and their listeners.
    #[schemars(length(max = 16))]
    pub through: Vec<String>,
    /// Address in the status of the Ingress.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IngressAddress>,
}

/// An address that an ingress controller wrote into the status of the Ingress.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IngressAddress {
    /// IP addresses and host names; empty while the Ingress has none since a change of its class.
    #[schemars(length(max = 1024))]
    pub value: String,
    /// Class that the Ingress had when the address was written, or before the change; empty if it had none.
    #[schemars(length(max = 1024))]
    pub class: String,
    /// Controller of that class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub controller: Option<String>,
    /// Field manager that wrote the address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub writer: Option<String>,
    /// Time at which the address was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written: Option<Time>,
}

impl IngressAddress {
    /// Whether the controller has not written it again.
    pub fn is_same_as(&self, other: &Self) -> bool {
        (&self.value, &self.written) == (&other.value, &other.written)
    }
}

/// Volume of the embedded database, as its claim describes it.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VolumeStatus {
    /// Capacity; absent until the volume exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub capacity: Option<String>,
    /// StorageClass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub storage_class_name: Option<String>,
}

/// A signing key, without the key itself.
#[derive(JsonSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyStatus {
    /// Key ID (RFC 7517).
    pub kid: String,
    /// Tokens that it signs: `access`, `refresh`, or `openid` (those of applications).
    pub purpose: String,
    /// Algorithm.
    pub alg: String,
    /// `next` (published, does not sign yet), `current` (signs) or `retired` (only verifies).
    pub state: String,
    /// Time of the last change of state.
    pub since: Time,
}
