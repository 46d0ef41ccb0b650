//! The keys that sign for applications: a file beside the keys file, which may change at any time.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use anyhow::Context as _;
use rand::CryptoRng;
use sc_auth_contract::keys::{Algorithm, OidcKeySet, State};
use sc_auth_contract::places::OIDC_KEYS_FILE;
use sc_auth_contract::status::OidcKeyStatus;
use sc_auth_contract::time::UnixTime;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};

use crate::auth::keys::{Key, create, etag, open, warn_if_open};
use crate::files::beside_requests;
use crate::logging;

/// The keys of one content of the file.
pub struct OidcKeys {
    all: Vec<Key>,
    /// The body of `/oauth2/jwks` (RFC 7517), and its ETag.
    pub published: String,
    pub etag: String,
}

impl OidcKeys {
    pub fn new(set: &OidcKeySet) -> anyhow::Result<Self> {
        let all = set.keys().iter().map(Key::new).collect::<anyhow::Result<_>>()?;
        let public: Vec<_> = set.keys().iter().filter_map(sc_auth_contract::keys::Key::to_public_jwk).collect();
        let published = serde_json::json!({"keys": public}).to_string();
        let etag = etag(&published);
        Ok(Self { all, published, etag })
    }

    /// The key that signs with this algorithm now.
    ///
    /// # Errors
    /// If there is none.
    pub fn signing(&self, algorithm: Algorithm) -> anyhow::Result<&Key> {
        let name = algorithm.to_string();
        let is_it = |key: &&Key| key.state == State::Current && format!("{:?}", key.algorithm) == name;
        self.all.iter().find(is_it).with_context(|| format!("no current key for {algorithm}"))
    }

    /// The keys without their secrets.
    pub fn status(&self) -> Vec<OidcKeyStatus> {
        let status = |key: &Key| OidcKeyStatus {
            kid: key.kid.clone(),
            algorithm: format!("{:?}", key.algorithm),
            state: key.state.into(),
            since: key.since,
        };
        self.all.iter().map(status).collect()
    }

    /// Any key that verifies, also one that does not sign yet.
    pub fn find(&self, kid: &str) -> Option<&Key> {
        self.all.iter().find(|key| key.kid == kid)
    }
}

/// The file, read again when it changes.
pub struct OidcKeyRing {
    path: PathBuf,
    keys: RwLock<Option<Arc<OidcKeys>>>,
    seen: Mutex<Seen>,
}

/// What was last found.
#[derive(Default)]
struct Seen {
    /// The digest of the content.
    digest: [u8; 32],
    is_broken: bool,
}

impl OidcKeyRing {
    /// Reads the file beside the keys file, or creates it. Where that is impossible, as in a pod whose Secret has none, the
    /// server starts without these keys, since the rest of the API does not need them.
    pub fn load(keys_file: &Path, now: UnixTime, rng: &mut impl CryptoRng) -> Self {
        let path = keys_file.with_file_name(OIDC_KEYS_FILE);
        if let Err(error) = create_missing(&path, now, rng) {
            tracing::error!(error = logging::chain(error.as_ref()), "could not create the keys of OpenID Connect");
        }
        let loaded = Self { path, keys: RwLock::default(), seen: Mutex::default() };
        loaded.reload_here();
        loaded
    }

    /// The current keys; `None` if none could be read yet. Call it once per request.
    pub fn get(&self) -> Option<Arc<OidcKeys>> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads the file again. If it is missing or invalid, the previous keys stay in use.
    pub async fn reload(self: &Arc<Self>) {
        let ring = Arc::clone(self);
        if let Err(error) = beside_requests(move || ring.reload_here()).await {
            tracing::warn!(error = logging::chain(&error), "could not reload the keys of OpenID Connect");
        }
    }

    fn reload_here(&self) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match self.read(seen.digest) {
            Ok(None) => seen.is_broken = false,
            Ok(Some((digest, keys))) => {
                tracing::info!(path = %self.path.display(), keys = keys.all.len(), "loaded the keys of OpenID Connect");
                *seen = Seen { digest, is_broken: false };
                *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(keys));
            }
            Err(error) => {
                if !seen.is_broken {
                    let error = logging::chain(error.as_ref());
                    tracing::error!(error, "cannot use the keys of OpenID Connect; keeping the previous ones");
                }
                seen.is_broken = true;
            }
        }
    }

    /// `None` if the content has not changed.
    fn read(&self, known: [u8; 32]) -> anyhow::Result<Option<([u8; 32], OidcKeys)>> {
        let content = open(&self.path).with_context(|| format!("{} cannot be read", self.path.display()))?;
        let digest: [u8; 32] = Sha256::digest(content.text.expose_secret()).into();
        if digest == known {
            return Ok(None);
        }
        warn_if_open(&self.path, &content);
        Ok(Some((digest, parse(&content.text).with_context(|| format!("{} cannot be used", self.path.display()))?)))
    }
}

/// # Errors
/// If the file beside the keys file exists and cannot be used.
pub fn check(keys_file: &Path) -> anyhow::Result<()> {
    let path = keys_file.with_file_name(OIDC_KEYS_FILE);
    match open(&path) {
        Ok(content) => parse(&content.text).map(|_| ()).with_context(|| format!("{} cannot be used", path.display())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error).with_context(|| format!("{} cannot be read", path.display())),
    }
}

fn parse(content: &SecretString) -> anyhow::Result<OidcKeys> {
    OidcKeys::new(&OidcKeySet::parse(content)?)
}

fn create_missing(path: &Path, now: UnixTime, rng: &mut impl CryptoRng) -> anyhow::Result<()> {
    if path.exists() {
        return Ok(());
    }
    let content = OidcKeySet::generate(now, rng)?.to_json()?;
    match create(path, &content) {
        // Another server was faster.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        result => result.with_context(|| format!("{} cannot be written", path.display())),
    }
}
