//! References to Secrets in the namespace of the object that names them.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::rules::object_name;

/// The refusal of a name that no Secret can have.
pub const SECRET_NAME: &str = "the name of a Secret has lower-case letters, digits, hyphens and dots";

/// A Secret in the ScAuth's namespace.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretName {
    /// Name of the Secret.
    #[x_kube(validation = Rule::new(object_name()).message(SECRET_NAME))]
    #[schemars(length(max = 253))]
    pub name: String,
}

/// A key of a Secret in the ScAuth's namespace.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretKey {
    /// Name of the Secret.
    #[x_kube(validation = Rule::new(object_name()).message(SECRET_NAME))]
    #[schemars(length(max = 253))]
    pub name: String,
    /// Key in the Secret.
    #[x_kube(validation = Rule::new("self.matches('^[-._a-zA-Z0-9]+$')").message(
        "a key of a Secret has letters, digits, hyphens, dots and underscores"))]
    #[schemars(length(max = 253))]
    pub key: String,
}

/// A Secret with user name and password.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Credentials {
    /// Name of the Secret.
    #[x_kube(validation = Rule::new(object_name()).message(SECRET_NAME))]
    #[schemars(length(max = 253))]
    pub name: String,
    /// Key of the user name, such as `db-user`. Defaults to `username`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[-._a-zA-Z0-9]+$"))]
    pub user_key: Option<String>,
    /// Key of the password, such as `db-pass`. Defaults to `password`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[-._a-zA-Z0-9]+$"))]
    pub password_key: Option<String>,
}
