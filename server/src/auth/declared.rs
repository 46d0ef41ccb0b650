//! The file of declared clients, read again when it changes. A missing or invalid file changes nothing, so that a mistake
//! refuses no client.

use std::path::PathBuf;
use std::sync::Arc;

use sc_auth_contract::declared::Declared;
use sc_auth_contract::status::DeclaredStatus;

use crate::files::MAX_BYTES;
use crate::reloaded::{Missing, Problem, Reloaded, Watched};

/// The most lines that the log has of one file.
const LOGGED: usize = 20;
/// The most refused clients in `/status`, which is bounded: the operator reads a part of it into conditions.
const REPORTED: usize = 20;

/// The file.
pub struct DeclaredFile {
    file: Reloaded<Declared>,
    /// The audiences of the server's other tokens.
    reserved: Vec<String>,
    is_in_pod: bool,
}

impl DeclaredFile {
    /// Reads the file. If it cannot be used, the server starts without clients.
    pub fn load(path: PathBuf, missing: Missing, is_in_pod: bool, reserved: Vec<String>) -> Self {
        let file = Self { file: Reloaded::new(path, missing), reserved, is_in_pod };
        file.reload();
        file
    }

    /// The present declarations; `None` if there were none yet. Call it once per request.
    pub fn get(&self) -> Option<Arc<Declared>> {
        self.file.get()
    }

    /// The declarations, if the present file has them: `None` while it is missing or broken.
    pub fn valid(&self) -> Option<Arc<Declared>> {
        self.get().filter(|_| self.file.problem().is_none())
    }

    /// Whether there has been no file yet, and none is needed.
    pub fn is_awaited(&self) -> bool {
        self.file.is_awaited()
    }

    pub fn status(&self) -> DeclaredStatus {
        let problem = self.file.problem().as_ref().map(describe);
        self.get().map_or_else(
            || DeclaredStatus { problem: problem.clone(), ..DeclaredStatus::default() },
            |declared| DeclaredStatus {
                counter: Some(declared.counter),
                clients: declared.clients.len(),
                revisions: declared.clients.iter().map(|client| (client.key(), client.counter)).collect(),
                refused: declared.refused.iter().take(REPORTED).cloned().collect(),
                more_refused: declared.refused.len().saturating_sub(REPORTED) + declared.more_refused,
                problem: problem.clone(),
            },
        )
    }
}

impl Watched for DeclaredFile {
    const NAME: &'static str = "the declared clients";

    fn reload(&self) {
        let problem = self.file.check(MAX_BYTES, |bytes, _| {
            let mut declared = Declared::parse(std::str::from_utf8(bytes)?)?;
            declared.reserve_audiences(&self.reserved);
            if self.is_in_pod {
                declared.refuse_own_machine();
            }
            log(&declared);
            Ok(declared)
        });
        if let Some(problem) = problem {
            let path = self.file.path().display();
            let kept = if self.get().is_some() { "the previous clients" } else { "no clients" };
            tracing::error!(%path, problem = describe(&problem), "SC_AUTH_DECLARED cannot be used; serving {kept}");
        }
    }
}

fn describe(problem: &Problem) -> String {
    match problem {
        Problem::Unreadable(reason) => format!("it cannot be read: {reason}"),
        Problem::Invalid(reason) => reason.clone(),
    }
}

fn log(declared: &Declared) {
    tracing::info!(counter = declared.counter, clients = declared.clients.len(), "loaded the declared clients");
    for refused in declared.refused.iter().take(LOGGED) {
        tracing::warn!(client = refused.client, problem = refused.problem, "a declared client is refused");
    }
    for warning in declared.warnings.iter().take(LOGGED) {
        tracing::warn!(warning, "a declaration of a client may not mean what it says");
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
        let file = DeclaredFile::load(path.clone(), Missing::NotYet, true, Vec::new());
        let state = |content: Option<&str>| {
            match content {
                Some(content) => std::fs::write(&path, content).unwrap(),
                None => std::fs::remove_file(&path).unwrap(),
            }
            file.reload();
            (file.is_awaited(), file.valid().is_some())
        };
        assert!(file.is_awaited() && file.status().problem.is_none());
        assert_eq!(state(Some("{")), (false, false));
        assert_eq!(state(None), (true, false));
        assert_eq!(state(Some(r#"{"version": 1, "clients": []}"#)), (false, true));
        assert_eq!(state(None), (false, false), "the clients stay");
        assert!(file.get().is_some() && file.status().problem.is_some());
        assert!(!DeclaredFile::load(path.clone(), Missing::Problem, false, Vec::new()).is_awaited());
    }
}
