//! The generated Secrets. They are made once; while they exist, nothing of them is ever made anew.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Secret;
use rand::CryptoRng;
use sc_auth_keys::{KeySet, KeysError};
use secrecy::ExposeSecret as _;

use super::{Validated, kept};
use crate::reconcile::rotation::algorithm;

/// The file with the signing keys.
pub const KEYS_FILE: &str = "keys.json";

/// What the pods need: the signing keys.
/// `now` is in seconds since 1970-01-01 UTC.
pub fn keys_secret(validated: &Validated, now: i64, rng: &mut impl CryptoRng) -> Result<Secret, KeysError> {
    let wanted = validated.spec.keys.clone().unwrap_or_default();
    let keys = KeySet::generate(algorithm(wanted.algorithm.unwrap_or_default()), now, rng)?.to_json()?;
    Ok(Secret {
        metadata: kept(validated, &validated.names.secret()),
        type_: Some("Opaque".to_owned()),
        string_data: Some([(KEYS_FILE.to_owned(), keys.expose_secret().to_owned())].into()),
        ..Secret::default()
    })
}

/// The first Admin's name and password, for a person to read.
pub fn admin_secret(validated: &Validated, rng: &mut impl CryptoRng) -> Secret {
    let wanted = validated.spec.bootstrap_admin.clone().unwrap_or_default();
    let mut data = BTreeMap::from([
        ("username".to_owned(), wanted.username.unwrap_or_else(|| "admin".to_owned())),
        ("password".to_owned(), sc_auth_keys::generate_password(rng).expose_secret().to_owned()),
    ]);
    if let Some(email) = wanted.email {
        data.insert("email".to_owned(), email);
    }
    Secret {
        metadata: kept(validated, &validated.names.admin_secret()),
        type_: Some("Opaque".to_owned()),
        string_data: Some(data),
        ..Secret::default()
    }
}
