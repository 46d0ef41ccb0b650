//! Where users and sessions are stored.

use kube::KubeSchema;
use sc_auth_contract::settings::{Engine, TlsMode};
use serde::{Deserialize, Serialize};

use super::amount::Amount;
use super::references::{Credentials, SecretKey};
use super::rules::{IS_AMOUNT, at_least, object_name};

/// Database of users and sessions.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.embedded) != has(self.external)").message(
    "set exactly one of spec.database.embedded and spec.database.external"))]
pub struct Database {
    /// SQLite on its own volume: one replica, and a short outage whenever the pod is replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub embedded: Option<Embedded>,
    /// A MySQL, MariaDB or PostgreSQL server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external: Option<External>,
}

const SIZE: &str = "write a size such as 1Gi, 1.5Gi or 500M";

/// SQLite on a volume.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Embedded {
    /// Size of the volume. Defaults to 1Gi. It can only grow, if the StorageClass allows expansion; it can always
    /// be set back to the volume's capacity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new(IS_AMOUNT).message(SIZE), validation = Rule::new(at_least("1Mi")).message(SIZE))]
    pub size: Option<Amount>,
    /// StorageClass of the volume. Defaults to the cluster's default class; `""` means a volume without a class. It
    /// cannot change once the volume exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new(format!("self == '' || {}", object_name())).message(
        "the name of a StorageClass has lower-case letters, digits, hyphens and dots"))]
    #[schemars(length(max = 253))]
    pub storage_class_name: Option<String>,
}

/// A database server: its address in a Secret, or in parts.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("[has(self.urlFrom), has(self.urlFile), has(self.host)].exists_one(set, set)").message(
        "set either urlFrom (a Secret with the whole address), or urlFile, or host with name and credentialsFrom"),
    validation = Rule::new("!has(self.host) || (has(self.name) && (has(self.credentialsFrom) || (has(self.userFile) && has(self.passwordFile))))").message(
        "with host, name and credentialsFrom are needed too, or name, userFile and passwordFile"),
    validation = Rule::new("!has(self.credentialsFrom) || !(has(self.userFile) || has(self.passwordFile))").message(
        "set credentialsFrom, or userFile and passwordFile, not both"),
    validation = Rule::new("!(has(self.urlFrom) || has(self.urlFile)) || !(has(self.engine) || has(self.port) || has(self.name) \
        || has(self.credentialsFrom) || has(self.userFile) || has(self.passwordFile))").message(
        "with urlFrom or urlFile, the address holds engine, port, name and credentials: remove them")
)]
pub struct External {
    /// Key of a Secret in the ScAuth's namespace that contains the address, such as
    /// `postgresql://user:password@host:5432/name`. CloudNativePG writes it as the key `uri` of the Secret
    /// `CLUSTER-app`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url_from: Option<SecretKey>,
    /// Path of a file with the address, in one of spec.podTemplate.volumeMounts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub url_file: Option<String>,
    /// See [`Engine`], whose text is the one that `kubectl explain` prints.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<Engine>,
    /// Host name or IP address of the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub host: Option<String>,
    /// Port of the server. Defaults to 3306 or 5432.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<i32>,
    /// Name of the database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub name: Option<String>,
    /// Secret in the ScAuth's namespace with user name and password. Its keys are `username` and `password`, unless
    /// userKey and passwordKey name others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials_from: Option<Credentials>,
    /// Path of a file with the user name, like urlFile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub user_file: Option<String>,
    /// Path of a file with the password, like urlFile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub password_file: Option<String>,
    /// Maximum number of connections of each pod, 1 to 100. Defaults to 8. If the database server grants fewer, the pod
    /// uses those.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub pool_size: Option<i32>,
    /// Encryption of the connection. Defaults to what the address says, otherwise to `preferred`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<DatabaseTls>,
}

/// Encryption of the connection to a database server.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.caFrom) || !has(self.caFile)").message("set caFrom or caFile, not both"),
    validation = Rule::new("!(has(self.caFrom) || has(self.caFile)) || self.mode in ['verify-ca', 'verify-identity']").message(
        "caFrom and caFile need mode verify-ca or verify-identity: the other modes verify no certificate")
)]
pub struct DatabaseTls {
    /// `disabled`, `preferred` (encrypt if the server supports it), `required` (encrypt without verification),
    /// `verify-ca` (verify the certificate's authority) or `verify-identity` (and its host name).
    pub mode: TlsMode,
    /// Key of a Secret in the ScAuth's namespace with the CA certificates (PEM).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_from: Option<SecretKey>,
    /// Path of a file with the CA certificates, like urlFile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub ca_file: Option<String>,
}
