//! The keys that sign for applications: a file beside the keys file, which may change at any time.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use anyhow::Context as _;
use jsonwebtoken::Algorithm;
use rand::CryptoRng;
use sc_auth_contract::declared::IdTokenAlgorithm;
use sc_auth_contract::keys::{OidcKeySet, State};
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
    /// The places of the current keys.
    rs256: usize,
    es256: usize,
    /// The body of `/oauth2/jwks` (RFC 7517), and its ETag.
    pub published: String,
    pub etag: String,
}

impl OidcKeys {
    /// # Errors
    /// If an algorithm has no current key, which the parser of the file refuses.
    pub fn new(set: &OidcKeySet) -> anyhow::Result<Self> {
        let all: Vec<_> = set.keys().iter().map(Key::new).collect::<anyhow::Result<_>>()?;
        let current = |algorithm| {
            let place = all.iter().position(|key| (key.algorithm, key.state) == (algorithm, State::Current));
            place.with_context(|| format!("no current key for {algorithm:?}"))
        };
        let (rs256, es256) = (current(Algorithm::RS256)?, current(Algorithm::ES256)?);
        let public: Vec<_> = set.keys().iter().filter_map(sc_auth_contract::keys::Key::to_public_jwk).collect();
        let published = serde_json::json!({"keys": public}).to_string();
        let etag = etag(&published);
        Ok(Self { all, rs256, es256, published, etag })
    }

    /// The key that signs with this algorithm now.
    pub fn signing(&self, algorithm: IdTokenAlgorithm) -> &Key {
        match algorithm {
            IdTokenAlgorithm::RS256 => &self.all[self.rs256],
            IdTokenAlgorithm::ES256 => &self.all[self.es256],
        }
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
    /// Whether somebody else creates the file.
    comes_later: bool,
    keys: RwLock<Option<Arc<OidcKeys>>>,
    seen: Mutex<Seen>,
}

/// What was last found.
#[derive(Default)]
struct Seen {
    /// The digest of the last content, and its problem.
    content: Option<([u8; 32], Option<String>)>,
    /// The problem that was logged last.
    problem: Option<String>,
}

impl OidcKeyRing {
    /// Reads the file beside the keys file, or creates it if it `creates` one. Without it, the server starts all the same,
    /// since the rest of the API does not need these keys.
    pub fn load(keys_file: &Path, creates: bool, now: UnixTime, rng: &mut impl CryptoRng) -> Self {
        let path = keys_file.with_file_name(OIDC_KEYS_FILE);
        let result = if creates { create_missing(&path, now, rng) } else { Ok(()) };
        let loaded = Self { path, comes_later: !creates, keys: RwLock::default(), seen: Mutex::default() };
        match result {
            Ok(()) => loaded.reload_here(),
            Err(error) => {
                loaded.log(&logging::chain(error.as_ref()));
                let mut seen = loaded.seen();
                // The next reload would log the same problem again, as a missing file.
                seen.problem = loaded.check(&mut seen);
            }
        }
        loaded
    }

    /// The current keys; `None` if none could be loaded yet. Call it once per request.
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

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Logs each new problem once.
    fn reload_here(&self) {
        let mut seen = self.seen();
        let problem = self.check(&mut seen);
        if let Some(problem) = problem.as_ref().filter(|problem| seen.problem.as_ref() != Some(problem)) {
            self.log(problem);
        }
        seen.problem = problem;
    }

    fn log(&self, error: &str) {
        if self.get().is_some() {
            tracing::error!(error, "cannot use the keys of OpenID Connect; keeping the previous ones");
        } else {
            tracing::error!(error, "cannot use the keys of OpenID Connect; its endpoints answer 503 until then");
        }
    }

    /// Loads the keys if the content has changed. Returns the problem of the file.
    fn check(&self, seen: &mut Seen) -> Option<String> {
        let content = match open(&self.path) {
            Ok(content) => content,
            Err(error) if error.kind() == ErrorKind::NotFound && self.comes_later && self.get().is_none() => {
                return None;
            }
            Err(error) => return Some(format!("{} cannot be read: {error}", self.path.display())),
        };
        let digest = Sha256::digest(content.text.expose_secret()).into();
        if let Some((_, problem)) = seen.content.as_ref().filter(|(known, _)| *known == digest) {
            return problem.clone();
        }
        warn_if_open(&self.path, &content);
        let problem = self.replace(&content.text).err();
        let problem =
            problem.map(|error| format!("{} cannot be used: {}", self.path.display(), logging::chain(error.as_ref())));
        seen.content = Some((digest, problem.clone()));
        problem
    }

    fn replace(&self, content: &SecretString) -> anyhow::Result<()> {
        let keys = OidcKeys::new(&OidcKeySet::parse(content)?)?;
        tracing::info!(path = %self.path.display(), keys = keys.all.len(), "loaded the keys of OpenID Connect");
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(keys));
        Ok(())
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
    match open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        // A file that cannot be read is a problem of its own.
        _ => return Ok(()),
    }
    let content = OidcKeySet::generate(now, rng)?.to_json()?;
    match create(path, &content) {
        // Another server was faster, or it is a link that leads nowhere.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        result => result.with_context(|| format!("{} cannot be written", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_somebody_else_may_come_later() {
        let (folder, now, rng) = (tempfile::tempdir().unwrap(), UnixTime::from_seconds(1), &mut rand::rng());
        let path = folder.path().join(OIDC_KEYS_FILE);
        let loaded = OidcKeyRing::load(&folder.path().join("keys.json"), false, now, rng);
        assert!(loaded.get().is_none() && loaded.seen().problem.is_none() && !path.exists());
        std::fs::write(&path, OidcKeySet::generate(now, rng).unwrap().to_json().unwrap().expose_secret()).unwrap();
        loaded.reload_here();
        assert!(loaded.get().is_some());
        std::fs::remove_file(&path).unwrap();
        loaded.reload_here();
        assert!(loaded.get().is_some() && loaded.seen().problem.is_some(), "they are missed once they were there");
    }

    #[test]
    fn a_file_that_cannot_be_created_leaves_the_server_without_these_keys() {
        let ring =
            OidcKeyRing::load(Path::new("/proc/sc-auth-keys.json"), true, UnixTime::from_seconds(1), &mut rand::rng());
        assert!(ring.get().is_none());
        assert!(ring.seen().problem.as_ref().is_some_and(|problem| problem.contains("cannot be read")));
    }
}
