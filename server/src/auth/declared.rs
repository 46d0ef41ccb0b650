//! The file of declared clients, read again when it changes. A missing or invalid file changes nothing, so that a mistake
//! refuses no client.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use sc_auth_contract::declared::{Declared, DeclaredError};
use sc_auth_contract::status::DeclaredStatus;
use sha2::{Digest as _, Sha256};

use crate::files::{MAX_BYTES, beside_requests, read_regular};
use crate::logging;

/// The most lines that the log has of one file.
const LOGGED: usize = 20;

/// The file, and what it contained when it was last valid.
pub struct DeclaredFile {
    path: PathBuf,
    /// The audiences of the server's other tokens.
    reserved: Vec<String>,
    /// Whether it may come later.
    is_optional: bool,
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
    pub fn load(path: PathBuf, is_optional: bool, reserved: Vec<String>) -> Self {
        let file = Self { path, is_optional, reserved, current: RwLock::default(), seen: Mutex::default() };
        file.reload_here();
        file
    }

    /// The present declarations; `None` if there were none yet. Call it once per request.
    pub fn get(&self) -> Option<Arc<Declared>> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The declarations, if the present file has them: `None` while it is missing or broken.
    pub fn valid(&self) -> Option<Arc<Declared>> {
        let has_problem = self.seen.lock().unwrap_or_else(PoisonError::into_inner).problem.is_some();
        self.get().filter(|_| !has_problem)
    }

    /// Whether there is no file, and none is needed.
    pub fn is_absent(&self) -> bool {
        let has_problem = || self.seen.lock().unwrap_or_else(PoisonError::into_inner).problem.is_some();
        self.is_optional && self.get().is_none() && !has_problem()
    }

    pub fn status(&self) -> DeclaredStatus {
        let problem = self.seen.lock().unwrap_or_else(PoisonError::into_inner).problem.clone();
        self.get().map_or_else(
            || DeclaredStatus { problem: problem.clone(), ..DeclaredStatus::default() },
            |declared| DeclaredStatus {
                counter: Some(declared.counter),
                clients: declared.clients.len(),
                revisions: declared.clients.iter().map(|client| (client.key(), client.counter)).collect(),
                refused: declared.refused.clone(),
                more_refused: declared.more_refused,
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
            Err(error) if error.kind() == ErrorKind::NotFound && self.is_optional && self.get().is_none() => {
                return None;
            }
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
        let mut declared = Declared::parse(content)?;
        declared.reserve_audiences(&self.reserved);
        log(&declared);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(declared));
        Ok(())
    }
}

fn log(declared: &Declared) {
    tracing::info!(counter = declared.counter, clients = declared.clients.len(), "loaded the declared clients");
    for refused in declared.refused.iter().take(LOGGED) {
        tracing::warn!(client = refused.client, problem = refused.problem, "a declared client is refused");
    }
    for warning in declared.warnings.iter().take(LOGGED) {
        tracing::warn!(warning, "a member of the declared clients has no effect");
    }
    let more = |listed: usize, more: usize| listed.saturating_sub(LOGGED) + more;
    let refused = more(declared.refused.len(), declared.more_refused);
    let warnings = more(declared.warnings.len(), declared.more_warnings);
    if refused + warnings > 0 {
        tracing::warn!(refused, warnings, "there is more; `declared check` lists it");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_optional_file_may_come_later() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("declared.json");
        let file = DeclaredFile::load(path.clone(), true, Vec::new());
        let state = |content: Option<&str>| {
            match content {
                Some(content) => std::fs::write(&path, content).unwrap(),
                None => std::fs::remove_file(&path).unwrap(),
            }
            file.reload_here();
            (file.is_absent(), file.valid().is_some())
        };
        assert!(file.is_absent() && file.status().problem.is_none());
        assert_eq!(state(Some("{")), (false, false));
        assert_eq!(state(None), (true, false));
        assert_eq!(state(Some(r#"{"version": 1, "clients": []}"#)), (false, true));
        assert_eq!(state(None), (false, false), "the clients stay");
        assert!(file.get().is_some() && file.status().problem.is_some());
        assert!(!DeclaredFile::load(path.clone(), false, Vec::new()).is_absent());
    }
}
