//! Files that are read again when they change.

use std::fmt;
use std::fs::Metadata;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretSlice};
use sha2::{Digest as _, Sha256};

use crate::files::{beside_requests, read_bytes};
use crate::logging;

/// A file that the server watches.
pub trait Watched: Send + Sync + 'static {
    /// Names the file in the log.
    const NAME: &'static str;

    /// Reads the file, and logs what is new.
    fn reload(&self);
}

/// Reloads a file for as long as the server runs.
pub async fn watch<W: Watched>(file: Arc<W>, every: Duration) {
    loop {
        tokio::time::sleep(every).await;
        reload(&file).await;
    }
}

/// Reloads a file, beside the requests.
pub async fn reload<W: Watched>(file: &Arc<W>) {
    let watched = Arc::clone(file);
    if let Err(error) = beside_requests(move || watched.reload()).await {
        tracing::warn!(error = logging::chain(&error), "could not reload {}", W::NAME);
    }
}

/// A file, and its last valid content.
pub struct Reloaded<T> {
    path: PathBuf,
    missing: Missing,
    current: RwLock<Option<Arc<T>>>,
    /// The last content. Locked while the file is read.
    content: Mutex<Option<Content>>,
    /// The problem of the present file. Never locked for long, since requests ask for it.
    problem: RwLock<Option<Problem>>,
}

/// The digest of a content, and its problem.
type Content = ([u8; 32], Option<Problem>);

/// What a missing file means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// A problem. The last valid content stays in use.
    Problem,
    /// Nothing before it was valid once, since somebody else creates it. Then it is a problem.
    NotYet,
    /// Nothing. The last valid content stays in use.
    Nothing,
    /// A problem. The last valid content is no longer used.
    Removed,
}

/// Why a file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    Unreadable(String),
    Invalid(String),
}

impl Problem {
    /// The problem itself.
    pub fn reason(&self) -> &str {
        match self {
            Self::Unreadable(reason) | Self::Invalid(reason) => reason,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(reason) => write!(f, "cannot be read: {reason}"),
            Self::Invalid(reason) => write!(f, "cannot be used: {reason}"),
        }
    }
}

impl<T> Reloaded<T> {
    /// Without content until the first [`Self::check`].
    pub fn new(path: PathBuf, missing: Missing) -> Self {
        Self { path, missing, current: RwLock::default(), content: Mutex::default(), problem: RwLock::default() }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The last valid content; `None` if there was none yet. Call it once per request.
    pub fn get(&self) -> Option<Arc<T>> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The problem of the present file.
    pub fn problem(&self) -> Option<Problem> {
        self.problem.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether there has been no file yet, which is no problem.
    pub fn is_awaited(&self) -> bool {
        self.missing == Missing::NotYet && self.get().is_none() && self.problem().is_none()
    }

    /// Loads the file if its content has changed. Invalid content changes nothing. Returns a problem only if it is new, so
    /// that it is logged once.
    pub fn check(&self, max_bytes: u64, parse: impl FnOnce(&[u8], &Metadata) -> anyhow::Result<T>) -> Option<Problem> {
        let mut last = self.content.lock().unwrap_or_else(PoisonError::into_inner);
        let problem = match read_bytes(&self.path, max_bytes) {
            Ok((bytes, metadata)) => self.take(&mut last, &bytes.into(), &metadata, parse),
            Err(error) => self.unreadable(&mut last, &error),
        };
        let mut known = self.problem.write().unwrap_or_else(PoisonError::into_inner);
        let is_new = problem != *known;
        known.clone_from(&problem);
        problem.filter(|_| is_new)
    }

    fn take(
        &self,
        last: &mut Option<Content>,
        bytes: &SecretSlice<u8>,
        metadata: &Metadata,
        parse: impl FnOnce(&[u8], &Metadata) -> anyhow::Result<T>,
    ) -> Option<Problem> {
        let digest = Sha256::digest(bytes.expose_secret()).into();
        if let Some((_, problem)) = last.as_ref().filter(|(known, _)| *known == digest) {
            return problem.clone();
        }
        let problem = match parse(bytes.expose_secret(), metadata) {
            Ok(content) => {
                self.set(Some(Arc::new(content)));
                None
            }
            Err(error) => Some(Problem::Invalid(logging::chain(error.as_ref()))),
        };
        *last = Some((digest, problem.clone()));
        problem
    }

    fn unreadable(&self, last: &mut Option<Content>, error: &std::io::Error) -> Option<Problem> {
        if error.kind() == ErrorKind::NotFound {
            match self.missing {
                Missing::Nothing => return None,
                Missing::NotYet if self.get().is_none() => return None,
                Missing::Removed => {
                    *last = None;
                    self.set(None);
                }
                Missing::NotYet | Missing::Problem => {}
            }
        }
        Some(Problem::Unreadable(error.to_string()))
    }

    fn set(&self, content: Option<Arc<T>>) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = content;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of one number.
    struct Number {
        folder: tempfile::TempDir,
        file: Reloaded<u8>,
    }

    impl Number {
        fn new(missing: Missing) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let file = Reloaded::new(folder.path().join("number"), missing);
            Self { folder, file }
        }

        /// Writes or removes the file. Returns the content in use, the new problem, and whether there is a problem.
        fn with(&self, text: Option<&str>) -> (Option<u8>, Option<String>, bool) {
            let path = self.folder.path().join("number");
            match text {
                Some(text) => std::fs::write(path, text).unwrap(),
                None => drop(std::fs::remove_file(path)),
            }
            let problem = self.file.check(10, |bytes, _| Ok(std::str::from_utf8(bytes)?.parse()?));
            let problem = problem.map(|problem| problem.to_string());
            (self.file.get().as_deref().copied(), problem, self.file.problem().is_some())
        }
    }

    #[test]
    fn invalid_content_changes_nothing_and_is_reported_once() {
        let number = Number::new(Missing::Problem);
        let invalid = "cannot be used: invalid digit found in string";
        assert_eq!(number.with(Some("x")), (None, Some(invalid.to_owned()), true));
        assert_eq!(number.with(Some("x")), (None, None, true));
        assert_eq!(number.with(Some("1")), (Some(1), None, false));
        assert_eq!(number.with(Some("y")), (Some(1), Some(invalid.to_owned()), true));
        assert_eq!(number.with(Some("2")), (Some(2), None, false));
        let large = "cannot be read: it is larger than 0 KiB";
        assert_eq!(number.with(Some("12345678901")), (Some(2), Some(large.to_owned()), true));
        assert_eq!(number.with(Some("2")), (Some(2), None, false));
    }

    #[test]
    fn unchanged_content_is_not_loaded_again() {
        let number = Number::new(Missing::Problem);
        number.with(Some("1"));
        let loaded = number.file.get().unwrap();
        number.with(Some("1"));
        assert!(Arc::ptr_eq(&loaded, &number.file.get().unwrap()));
    }

    #[test]
    fn a_missing_file_means_what_its_owner_says() {
        let states = |missing| {
            let number = Number::new(missing);
            let (first, _, is_problem) = number.with(None);
            let is_awaited = number.file.is_awaited();
            number.with(Some("1"));
            let (after, _, is_problem_now) = number.with(None);
            assert_eq!((first, number.file.is_awaited()), (None, false));
            assert_eq!(number.with(Some("1")).0, Some(1), "it returns");
            (is_problem, is_awaited, after, is_problem_now)
        };
        assert_eq!(states(Missing::Problem), (true, false, Some(1), true));
        assert_eq!(states(Missing::NotYet), (false, true, Some(1), true));
        assert_eq!(states(Missing::Nothing), (false, false, Some(1), false));
        assert_eq!(states(Missing::Removed), (true, false, None, true));
    }
}
