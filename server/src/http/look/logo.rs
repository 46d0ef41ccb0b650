//! The logo: a file that may change at any time. What it is, is told by its first bytes and not by its name.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use axum::body::Bytes;
use sc_auth_contract::limits::LOGO_MAX;
use sc_auth_contract::settings::LOGIN_LOGO;

use crate::files::{beside_requests, read_bytes};
use crate::logging;

/// An image that browsers show.
pub struct Logo {
    pub media_type: &'static str,
    pub bytes: Bytes,
}

pub struct LogoFile {
    path: PathBuf,
    current: RwLock<Option<Arc<Logo>>>,
    problem: Mutex<Option<String>>,
}

impl LogoFile {
    pub fn load(path: PathBuf) -> Self {
        let file = Self { path, current: RwLock::default(), problem: Mutex::default() };
        file.reload_here();
        file
    }

    pub fn get(&self) -> Option<Arc<Logo>> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Why the present file is not shown.
    pub fn problem(&self) -> Option<String> {
        self.problem.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads the file again.
    pub async fn reload(self: &Arc<Self>) {
        let file = Arc::clone(self);
        if let Err(error) = beside_requests(move || file.reload_here()).await {
            tracing::warn!(error = logging::chain(&error), "could not reload the logo");
        }
    }

    /// A broken file changes nothing; without a file, there is no logo.
    fn reload_here(&self) {
        let problem = match read_bytes(&self.path, LOGO_MAX) {
            Ok((bytes, _)) => match media_type(&bytes) {
                Some(media_type) => {
                    self.set(Some(Logo { media_type, bytes: bytes.into() }));
                    None
                }
                None => Some("it is not a PNG, JPEG or WebP image".to_owned()),
            },
            Err(error) => {
                if error.kind() == ErrorKind::NotFound {
                    self.set(None);
                }
                Some(error.to_string())
            }
        };
        let problem = problem.map(|problem| format!("{}: {}: {problem}", LOGIN_LOGO.name, self.path.display()));
        let mut before = self.problem.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(problem) = problem.as_ref().filter(|problem| before.as_ref() != Some(*problem)) {
            tracing::warn!(problem, "the logo cannot be used");
        }
        *before = problem;
    }

    fn set(&self, logo: Option<Logo>) {
        let is_known = |known: &Logo| logo.as_ref().is_some_and(|logo| logo.bytes == known.bytes);
        if !self.get().as_deref().is_some_and(is_known) {
            *self.current.write().unwrap_or_else(PoisonError::into_inner) = logo.map(Arc::new);
        }
    }
}

/// By the signatures of the formats. SVG is none of them: it can contain scripts.
fn media_type(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, ..] => Some("image/png"),
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some("image/webp"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PNG: &[u8] = b"\x89PNG\r\n\x1a\nrest";

    #[test]
    fn the_content_tells_what_it_is() {
        for (bytes, expected) in [
            (PNG, Some("image/png")),
            (b"\xff\xd8\xff\xe0JFIF", Some("image/jpeg")),
            (b"RIFF\0\0\0\0WEBPVP8 ", Some("image/webp")),
            (b"RIFF\0\0\0\0WAVE", None),
            (b"GIF89a", None),
            (b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>", None),
            (b"<html>", None),
            (b"", None),
        ] {
            assert_eq!(media_type(bytes), expected);
        }
    }

    #[test]
    fn a_broken_file_changes_nothing_and_a_missing_one_removes_the_logo() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("logo.png");
        let file = LogoFile::load(path.clone());
        assert!(file.get().is_none() && file.problem().unwrap().contains("No such file"));
        std::fs::write(&path, PNG).unwrap();
        file.reload_here();
        assert_eq!((file.get().unwrap().media_type, file.problem()), ("image/png", None));
        for (bad, words) in [(b"text".to_vec(), "not a PNG"), (vec![0; 128 * 1024 + 1], "larger than 128 KiB")] {
            std::fs::write(&path, bad).unwrap();
            file.reload_here();
            assert!(file.problem().unwrap().contains(words), "{:?}", file.problem());
            assert_eq!(file.get().unwrap().bytes, PNG);
        }
        std::fs::remove_file(&path).unwrap();
        file.reload_here();
        assert!(file.get().is_none());
    }
}
