//! The file of declared clients, read again when it changes. A missing or invalid file changes nothing, so that a mistake
//! refuses no client.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use sc_auth_contract::declared::{Declared, DeclaredError};
use sc_auth_contract::status::DeclaredStatus;
use sha2::{Digest as _, Sha256};

use crate::files::{MAX_BYTES, beside_requests, read_regular};
use crate::logging;

/// The file, and what it contained when it was last valid.
pub struct DeclaredFile {
    path: PathBuf,
    current: RwLock<Option<Arc<Declared>>>,
    seen: Mutex<Seen>,
}

/// What was last found.
#[derive(Default)]
struct Seen {
    /// The digest of the last content, and its problem.
    content: Option<([u8; 32], Option<String>)>,
    problem: Option<String>,
}

impl DeclaredFile {
    /// Reads the file. If it cannot be used, the server starts without clients.
    pub fn load(path: &Path) -> Self {
        let file = Self { path: path.to_owned(), current: RwLock::default(), seen: Mutex::default() };
        file.reload_here();
        file
    }

    /// The present declarations; `None` if there were none yet. Call it once per request.
    pub fn get(&self) -> Option<Arc<Declared>> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn status(&self) -> DeclaredStatus {
        let problem = self.seen.lock().unwrap_or_else(PoisonError::into_inner).problem.clone();
        self.get().map_or_else(
            || DeclaredStatus { problem: problem.clone(), ..DeclaredStatus::default() },
            |declared| DeclaredStatus {
                counter: Some(declared.counter),
                clients: declared.clients.len(),
                refused: declared.refused.clone(),
                problem: problem.clone(),
            },
        )
    }

    /// Reads the file again.
    pub async fn reload(self: &Arc<Self>) {
        let file = Arc::clone(self);
        if let Err(error) = beside_requests(move || file.reload_here()).await {
            tracing::warn!(error = logging::chain(&error), "could not reload the declared clients");
        }
    }

    /// Logs each new problem once.
    fn reload_here(&self) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let problem = self.check(&mut seen);
        if let Some(problem) = problem.as_ref().filter(|problem| seen.problem.as_ref() != Some(problem)) {
            let path = self.path.display();
            let kept = if self.get().is_some() { "the previous clients" } else { "no clients" };
            tracing::error!(%path, problem, "SC_AUTH_DECLARED cannot be used; serving {kept}");
        }
        seen.problem = problem;
    }

    /// Loads the clients if the content has changed. Returns the problem of the file.
    fn check(&self, seen: &mut Seen) -> Option<String> {
        let content = match read_regular(&self.path, MAX_BYTES) {
            Ok((content, _)) => content,
            Err(error) => return Some(format!("it cannot be read: {error}")),
        };
        let digest = Sha256::digest(&content).into();
        if let Some((_, problem)) = seen.content.as_ref().filter(|(known, _)| *known == digest) {
            return problem.clone();
        }
        let problem = self.replace(&content).err().map(|error| error.to_string());
        seen.content = Some((digest, problem.clone()));
        problem
    }

    fn replace(&self, content: &str) -> Result<(), DeclaredError> {
        let declared = Declared::parse(content)?;
        log(&declared);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(declared));
        Ok(())
    }
}

fn log(declared: &Declared) {
    tracing::info!(counter = declared.counter, clients = declared.clients.len(), "loaded the declared clients");
    for refused in &declared.refused {
        tracing::warn!(client = refused.client, problem = refused.problem, "a declared client is refused");
    }
    for warning in &declared.warnings {
        tracing::warn!(warning, "a member of the declared clients has no effect");
    }
}
