//! The deployment file, which names the ScAuth that this server belongs to and its database. The operator writes it
//! next to the keys file. Without it, the server accepts every database.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use anyhow::Context as _;
use sc_auth_contract::deployment::{DEPLOYMENT_FILE, ScAuthRecord};
use sc_auth_contract::places;

use crate::files::{MAX_BYTES, beside_requests, read_regular};

/// Where the operator mounts the Secret; init containers have no setting for it.
const MOUNTED: &str = places::KEYS.path;

/// The file, read again when it changes.
pub struct DeploymentFile {
    path: PathBuf,
    current: RwLock<Option<Arc<ScAuthRecord>>>,
}

impl DeploymentFile {
    /// Reads the configured file; without one, the file next to the keys file, or else the one that the operator
    /// mounts.
    ///
    /// # Errors
    /// If the file cannot be used, or is configured and does not exist.
    pub fn load(set: Option<&Path>, keys_file: &Path) -> anyhow::Result<Self> {
        let path = set.map_or_else(|| beside_or_mounted(keys_file), Path::to_owned);
        let record = read(&path)?;
        if set.is_some() && record.is_none() {
            anyhow::bail!("SC_AUTH_DEPLOYMENT_FILE: {} does not exist", path.display());
        }
        Ok(Self { path, current: RwLock::new(record.map(Arc::new)) })
    }

    /// The content that was last read.
    pub fn get(&self) -> Option<Arc<ScAuthRecord>> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The identity, or the name, of the expected database.
    pub fn expected(&self) -> Option<String> {
        self.get().and_then(|record| record.database.clone())
    }

    /// Reads the file again. A missing or invalid file changes nothing, so that the expected database is not forgotten
    /// by accident.
    pub async fn reload(self: &Arc<Self>) {
        let file = Arc::clone(self);
        if let Err(error) = beside_requests(move || file.reload_here()).await {
            tracing::warn!(error = crate::logging::chain(&error), "could not reload the deployment file");
        }
    }

    fn reload_here(&self) {
        match read(&self.path) {
            Ok(Some(record)) => {
                let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
                if current.as_deref() != Some(&record) {
                    tracing::info!(scauth = record.name, database = record.database, "reloaded the deployment file");
                    *current = Some(Arc::new(record));
                }
            }
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(error = crate::logging::chain(error.as_ref()), "could not reload the deployment file");
            }
        }
    }
}

fn beside_or_mounted(keys_file: &Path) -> PathBuf {
    let beside = keys_file.with_file_name(DEPLOYMENT_FILE);
    let mounted = Path::new(MOUNTED).join(DEPLOYMENT_FILE);
    if !beside.exists() && mounted.exists() { mounted } else { beside }
}

fn read(path: &Path) -> anyhow::Result<Option<ScAuthRecord>> {
    match read_regular(path, MAX_BYTES) {
        Ok((content, _)) => ScAuthRecord::parse(&content)
            .map(Some)
            .with_context(|| format!("SC_AUTH_DEPLOYMENT_FILE: {} cannot be used", path.display())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("SC_AUTH_DEPLOYMENT_FILE: {} cannot be read", path.display())),
    }
}
