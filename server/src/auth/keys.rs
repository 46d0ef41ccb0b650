//! The signing keys as the token library wants them, and the file they come from.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::Context as _;
use jsonwebtoken::{DecodingKey, EncodingKey};
use rand::CryptoRng;
use sc_auth_keys::KeySet;
use secrecy::{ExposeSecret as _, SecretString};

/// One key, ready to sign and to verify.
pub struct Key {
    pub kid: String,
    pub encoding: EncodingKey,
    pub decoding: DecodingKey,
}

/// Both keys in use, and what is published of them.
pub struct Keys {
    pub access: Key,
    pub refresh: Key,
    /// The body of `/.well-known/jwks.json` (RFC 7517).
    pub published: serde_json::Value,
}

impl Keys {
    pub fn new(set: &KeySet) -> anyhow::Result<Self> {
        Ok(Self {
            access: Key {
                kid: set.access.kid.clone(),
                encoding: EncodingKey::from_ed_der(&set.access.to_pkcs8()?),
                decoding: DecodingKey::from_ed_components(&set.access.x)?,
            },
            refresh: Key {
                kid: set.refresh.kid.clone(),
                encoding: EncodingKey::from_secret(set.refresh.expose_secret()),
                decoding: DecodingKey::from_secret(set.refresh.expose_secret()),
            },
            published: serde_json::json!({"keys": [set.access.to_public_jwk()]}),
        })
    }

    /// Reads the keys file, or makes one where there is none.
    ///
    /// # Errors
    /// A message with the file's path, and never with any of its content.
    pub fn load(path: &Path, rng: &mut impl CryptoRng) -> anyhow::Result<Self> {
        let content = match std::fs::read_to_string(path) {
            Ok(content) => content.into(),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let content = sc_auth_keys::generate(rng)?;
                create(path, &content)
                    .with_context(|| format!("SC_AUTH_KEYS_FILE: {} cannot be written", path.display()))?;
                tracing::info!(path = %path.display(), "new signing keys were generated");
                content
            }
            Err(error) => {
                return Err(error).with_context(|| format!("SC_AUTH_KEYS_FILE: {} cannot be read", path.display()));
            }
        };
        let set = sc_auth_keys::parse(&content)
            .with_context(|| format!("SC_AUTH_KEYS_FILE: {} cannot be used", path.display()))?;
        Self::new(&set)
    }
}

/// Writes a new file that only its owner can read; never over an existing one.
pub fn create(path: &Path, content: &SecretString) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(content.expose_secret().as_bytes())?;
    file.sync_all()
}
