//! The signing keys in the form that the token library needs, and the file they come from, which may change at any
//! time.

mod remembered;
mod signer;

use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use anyhow::Context as _;
use jsonwebtoken::{Algorithm, DecodingKey, Header};
use rand::CryptoRng;
use sc_auth_contract::keys::{KeySet, Material, Purpose, State};
use sc_auth_contract::status::KeyStatus;
use sc_auth_contract::time::UnixTime;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

pub use remembered::Remembered;
use signer::Signer;

use super::digest::sha256;
use super::request_seal::RequestSeal;
use super::seal::Seal;
use super::verified::Verified;
use crate::files::{MAX_BYTES, beside_requests, create_private, others_can_read, read_regular};

/// One key, ready to sign and to verify.
pub struct Key {
    pub kid: String,
    pub purpose: Purpose,
    pub state: State,
    /// When it came into that state.
    pub since: UnixTime,
    pub algorithm: Algorithm,
    signer: Signer,
    pub decoding: DecodingKey,
}

impl Key {
    pub(in crate::auth) fn new(key: &sc_auth_contract::keys::Key) -> anyhow::Result<Self> {
        let (algorithm, decoding) = match &key.material {
            Material::EdDSA { x, .. } => (Algorithm::EdDSA, DecodingKey::from_ed_components(x)?),
            Material::ES256 { x, y, .. } => (Algorithm::ES256, DecodingKey::from_ec_components(x, y)?),
            Material::RS256 { n, e, .. } => (Algorithm::RS256, DecodingKey::from_rsa_components(n, e)?),
            Material::HS256(secret) => (Algorithm::HS256, DecodingKey::from_secret(secret)),
        };
        let signer = Signer::new(&key.material)?;
        let sc_auth_contract::keys::Key { kid, purpose, state, since, .. } = key;
        let (purpose, state, since) = (*purpose, *state, *since);
        Ok(Self { kid: kid.clone(), purpose, state, since, algorithm, signer, decoding })
    }

    /// A token (RFC 7519) of that type.
    pub fn sign(&self, typ: &str, claims: &impl Serialize) -> anyhow::Result<String> {
        let kid = Some(self.kid.clone());
        self.sign_with(&Header { typ: Some(typ.to_owned()), kid, ..Header::new(self.algorithm) }, claims)
    }

    /// # Errors
    /// Also if the header names another algorithm.
    pub(in crate::auth) fn sign_with(&self, header: &Header, claims: &impl Serialize) -> anyhow::Result<String> {
        anyhow::ensure!(header.alg == self.algorithm, "{:?} cannot sign for {:?}", self.algorithm, header.alg);
        self.signer.token(header, claims)
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
    /// That of the current refresh key first.
    request_seals: Vec<RequestSeal>,
    pub verified: Verified,
    /// The keys of this database, also those that are no longer in use.
    pub remembered: Arc<Remembered>,
}

impl Keys {
    pub fn new(set: &KeySet, remembered: Arc<Remembered>) -> anyhow::Result<Self> {
        let keys: Vec<_> = set.keys().iter().map(Key::new).collect::<anyhow::Result<_>>()?;
        let current = |purpose| {
            let place = keys.iter().position(|key| (key.purpose, key.state) == (purpose, State::Current));
            place.with_context(|| format!("no current key with purpose {purpose}"))
        };
        let (access, refresh) = (current(Purpose::Access)?, current(Purpose::Refresh)?);
        let public: Vec<_> = set.keys().iter().filter_map(sc_auth_contract::keys::Key::to_public_jwk).collect();
        let published = serde_json::json!({"keys": public}).to_string();
        let etag = etag(&published);
        let request_seals = request_seals(set);
        let symmetric = set.keys().iter().filter_map(|key| match &key.material {
            Material::HS256(secret) => Some(Seal::new(&key.kid, secret)),
            _ => None,
        });
        let seals = symmetric.collect::<anyhow::Result<_>>()?;
        remembered.extend(keys.iter().map(|key| key.kid.clone()));
        let verified = Verified::default();
        Ok(Self { all: keys, access, refresh, published, etag, seals, request_seals, verified, remembered })
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

    /// Seals the content of a form, which only the same browser can send back.
    pub fn seal_request(&self, text: &str, bound_to: &str, rng: &mut impl CryptoRng) -> anyhow::Result<String> {
        self.request_seals.first().context("no current refresh key")?.seal(text, bound_to, rng)
    }

    /// Opens it, also under a key that no longer signs.
    pub fn open_request(&self, sealed: &str, bound_to: &str) -> Option<String> {
        self.request_seals.iter().find_map(|seal| seal.open(sealed, bound_to))
    }

    /// One for each refresh key.
    pub fn seals(&self) -> &[Seal] {
        &self.seals
    }
}

fn request_seals(set: &KeySet) -> Vec<RequestSeal> {
    let mut keys: Vec<_> = set.keys().iter().filter(|key| key.purpose == Purpose::Refresh).collect();
    keys.sort_by_key(|key| key.state != State::Current);
    let seals = keys.into_iter().filter_map(|key| match &key.material {
        Material::HS256(secret) => Some(RequestSeal::new(&key.kid, secret)),
        _ => None,
    });
    seals.collect()
}

/// The keys of a file, read again when it changes.
pub struct KeyRing {
    path: PathBuf,
    keys: RwLock<Arc<Keys>>,
    /// The digest of the last content that was loaded.
    seen: Mutex<[u8; 32]>,
}

/// The content of the file.
pub(in crate::auth) struct Content {
    pub text: SecretString,
    /// Whether all users of the machine can read it.
    is_open: bool,
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
        let content = match open(path) {
            Ok(content) => content,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                Content { text: generate(path, now, rng)?, is_open: false }
            }
            Err(error) => {
                return Err(error).with_context(|| format!("SC_AUTH_KEYS_FILE: {} cannot be read", path.display()));
            }
        };
        warn_if_open(path, content.is_open);
        let keys = read(path, &content.text, Arc::default())?;
        let seen = Mutex::new(Sha256::digest(content.text.expose_secret()).into());
        Ok(Self { path: path.to_owned(), keys: RwLock::new(Arc::new(keys)), seen })
    }

    /// The current keys. Call it once per request, so that the whole request uses the same keys.
    pub fn get(&self) -> Arc<Keys> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Loads the keys if the file has changed.
    pub async fn reload(self: &Arc<Self>) -> Reload {
        let ring = Arc::clone(self);
        match beside_requests(move || ring.reload_here()).await {
            Ok(reload) => reload,
            Err(error) => Reload::Broken(error.into()),
        }
    }

    fn reload_here(&self) -> Reload {
        let content = match open(&self.path) {
            Ok(content) => content,
            Err(error) => {
                let error = anyhow::Error::new(error);
                return Reload::Broken(error.context(format!("{} cannot be read", self.path.display())));
            }
        };
        let digest: [u8; 32] = Sha256::digest(content.text.expose_secret()).into();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if *seen == digest {
            return Reload::Unchanged;
        }
        match read(&self.path, &content.text, Arc::clone(&self.get().remembered)) {
            Ok(keys) => {
                warn_if_open(&self.path, content.is_open);
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
    match open(path) {
        Ok(content) => read(path, &content.text, Arc::default()).map(|_| ()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error).with_context(|| format!("SC_AUTH_KEYS_FILE: {} cannot be read", path.display())),
    }
}

/// The ETag of published keys (RFC 9110, 8.8.3).
pub fn etag(published: &str) -> String {
    format!("\"{}\"", sha256(published))
}

pub(in crate::auth) fn open(path: &Path) -> std::io::Result<Content> {
    let (text, metadata) = read_regular(path, MAX_BYTES)?;
    Ok(Content { text: text.into(), is_open: others_can_read(path, &metadata) })
}

pub(in crate::auth) fn warn_if_open(path: &Path, is_open: bool) {
    if is_open {
        tracing::warn!(
            path = %path.display(),
            "all users of this machine can read the keys file, and with it sign tokens; to prevent that, run \
             `chmod 600` on it, and then rotate the keys"
        );
    }
}

fn read(path: &Path, content: &SecretString, remembered: Arc<Remembered>) -> anyhow::Result<Keys> {
    KeySet::parse(content)
        .map_err(anyhow::Error::new)
        .and_then(|set| Keys::new(&set, remembered))
        .with_context(|| format!("SC_AUTH_KEYS_FILE: {} cannot be used", path.display()))
}

fn generate(path: &Path, now: UnixTime, rng: &mut impl CryptoRng) -> anyhow::Result<SecretString> {
    let content = KeySet::generate(sc_auth_contract::keys::Algorithm::default(), now, rng)?.to_json()?;
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
