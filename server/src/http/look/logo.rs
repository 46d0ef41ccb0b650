//! The logo: a file that may change at any time. What it is, is told by its first bytes and not by its name.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use axum::body::Bytes;
use sc_auth_contract::limits::LOGO_MAX;
use sc_auth_contract::settings::LOGIN_LOGO;

use crate::reloaded::{Missing, Problem, Reloaded, Watched};

/// An image that browsers show.
pub struct Logo {
    pub media_type: &'static str,
    pub bytes: Bytes,
}

/// The file. An invalid one changes nothing; without a file, there is no logo.
pub struct LogoFile(Reloaded<Logo>);

impl LogoFile {
    pub fn load(path: PathBuf) -> Self {
        let file = Self(Reloaded::new(path, Missing::Removed));
        file.reload();
        file
    }

    pub fn get(&self) -> Option<Arc<Logo>> {
        self.0.get()
    }

    /// Why the present file is not shown.
    pub fn problem(&self) -> Option<String> {
        self.0.problem().map(|problem| self.describe(&problem))
    }

    fn describe(&self, problem: &Problem) -> String {
        format!("{}: {}: {}", LOGIN_LOGO.name, self.0.path().display(), problem.reason())
    }
}

impl Watched for LogoFile {
    const NAME: &'static str = "the logo";

    fn reload(&self) {
        let problem = self.0.check(LOGO_MAX, |bytes, _| {
            let media_type = media_type(bytes).context("it is not a PNG, JPEG or WebP image")?;
            Ok(Logo { media_type, bytes: Bytes::copy_from_slice(bytes) })
        });
        if let Some(problem) = problem {
            tracing::warn!(problem = self.describe(&problem), "the logo cannot be used");
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
        file.reload();
        assert_eq!((file.get().unwrap().media_type, file.problem()), ("image/png", None));
        for (bad, words) in [(b"text".to_vec(), "not a PNG"), (vec![0; 128 * 1024 + 1], "larger than 128 KiB")] {
            std::fs::write(&path, bad).unwrap();
            file.reload();
            assert!(file.problem().unwrap().contains(words), "{:?}", file.problem());
            assert_eq!(file.get().unwrap().bytes, PNG);
        }
        std::fs::remove_file(&path).unwrap();
        file.reload();
        assert!(file.get().is_none());
    }
}
