//! The keys that sign for applications: a file beside the keys file, which may change at any time.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use jsonwebtoken::Algorithm;
use rand::CryptoRng;
use sc_auth_contract::declared::IdTokenAlgorithm;
use sc_auth_contract::keys::{OidcKeySet, State};
use sc_auth_contract::places::OIDC_KEYS_FILE;
use sc_auth_contract::status::OidcKeyStatus;
use sc_auth_contract::time::UnixTime;
use secrecy::SecretString;

use crate::auth::keys::{Key, create, etag, open, warn_if_open};
use crate::files::{MAX_BYTES, others_can_read};
use crate::logging;
use crate::reloaded::{Missing, Problem, Reloaded, Watched};

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

/// The file.
pub struct OidcKeyRing(Reloaded<OidcKeys>);

impl OidcKeyRing {
    /// Reads the file beside the keys file, or creates it if it `creates` one. Without it, the server starts all the same,
    /// since the rest of the API does not need these keys.
    pub fn load(keys_file: &Path, creates: bool, now: UnixTime, rng: &mut impl CryptoRng) -> Self {
        let path = keys_file.with_file_name(OIDC_KEYS_FILE);
        let result = if creates { create_missing(&path, now, rng) } else { Ok(()) };
        let missing = if creates { Missing::Problem } else { Missing::NotYet };
        let loaded = Self(Reloaded::new(path, missing));
        match result {
            Ok(()) => loaded.reload(),
            Err(error) => {
                loaded.log(&logging::chain(error.as_ref()));
                // Now the missing file is known: the next check does not log the same problem again.
                loaded.check();
            }
        }
        loaded
    }

    /// The current keys; `None` if none could be loaded yet. Call it once per request.
    pub fn get(&self) -> Option<Arc<OidcKeys>> {
        self.0.get()
    }

    fn check(&self) -> Option<Problem> {
        let path = self.0.path();
        self.0.check(MAX_BYTES, |bytes, metadata| {
            warn_if_open(path, others_can_read(path, metadata));
            let keys = parse(&std::str::from_utf8(bytes)?.to_owned().into())?;
            tracing::info!(path = %path.display(), keys = keys.all.len(), "loaded the keys of OpenID Connect");
            Ok(keys)
        })
    }

    fn log(&self, error: &str) {
        if self.get().is_some() {
            tracing::error!(error, "cannot use the keys of OpenID Connect; keeping the previous ones");
        } else {
            tracing::error!(error, "cannot use the keys of OpenID Connect; its endpoints answer 503 until then");
        }
    }
}

impl Watched for OidcKeyRing {
    const NAME: &'static str = "the keys of OpenID Connect";

    fn reload(&self) {
        if let Some(problem) = self.check() {
            self.log(&format!("{} {problem}", self.0.path().display()));
        }
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
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn keys_of_somebody_else_may_come_later() {
        let (folder, now, rng) = (tempfile::tempdir().unwrap(), UnixTime::from_seconds(1), &mut rand::rng());
        let path = folder.path().join(OIDC_KEYS_FILE);
        let loaded = OidcKeyRing::load(&folder.path().join("keys.json"), false, now, rng);
        assert!(loaded.get().is_none() && loaded.0.is_awaited() && !path.exists());
        std::fs::write(&path, OidcKeySet::generate(now, rng).unwrap().to_json().unwrap().expose_secret()).unwrap();
        loaded.reload();
        assert!(loaded.get().is_some());
        std::fs::remove_file(&path).unwrap();
        loaded.reload();
        assert!(loaded.get().is_some() && loaded.0.problem().is_some(), "they are missed once they were there");
    }

    #[test]
    fn a_file_that_cannot_be_created_leaves_the_server_without_these_keys() {
        let ring =
            OidcKeyRing::load(Path::new("/proc/sc-auth-keys.json"), true, UnixTime::from_seconds(1), &mut rand::rng());
        assert!(ring.get().is_none());
        assert!(matches!(ring.0.problem(), Some(Problem::Unreadable(_))));
    }
}
