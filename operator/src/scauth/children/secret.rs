//! The generated Secrets. They are created once; while they exist, their content is never regenerated.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use k8s_openapi::api::core::v1::Secret;
use rand::CryptoRng;
use sc_auth_contract::deployment::{DEPLOYMENT_FILE, ScAuthRecord};
use sc_auth_contract::keys::{KeySet, KeysError};
use sc_auth_contract::places::{ADMIN_EMAIL, ADMIN_ID, ADMIN_PASSWORD, ADMIN_USERNAME, KEYS_FILE};
use sc_auth_contract::time::UnixTime;
use secrecy::ExposeSecret as _;

use super::metadata::kept;
use crate::scauth::names::ANNOTATION_ACCEPTED;
use crate::scauth::resolved::{Admin, Resolved};

/// The signing keys, for the pods.
pub fn keys_secret(resolved: &Resolved, now: UnixTime, rng: &mut impl CryptoRng) -> Result<Secret, KeysError> {
    let keys = KeySet::generate(resolved.algorithm, now, rng)?.to_json()?;
    let record = record(resolved, rng).to_json().map_err(|_| KeysError::Generation("scauth.json"))?;
    let mut metadata = kept(resolved, &resolved.names.secret());
    let accepted = resolved.expectation.accepted.iter().map(|id| (ANNOTATION_ACCEPTED.to_owned(), id.clone()));
    metadata.annotations.get_or_insert_default().extend(accepted);
    let content = [(KEYS_FILE, keys.expose_secret().to_owned()), (DEPLOYMENT_FILE, record)];
    Ok(Secret {
        metadata,
        type_: Some("Opaque".to_owned()),
        string_data: Some(content.map(|(name, content)| (name.to_owned(), content)).into()),
        ..Secret::default()
    })
}

/// The server's knowledge of its ScAuth.
pub fn record(resolved: &Resolved, rng: &mut impl CryptoRng) -> ScAuthRecord {
    resolved.expectation.file(&resolved.names.scauth, &resolved.owner.uid, || random(rng))
}

fn random(rng: &mut impl CryptoRng) -> String {
    let mut bytes = [0; 16];
    rng.fill_bytes(&mut bytes);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The first Admin's name and password, for a person to read. The `id` shows the server whether it created an Admin
/// with it.
pub fn admin_secret(resolved: &Resolved, rng: &mut impl CryptoRng) -> Secret {
    let Admin { username, email, password_min_length } = resolved.admin.clone();
    let password = sc_auth_contract::password::generate(password_min_length, rng);
    let mut data = BTreeMap::from([
        (ADMIN_USERNAME.to_owned(), username),
        (ADMIN_PASSWORD.to_owned(), password.expose_secret().to_owned()),
        (ADMIN_ID.to_owned(), random(rng)),
    ]);
    if let Some(email) = email {
        data.insert(ADMIN_EMAIL.to_owned(), email);
    }
    Secret {
        metadata: kept(resolved, &resolved.names.admin_secret()),
        type_: Some("Opaque".to_owned()),
        string_data: Some(data),
        ..Secret::default()
    }
}
