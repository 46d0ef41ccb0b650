//! Secrets that operator and server both make: the signing keys' file, a JSON Web Key Set (RFC 7517) with private keys,
//! and the first Admin's password.
//!
//! The operator writes it into a Secret, the server reads it and makes one where there is none. Each
//! key carries the extra member `purpose`: access tokens are signed with an Ed25519 key (RFC 8037) whose
//! public half is published, refresh tokens under a symmetric key that never leaves the file, so that
//! nobody who verifies with the published set can take a refresh token for an access token.

use std::fmt;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::CryptoRng;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest as _, Sha256};

/// What a key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// Access tokens; the public half is published.
    Access,
    /// Refresh tokens; never published.
    Refresh,
}

/// What can be wrong with a keys file. No message holds any part of a key.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// Not a JSON Web Key Set as this module writes it.
    #[error("not a JSON Web Key Set: {0} at line {1}, column {2}")]
    NotAKeySet(&'static str, usize, usize),
    /// There must be exactly one key of each purpose.
    #[error("{found} keys with purpose \"{}\", there must be exactly one", name(*.purpose))]
    WrongCount {
        /// The purpose in question.
        purpose: Purpose,
        /// How many keys of it the file holds.
        found: usize,
    },
    /// A key that cannot be used for its purpose.
    #[error("key \"{kid}\": {problem}")]
    Unusable {
        /// The key's identifier.
        kid: String,
        /// What is wrong with it.
        problem: &'static str,
    },
}

const fn name(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Access => "access",
        Purpose::Refresh => "refresh",
    }
}

/// The key that access tokens are signed with.
pub struct AccessKey {
    /// RFC 7638 thumbprint.
    pub kid: String,
    /// The public key: `x` of RFC 8037, base64url.
    pub x: String,
    pair: Ed25519KeyPair,
}

impl AccessKey {
    /// The private key as PKCS#8 (RFC 5958), as token libraries want it.
    ///
    /// # Errors
    /// Where the library cannot encode it.
    pub fn to_pkcs8(&self) -> Result<Vec<u8>, KeysError> {
        let document = self.pair.to_pkcs8().map_err(|_| unusable(&self.kid, "it cannot be encoded as PKCS#8"))?;
        Ok(document.as_ref().to_vec())
    }

    /// The public half as a JSON Web Key.
    #[must_use]
    pub fn to_public_jwk(&self) -> serde_json::Value {
        json!({"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": self.kid, "x": self.x})
    }
}

impl fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessKey").field("kid", &self.kid).finish_non_exhaustive()
    }
}

/// The key that refresh tokens are signed with (HMAC-SHA-256).
pub struct RefreshKey {
    /// A random identifier.
    pub kid: String,
    secret: Vec<u8>,
}

impl RefreshKey {
    /// The secret itself, 32 bytes or more.
    #[must_use]
    pub fn expose_secret(&self) -> &[u8] {
        &self.secret
    }
}

impl fmt::Debug for RefreshKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefreshKey").field("kid", &self.kid).finish_non_exhaustive()
    }
}

/// All that a keys file holds.
#[derive(Debug)]
pub struct KeySet {
    /// Signs access tokens.
    pub access: AccessKey,
    /// Signs refresh tokens.
    pub refresh: RefreshKey,
}

/// The file's own form. Never printed: `Debug` is left out on purpose.
#[derive(Serialize, Deserialize)]
struct File {
    keys: Vec<Jwk>,
}

#[derive(Serialize, Deserialize)]
struct Jwk {
    kid: String,
    purpose: Purpose,
    kty: String,
    alg: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    crv: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    x: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    d: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    k: Option<String>,
}

/// Makes the content of a new keys file.
///
/// # Errors
/// Where the cryptographic library refuses the random seed.
pub fn generate(rng: &mut impl CryptoRng) -> Result<SecretString, KeysError> {
    let (mut seed, mut secret, mut kid) = ([0; 32], [0; 32], [0; 8]);
    rng.fill_bytes(&mut seed);
    rng.fill_bytes(&mut secret);
    rng.fill_bytes(&mut kid);
    let pair = Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|_| unusable("new", "the seed was refused"))?;
    let x = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
    let file = File {
        keys: vec![
            Jwk {
                kid: thumbprint(&x),
                purpose: Purpose::Access,
                kty: "OKP".into(),
                alg: "EdDSA".into(),
                crv: Some("Ed25519".into()),
                d: Some(URL_SAFE_NO_PAD.encode(seed)),
                x: Some(x),
                k: None,
            },
            Jwk {
                kid: URL_SAFE_NO_PAD.encode(kid),
                purpose: Purpose::Refresh,
                kty: "oct".into(),
                alg: "HS256".into(),
                crv: None,
                x: None,
                d: None,
                k: Some(URL_SAFE_NO_PAD.encode(secret)),
            },
        ],
    };
    let json = serde_json::to_string_pretty(&file).map_err(|_| unusable("new", "it cannot be written as JSON"))?;
    Ok(json.into())
}

/// A password for a person to copy: 130 bits of randomness in letters and digits that cannot be mistaken for each other.
#[must_use]
pub fn generate_password(rng: &mut impl CryptoRng) -> SecretString {
    const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut bytes = [0; 26];
    rng.fill_bytes(&mut bytes);
    let password: String = bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect();
    password.into()
}

/// Reads a keys file's content.
///
/// # Errors
/// [`KeysError`] says what is wrong with it.
pub fn parse(content: &SecretString) -> Result<KeySet, KeysError> {
    // serde_json's message may quote the input, which is secret: only the kind and the place are kept.
    let file: File = serde_json::from_str(content.expose_secret())
        .map_err(|error| KeysError::NotAKeySet(kind(&error), error.line(), error.column()))?;
    Ok(KeySet {
        access: access_key(only(&file.keys, Purpose::Access)?)?,
        refresh: refresh_key(only(&file.keys, Purpose::Refresh)?)?,
    })
}

fn kind(error: &serde_json::Error) -> &'static str {
    match error.classify() {
        serde_json::error::Category::Eof => "it ends too early",
        serde_json::error::Category::Data => "a member is missing or of the wrong type",
        serde_json::error::Category::Syntax | serde_json::error::Category::Io => "it is not JSON",
    }
}

fn only(keys: &[Jwk], purpose: Purpose) -> Result<&Jwk, KeysError> {
    let mut found = keys.iter().filter(|key| key.purpose == purpose);
    match (found.next(), found.count()) {
        (Some(key), 0) => Ok(key),
        (first, more) => Err(KeysError::WrongCount { purpose, found: usize::from(first.is_some()) + more }),
    }
}

fn access_key(jwk: &Jwk) -> Result<AccessKey, KeysError> {
    if (jwk.kty.as_str(), jwk.alg.as_str(), jwk.crv.as_deref()) != ("OKP", "EdDSA", Some("Ed25519")) {
        return Err(unusable(&jwk.kid, "an access key must have kty OKP, crv Ed25519 and alg EdDSA"));
    }
    let seed = decode(jwk, jwk.d.as_deref(), "member d is missing or not base64url")?;
    let x = decode(jwk, jwk.x.as_deref(), "member x is missing or not base64url")?;
    let pair = Ed25519KeyPair::from_seed_and_public_key(&seed, &x)
        .map_err(|_| unusable(&jwk.kid, "members d and x do not belong together"))?;
    Ok(AccessKey { kid: jwk.kid.clone(), x: URL_SAFE_NO_PAD.encode(x), pair })
}

fn refresh_key(jwk: &Jwk) -> Result<RefreshKey, KeysError> {
    if (jwk.kty.as_str(), jwk.alg.as_str()) != ("oct", "HS256") {
        return Err(unusable(&jwk.kid, "a refresh key must have kty oct and alg HS256"));
    }
    let secret = decode(jwk, jwk.k.as_deref(), "member k is missing or not base64url")?;
    if secret.len() < 32 {
        return Err(unusable(&jwk.kid, "member k must hold 32 bytes or more"));
    }
    Ok(RefreshKey { kid: jwk.kid.clone(), secret })
}

fn decode(jwk: &Jwk, member: Option<&str>, problem: &'static str) -> Result<Vec<u8>, KeysError> {
    member.and_then(|text| URL_SAFE_NO_PAD.decode(text).ok()).ok_or_else(|| unusable(&jwk.kid, problem))
}

fn unusable(kid: &str, problem: &'static str) -> KeysError {
    KeysError::Unusable { kid: kid.to_owned(), problem }
}

/// RFC 7638 over the members that RFC 8037 names for this kind of key.
fn thumbprint(x: &str) -> String {
    let canonical = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
    URL_SAFE_NO_PAD.encode(Sha256::digest(canonical))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generated() -> SecretString {
        generate(&mut rand::rng()).unwrap()
    }

    fn edited(edit: impl FnOnce(&mut serde_json::Value)) -> Result<KeySet, KeysError> {
        let mut value = serde_json::from_str(generated().expose_secret()).unwrap();
        edit(&mut value);
        parse(&value.to_string().into())
    }

    #[test]
    fn what_is_generated_can_be_read() {
        let keys = parse(&generated()).unwrap();
        assert_eq!(keys.access.kid, thumbprint(&keys.access.x));
        assert_eq!(keys.refresh.expose_secret().len(), 32);
    }

    #[test]
    fn the_thumbprint_is_that_of_rfc_8037_appendix_a3() {
        assert_eq!(
            thumbprint("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"),
            "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
        );
    }

    #[test]
    fn generated_passwords_are_long_and_never_alike() {
        let passwords = [generate_password(&mut rand::rng()), generate_password(&mut rand::rng())];
        assert_eq!(passwords[0].expose_secret().len(), 26);
        assert_ne!(passwords[0].expose_secret(), passwords[1].expose_secret());
    }

    #[test]
    fn two_files_are_never_alike() {
        assert_ne!(generated().expose_secret(), generated().expose_secret());
    }

    #[test]
    fn nothing_private_is_in_the_public_key_or_in_debug_output() {
        let content = generated();
        let keys = parse(&content).unwrap();
        let shown = format!("{keys:?}{}", keys.access.to_public_jwk());
        let value: serde_json::Value = serde_json::from_str(content.expose_secret()).unwrap();
        for secret in [&value["keys"][0]["d"], &value["keys"][1]["k"]] {
            assert!(!shown.contains(secret.as_str().unwrap()));
        }
    }

    #[test]
    fn a_broken_file_is_refused_with_a_reason_that_holds_no_secret() {
        assert_eq!(
            parse(&"{".to_owned().into()).unwrap_err().to_string(),
            "not a JSON Web Key Set: it ends too early at line 1, column 1"
        );
        let error = edited(|file| {
            file["keys"].as_array_mut().unwrap().remove(1);
        })
        .unwrap_err();
        assert_eq!(error.to_string(), "0 keys with purpose \"refresh\", there must be exactly one");
        let error =
            edited(|file| file["keys"][0]["x"] = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo".into()).unwrap_err();
        assert!(error.to_string().ends_with("members d and x do not belong together"), "{error}");
        let error = edited(|file| file["keys"][1]["k"] = "c2hvcnQ".into()).unwrap_err();
        assert!(error.to_string().ends_with("member k must hold 32 bytes or more"), "{error}");
    }
}
