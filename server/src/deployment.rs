//! The deployment file, which names the ScAuth that this server belongs to and its database. The operator writes it
//! next to the keys file. Without it, the server accepts every database.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use sc_auth_contract::deployment::{DEPLOYMENT_FILE, ScAuthRecord};
use sc_auth_contract::places;

use crate::files::MAX_BYTES;
use crate::reloaded::{Missing, Problem, Reloaded, Watched};

/// Where the operator mounts the Secret; init containers have no setting for it.
const MOUNTED: &str = places::KEYS.path;

/// The file. A missing or invalid one changes nothing, so that the expected database is not forgotten by accident.
pub struct DeploymentFile(Reloaded<ScAuthRecord>);

impl DeploymentFile {
    /// Reads the configured file; without one, the file next to the keys file, or else the one that the operator
    /// mounts.
    ///
    /// # Errors
    /// If the file cannot be used, or is configured and does not exist.
    pub fn load(set: Option<&Path>, keys_file: &Path) -> anyhow::Result<Self> {
        let path = set.map_or_else(|| beside_or_mounted(keys_file), Path::to_owned);
        let file = Self(Reloaded::new(path, Missing::Nothing));
        if let Some(problem) = file.check() {
            anyhow::bail!("SC_AUTH_DEPLOYMENT_FILE: {} {problem}", file.0.path().display());
        }
        if set.is_some() && file.get().is_none() {
            anyhow::bail!("SC_AUTH_DEPLOYMENT_FILE: {} does not exist", file.0.path().display());
        }
        Ok(file)
    }

    /// The last valid content.
    pub fn get(&self) -> Option<Arc<ScAuthRecord>> {
        self.0.get()
    }

    /// The identity, or the name, of the expected database.
    pub fn expected(&self) -> Option<String> {
        self.get().and_then(|record| record.database.clone())
    }

    fn check(&self) -> Option<Problem> {
        self.0.check(MAX_BYTES, |bytes, _| Ok(ScAuthRecord::parse(std::str::from_utf8(bytes)?)?))
    }
}

impl Watched for DeploymentFile {
    const NAME: &'static str = "the deployment file";

    fn reload(&self) {
        let before = self.get();
        if let Some(problem) = self.check() {
            let path = self.0.path().display();
            tracing::warn!(%path, problem = problem.to_string(), "could not reload the deployment file");
        }
        if let Some(record) = self.get().filter(|record| before.as_ref() != Some(record)) {
            tracing::info!(scauth = record.name, database = record.database, "reloaded the deployment file");
        }
    }
}

fn beside_or_mounted(keys_file: &Path) -> PathBuf {
    let beside = keys_file.with_file_name(DEPLOYMENT_FILE);
    let mounted = Path::new(MOUNTED).join(DEPLOYMENT_FILE);
    if !beside.exists() && mounted.exists() { mounted } else { beside }
}
