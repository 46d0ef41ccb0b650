//! The signing keys in the form that the token library needs, and the file they come from, which may change at any
//! time.

use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use rand::CryptoRng;
use sc_auth_contract::keys::{KeySet, Material, Purpose, State};
use sc_auth_contract::status::KeyStatus;
use sc_auth_contract::time::UnixTime;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};

use super::seal::Seal;
use super::verified::Verified;
use crate::files::create_private;

/// One key, ready to sign and to verify.
pub struct Key {
    pub kid: String,
    pub purpose: Purpose,
    pub state: State,
    /// When it came into that state.
    pub since: UnixTime,
    pub algorithm: Algorithm,
    pub encoding: EncodingKey,
    pub decoding: DecodingKey,
}

impl Key {
    fn new(key: &sc_auth_contract::keys::Key) -> anyhow::Result<Self> {
        let (algorithm, encoding, decoding) = match &key.material {
            Material::EdDSA { pkcs8, x } => {
                (Algorithm::EdDSA, EncodingKey::from_ed_der(pkcs8), DecodingKey::from_ed_components(x)?)
            }
            Material::ES256 { pkcs8, x, y } => {
                (Algorithm::ES256, EncodingKey::from_ec_der(pkcs8), DecodingKey::from_ec_components(x, y)?)
            }
            Material::RS256 { pkcs1, n, e } => {
                (Algorithm::RS256, EncodingKey::from_rsa_der(pkcs1), DecodingKey::from_rsa_components(n, e)?)
            }
            Material::HS256(secret) => {
                (Algorithm::HS256, EncodingKey::from_secret(secret), DecodingKey::from_secret(secret))
            }
        };
        let sc_auth_contract::keys::Key { kid, purpose, state, since, .. } = key;
        let (purpose, state, since) = (*purpose, *state, *since);
        Ok(Self { kid: kid.clone(), purpose, state, since, algorithm, encoding, decoding })
    }
}

/// All keys in use, and their public parts.
pub struct Keys {
    all: Vec<Key>,
    access: usize,
    refresh: usize,
    /// The body of `/.well-known/jwks.json` (RFC 7517), and its ETag (RFC 9110, 8.8.3).
    pub published: String,
    pub etag: String,
    seals: Vec<Seal>,
    pub verified: Verified,
}

impl Keys {
    pub fn new(set: &KeySet) -> anyhow::Result<Self> {
        let keys: Vec<_> = set.keys().iter().map(Key::new).collect::<anyhow::Result<_>>()?;
        let current = |purpose| {
            let place = keys.iter().position(|key| (key.purpose, key.state) == (purpose, State::Current));
            place.with_context(|| format!("no current key with purpose {purpose}"))
        };
        let (access, refresh) = (current(Purpose::Access)?, current(Purpose::Refresh)?);
        let public: Vec<_> = set.keys().iter().filter_map(sc_auth_contract::keys::Key::to_public_jwk).collect();
        let published = serde_json::json!({"keys": public}).to_string();
        let etag = format!("\"{}\"", URL_SAFE_NO_PAD.encode(Sha256::digest(&published)));
        let symmetric = set.keys().iter().filter_map(|key| match &key.material {
            Material::HS256(secret) => Some(Seal::new(&key.kid, secret)),
            _ => None,
        });
        let seals = symmetric.collect::<anyhow::Result<_>>()?;
        Ok(Self { all: keys, access, refresh, published, etag, seals, verified: Verified::default() })
    }

    /// The key that signs access tokens now.
    pub fn access(&self) -> &Key {
        &self.all[self.access]
    }

    /// The key that signs refresh tokens now.
    pub fn refresh(&self) -> &Key {
        &self.all[self.refresh]
    }

    /// Any key that verifies. This includes the next keys: another replica may have read a newer file and sign with
    /// them.
    pub fn find(&self, kid: &str) -> Option<&Key> {
        self.all.iter().find(|key| key.kid == kid)
    }

    pub fn all(&self) -> &[Key] {
        &self.all
    }

    /// The keys without their secrets.
    pub fn status(&self) -> Vec<KeyStatus> {
        let status = |key: &Key| KeyStatus {
            kid: key.kid.clone(),
            purpose: key.purpose.into(),
            state: key.state.into(),
            since: key.since,
        };
        self.all.iter().map(status).collect()
    }

    /// One for each refresh key.
    pub fn seals(&self) -> &[Seal] {
        &self.seals
    }
}

/// The keys of a file, read again when it changes.
pub struct KeyRing {
    path: PathBuf,
    keys: RwLock<Arc<Keys>>,
    /// The digest of the last content that was loaded.
    seen: Mutex<[u8; 32]>,
}

/// The result of checking the file.
#[derive(Debug)]
pub enum Reload {
    Unchanged,
    Changed,
    /// The previous keys stay in use.
    Broken(anyhow::Error),
}

impl KeyRing {
    /// Reads the keys file, or creates it if it does not exist.
    ///
    /// # Errors
    /// A message with the file's path, never with its content.
    pub fn load(path: &Path, now: UnixTime, rng: &mut impl CryptoRng) -> anyhow::Result<Self> {
        let content = match std::fs::read_to_string(path) {
            Ok(content) => content.into(),
            Err(error) if error.kind() == ErrorKind::NotFound => generate(path, now, rng)?,
            Err(error) => {
                return Err(error).with_context(|| format!("SC_AUTH_KEYS_FILE: {} cannot be read", path.display()));
            }
        };
        let keys = read(path, &content)?;
        let seen = Mutex::new(Sha256::digest(content.expose_secret()).into());
        Ok(Self { path: path.to_owned(), keys: RwLock::new(Arc::new(keys)), seen })
    }

    /// The current keys. Call it once per request, so that the whole request uses the same keys.
    pub fn get(&self) -> Arc<Keys> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Loads the keys if the file has changed.
    pub fn reload(&self) -> Reload {
        let content: SecretString = match std::fs::read_to_string(&self.path) {
            Ok(content) => content.into(),
            Err(error) => {
                let error = anyhow::Error::new(error);
                return Reload::Broken(error.context(format!("{} cannot be read", self.path.display())));
            }
        };
        let digest: [u8; 32] = Sha256::digest(content.expose_secret()).into();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if *seen == digest {
            return Reload::Unchanged;
        }
        match read(&self.path, &content) {
            Ok(keys) => {
                *seen = digest;
                *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
                Reload::Changed
            }
            Err(error) => Reload::Broken(error),
        }
    }
}

/// # Errors
/// If the file exists and cannot be used.
pub fn check(path: &Path) -> anyhow::Result<()> {
    match std::fs::read_to_string(path) {
        Ok(content) => read(path, &content.into()).map(|_| ()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error).with_context(|| format!("SC_AUTH_KEYS_FILE: {} cannot be read", path.display())),
    }
}

fn read(path: &Path, content: &SecretString) -> anyhow::Result<Keys> {
    KeySet::parse(content)
        .map_err(anyhow::Error::new)
        .and_then(|set| Keys::new(&set))
        .with_context(|| format!("SC_AUTH_KEYS_FILE: {} cannot be used", path.display()))
}

fn generate(path: &Path, now: UnixTime, rng: &mut impl CryptoRng) -> anyhow::Result<SecretString> {
    let content = KeySet::generate(sc_auth_contract::keys::Algorithm::EdDSA, now, rng)?.to_json()?;
    create(path, &content).with_context(|| format!("SC_AUTH_KEYS_FILE: {} cannot be written", path.display()))?;
    tracing::info!(path = %path.display(), "generated new signing keys");
    Ok(content)
}

/// Writes a new file that only its owner can read; fails if it exists.
pub fn create(path: &Path, content: &SecretString) -> std::io::Result<()> {
    let mut file = create_private(path)?;
    file.write_all(content.expose_secret().as_bytes())?;
    file.sync_all()
}
