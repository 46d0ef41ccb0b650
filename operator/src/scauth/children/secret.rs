//! The generated Secrets. They are made once; while they exist, nothing of them is ever made anew.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use k8s_openapi::api::core::v1::Secret;
use rand::CryptoRng;
use sc_auth_contract::deployment::{DEPLOYMENT_FILE, Deployment};
use sc_auth_contract::keys::{KeySet, KeysError};
use sc_auth_contract::places::KEYS_FILE;
use secrecy::ExposeSecret as _;

use super::{Validated, kept};
use crate::scauth::names::ANNOTATION_ACCEPTED;
use crate::scauth::rotation::algorithm;

/// What the pods need: the signing keys.
/// `now` is in seconds since 1970-01-01 UTC.
pub fn keys_secret(validated: &Validated, now: i64, rng: &mut impl CryptoRng) -> Result<Secret, KeysError> {
    let wanted = validated.spec.keys.clone().unwrap_or_default();
    let keys = KeySet::generate(algorithm(wanted.algorithm.unwrap_or_default()), now, rng)?.to_json()?;
    let deployment = deployment(validated, rng).to_json().map_err(|_| KeysError::Generation("scauth.json"))?;
    let mut metadata = kept(validated, &validated.names.secret());
    let accepted = validated.expectation.accepted.iter().map(|id| (ANNOTATION_ACCEPTED.to_owned(), id.clone()));
    metadata.annotations.get_or_insert_default().extend(accepted);
    let content = [(KEYS_FILE, keys.expose_secret().to_owned()), (DEPLOYMENT_FILE, deployment)];
    Ok(Secret {
        metadata,
        type_: Some("Opaque".to_owned()),
        string_data: Some(content.map(|(name, content)| (name.to_owned(), content)).into()),
        ..Secret::default()
    })
}

/// What the server knows of its ScAuth.
pub fn deployment(validated: &Validated, rng: &mut impl CryptoRng) -> Deployment {
    validated.expectation.file(&validated.names.scauth, &validated.owner.uid, || random(rng))
}

fn random(rng: &mut impl CryptoRng) -> String {
    let mut bytes = [0; 16];
    rng.fill_bytes(&mut bytes);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The first Admin's name and password, for a person to read. By its `id` the server knows whether it made an Admin with
/// it.
pub fn admin_secret(validated: &Validated, rng: &mut impl CryptoRng) -> Secret {
    let wanted = validated.spec.bootstrap_admin.clone().unwrap_or_default();
    let mut data = BTreeMap::from([
        ("username".to_owned(), wanted.username.unwrap_or_else(|| "admin".to_owned())),
        ("password".to_owned(), sc_auth_contract::password::generate(rng).expose_secret().to_owned()),
        ("id".to_owned(), random(rng)),
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
