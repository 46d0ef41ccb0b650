//! Files that hold secrets.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// Makes a new file that only its owner can read; never over an existing one.
pub fn create_private(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// The `id` of the Secret that is mounted in a folder; `None` where it has none, or is gone.
pub fn secret_id(folder: &Path) -> Option<String> {
    let id = std::fs::read_to_string(folder.join("id")).ok()?;
    Some(id.trim().to_owned()).filter(|id| !id.is_empty() && id.len() <= 64)
}
