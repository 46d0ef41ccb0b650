//! The Secrets that the pods mount, each once. They are mounted instead of set in the environment, which would not
//! follow their changes.

use sc_auth_contract::places::{self, Mount};

use super::names::Names;
use crate::api::ScAuthSpec;

/// A directory of the pods with the content of a Secret.
#[derive(Debug, Clone)]
pub struct SecretMount {
    pub mount: Mount,
    pub secret: String,
    /// Whether pods start without it.
    pub optional: bool,
    /// Whether only pods with OpenID Connect mount it.
    pub is_of_openid: bool,
}

/// The Secrets whose names the operator chooses.
pub fn named(names: &Names) -> [SecretMount; 3] {
    [
        SecretMount { mount: places::KEYS, secret: names.secret(), optional: false, is_of_openid: false },
        // A person may delete it once the password is saved.
        SecretMount { mount: places::ADMIN, secret: names.admin_secret(), optional: true, is_of_openid: false },
        // A person creates it.
        SecretMount { mount: places::DECLARED, secret: names.declared_secret(), optional: true, is_of_openid: true },
    ]
}

/// The Secrets that the spec names and that a person, or another operator, creates.
pub fn referenced(spec: &ScAuthSpec) -> Vec<SecretMount> {
    let external = spec.database.external.as_ref();
    let url = external.and_then(|external| external.url_from.as_ref()).map(|key| &key.name);
    let credentials = external.and_then(|external| external.credentials_from.as_ref()).map(|secret| &secret.name);
    let authority = external.and_then(|external| external.tls.as_ref()?.ca_from.as_ref()).map(|key| &key.name);
    let legacy = spec.auth.as_ref().and_then(|auth| auth.legacy_tokens.as_ref());
    let legacy = legacy.map(|legacy| &legacy.secret_key_from.name);
    let mounts = [(places::DATABASE, url.or(credentials)), (places::DATABASE_CA, authority), (places::LEGACY, legacy)];
    let mounts = mounts.into_iter().filter_map(|(mount, secret)| Some((mount, secret?)));
    mounts
        .map(|(mount, secret)| SecretMount { mount, secret: secret.clone(), optional: false, is_of_openid: false })
        .collect()
}
