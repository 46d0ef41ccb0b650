//! One declared client.

use std::collections::BTreeMap;
use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::shown::shown;
use crate::time::UnixTime;

/// The member `groups`: a server that ignored it would let everybody log in.
pub const GROUPS: &str = "groups";

/// What kind of application a client is. It decides how the client authenticates and which redirect URIs it can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClientType {
    /// Runs on a server and keeps a secret.
    Web,
    /// Runs on a user's device and has no secret (RFC 8252).
    Native,
    /// Runs in a browser and has no secret: pages of its redirect URIs' origins may call the token endpoint.
    Spa,
    /// Only introspects tokens.
    Service,
}

/// When users are asked for consent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Consent {
    /// Never, except for `offline_access` of a Native or Spa client that another application can impersonate.
    Skip,
    /// At the first login, and when the client requests more scopes or audiences. For a Native or Spa client that another
    /// application can impersonate, at each login.
    #[default]
    Once,
    /// At each login.
    Always,
}

/// The algorithm of ID tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum IdTokenAlgorithm {
    /// RSA with SHA-256, which every client must support (OpenID Connect Core, 15.1).
    #[default]
    RS256,
    /// ECDSA on P-256 with SHA-256.
    ES256,
}

/// Which claims about users are in ID tokens. All of them are at userinfo.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum IdTokenClaims {
    /// Those of all scopes, because many libraries, proxies and Kubernetes look for them only there.
    #[default]
    Scopes,
    /// Those that the parameter `claims` requests (OpenID Connect Core, 5.4).
    Requested,
}

/// The hash of a client secret.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretHash {
    /// SHA-256 of the secret: 64 hexadecimal digits.
    pub sha256: String,
    /// When the secret expires. Without it, the secret does not expire.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<UnixTime>,
}

/// Hashes of chosen secrets can be guessed: they are not printed.
impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretHash").field("until", &self.until).finish_non_exhaustive()
    }
}

impl SecretHash {
    /// The hash of a secret that does not expire.
    #[must_use]
    pub fn of(secret: &str) -> Self {
        let sha256 = Sha256::digest(secret).iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
        Self { sha256, until: None }
    }

    /// Whether it is the hash of this secret, which has not expired. The time does not depend on the secret.
    #[must_use]
    pub fn matches(&self, secret: &str, now: UnixTime) -> bool {
        let is_same = verify_slices_are_equal(Self::of(secret).sha256.as_bytes(), self.sha256.as_bytes()).is_ok();
        is_same && self.until.is_none_or(|until| now < until)
    }
}

/// A client. The names of the members are those of the custom resource `ScAuthClient`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeclaredClient {
    /// The identifier that the application sends.
    pub client_id: String,
    /// The namespace of the declaration; empty without Kubernetes.
    #[serde(default)]
    pub namespace: String,
    /// The name of the declaration; empty without Kubernetes.
    #[serde(default)]
    pub name: String,
    /// The file's counter at the client's last change.
    #[serde(default)]
    pub counter: u64,
    /// Features that a server must support to serve the client.
    #[serde(default)]
    pub requires: Vec<String>,
    /// The name that users see; by default, the identifier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// What kind of application it is.
    #[serde(rename = "type")]
    pub client_type: ClientType,
    /// Where the browser may be sent with a code; compared byte by byte.
    #[serde(default)]
    pub redirect_uris: Vec<String>,
    /// Where the browser may be sent after a logout; compared byte by byte.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub post_logout_redirect_uris: Vec<String>,
    /// Where logout tokens are sent when a session ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backchannel_logout_uri: Option<String>,
    /// The hashes of its secrets, any of which it can use.
    #[serde(default)]
    pub secrets: Vec<SecretHash>,
    /// The scopes that it can ask for.
    #[serde(default = "default_scopes")]
    pub scopes: Vec<String>,
    /// The audiences of its access tokens; by default, only the userinfo endpoint.
    #[serde(default)]
    pub audiences: Vec<String>,
    /// The groups whose members may log in; everybody if there are none.
    #[serde(default)]
    pub groups: Vec<String>,
    /// When users are asked for consent.
    #[serde(default)]
    pub consent: Consent,
    /// The lifetime of access tokens: 5m to 60m.
    #[serde(default = "default_access_token_ttl")]
    pub access_token_ttl: String,
    /// The lifetime of ID tokens: 1m to 24h.
    #[serde(default = "default_id_token_ttl")]
    pub id_token_ttl: String,
    /// The algorithm of ID tokens.
    #[serde(default)]
    pub id_token_algorithm: IdTokenAlgorithm,
    /// The claims about users in ID tokens.
    #[serde(default)]
    pub id_token_claims: IdTokenClaims,
    /// Whether it must send a code challenge (RFC 7636).
    #[serde(default = "yes")]
    pub require_pkce: bool,
    /// All other members.
    #[serde(flatten, skip_serializing)]
    pub unknown: BTreeMap<String, Value>,
}

const fn yes() -> bool {
    true
}

pub(super) fn default_scopes() -> Vec<String> {
    ["openid", "profile", "email"].map(str::to_owned).to_vec()
}

pub(super) fn default_access_token_ttl() -> String {
    "15m".to_owned()
}

pub(super) fn default_id_token_ttl() -> String {
    "5m".to_owned()
}

impl DeclaredClient {
    /// Reads a client of the file.
    ///
    /// # Errors
    /// The member that is missing or has the wrong type. The value is not quoted: it may be a secret.
    pub(super) fn read(value: &Value) -> Result<Self, String> {
        if !value.is_object() {
            return Err("it is not an object".to_owned());
        }
        serde_json::from_value(value.clone()).map_err(|_| problem_of(value))
    }

    /// The client's key in the database. It contains no uid, so a restored declaration keeps its grants.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}/{}/{}", self.namespace, self.name, self.client_id)
    }

    /// Whether a user with these groups may log in.
    #[must_use]
    pub fn admits(&self, groups: &[String]) -> bool {
        self.groups.is_empty() || self.groups.iter().any(|group| groups.contains(group))
    }

    /// What `requires` has to name for this client: parts of the format that an earlier server would ignore.
    #[must_use]
    pub fn needs(&self) -> Vec<&'static str> {
        if self.groups.is_empty() { Vec::new() } else { vec![GROUPS] }
    }

    /// The name that users see.
    #[must_use]
    pub fn shown_name(&self) -> &str {
        self.display_name.as_deref().unwrap_or(&self.client_id)
    }

    /// Whether it has a secret to authenticate with.
    #[must_use]
    pub fn is_confidential(&self) -> bool {
        matches!(self.client_type, ClientType::Web | ClientType::Service)
    }

    /// The last part of a key: the identifier of a client that may no longer be declared.
    #[must_use]
    pub fn id_of_key(key: &str) -> &str {
        key.rsplit('/').next().unwrap_or_default()
    }

    /// Whether a token for these audiences is for it: a client is itself an audience, and a service is also what it lists.
    #[must_use]
    pub fn is_audience<'a>(&self, mut audiences: impl Iterator<Item = &'a str>) -> bool {
        let serves =
            |name: &str| self.client_type == ClientType::Service && self.audiences.iter().any(|own| own == name);
        audiences.any(|name| name == self.client_id || serves(name))
    }

    /// The lifetime of access tokens, in seconds.
    #[must_use]
    pub fn access_token_seconds(&self) -> u64 {
        seconds(&self.access_token_ttl).unwrap_or(900)
    }

    /// The lifetime of ID tokens, in seconds.
    #[must_use]
    pub fn id_token_seconds(&self) -> u64 {
        seconds(&self.id_token_ttl).unwrap_or(300)
    }
}

/// Reads the members one by one, to name the first that is invalid.
fn problem_of(value: &Value) -> String {
    let base = serde_json::json!({"clientId": "x", "type": "Web"});
    for (name, member) in value.as_object().into_iter().flatten() {
        let mut alone = base.clone();
        alone[name] = member.clone();
        if serde_json::from_value::<DeclaredClient>(alone).is_err() {
            return format!("{} has the wrong type or an unknown value", shown(name));
        }
    }
    "clientId and type are required".to_owned()
}

/// A whole number with one of the units s, m, h and d.
pub(super) fn seconds(text: &str) -> Option<u64> {
    let unit = match text.as_bytes().last()? {
        b's' => 1,
        b'm' => 60,
        b'h' => 3_600,
        b'd' => 86_400,
        _ => return None,
    };
    let number = &text[..text.len() - 1];
    let is_number = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| number.parse::<u64>().ok())??.checked_mul(unit)
}
