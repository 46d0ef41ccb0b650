//! The file of an embedded database. SQLite goes on with a file that was removed or replaced, and whatever it writes
//! there is lost at the next start.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::{Database, StoreError};

/// The file as it was when the server opened it; none for a database server and for a database in memory.
#[derive(Debug, Clone, Default)]
pub(super) struct SameFile(Option<(PathBuf, FileId)>);

/// Device and inode.
type FileId = (u64, u64);

impl SameFile {
    /// Called once the file exists.
    pub fn of(database: &Database) -> Self {
        Self(database.file().and_then(|path| id(&path).map(|id| (path, id))))
    }

    /// # Errors
    /// [`StoreError::Unavailable`] where another file, or none, is in its place.
    pub fn check(&self) -> Result<(), StoreError> {
        let Some((path, opened)) = &self.0 else { return Ok(()) };
        let problem = match id(path) {
            Some(found) if found == *opened => return Ok(()),
            Some(_) => "the database file was replaced while it was in use; restart the server",
            None => "the database file was removed while it was in use",
        };
        Err(StoreError::Unavailable(sqlx::Error::Io(std::io::Error::other(problem))))
    }
}

fn id(path: &Path) -> Option<FileId> {
    std::fs::metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()))
}
