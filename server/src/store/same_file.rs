//! Detects that the file of an embedded database was removed or replaced. SQLite would continue to use the old file,
//! and everything that it writes there would be lost at the next start.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::error::StoreError;
use super::target::Database;

/// The file that the server opened; `None` for a database server and for an in-memory database.
#[derive(Debug, Clone, Default)]
pub(super) struct SameFile(Option<(PathBuf, FileId)>);

/// Device and inode.
type FileId = (u64, u64);

impl SameFile {
    /// Call this once the file exists.
    pub fn of(database: &Database) -> Self {
        Self(database.file().and_then(|path| id(&path).map(|id| (path, id))))
    }

    /// # Errors
    /// [`StoreError::Unavailable`] if the file was replaced or removed.
    pub fn check(&self) -> Result<(), StoreError> {
        let Some((path, opened)) = &self.0 else { return Ok(()) };
        let problem = match id(path) {
            Some(found) if found == *opened => return Ok(()),
            Some(_) => "the database file was replaced while it was in use; restart the server",
            None => "the database file was removed while it was in use",
        };
        Err(sqlx::Error::Io(std::io::Error::other(problem)).into())
    }
}

fn id(path: &Path) -> Option<FileId> {
    std::fs::metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()))
}
