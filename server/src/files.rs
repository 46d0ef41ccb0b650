//! Helpers for files that contain secrets.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use sc_auth_contract::places::ADMIN_ID;

/// Creates a file that only its owner can read; fails if it exists.
pub fn create_private(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// The most symbolic links to follow, as in the kernel.
const LINKS: usize = 40;

/// The path of a file without symbolic links. They may lead to a file that does not exist yet.
pub fn real_path(mut file: PathBuf) -> PathBuf {
    if let Ok(path) = std::fs::canonicalize(&file) {
        return path;
    }
    for _ in 0..LINKS {
        let Ok(target) = std::fs::read_link(&file) else { break };
        file.pop();
        file.push(target);
    }
    let folder = file.parent().and_then(|folder| std::fs::canonicalize(folder).ok());
    match (folder, file.file_name()) {
        (Some(folder), Some(name)) => folder.join(name),
        _ => file,
    }
}

/// The `id` of the Secret that is mounted in a folder; `None` if it has no id or does not exist.
pub fn secret_id(folder: &Path) -> Option<String> {
    let id = std::fs::read_to_string(folder.join(ADMIN_ID)).ok()?;
    Some(id.trim().to_owned()).filter(|id| !id.is_empty() && id.len() <= 64)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_are_followed_whether_the_file_exists_or_not() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let (links, data) = (root.join("links"), root.join("data"));
        std::fs::create_dir(&links).unwrap();
        std::fs::create_dir(&data).unwrap();
        symlink(&data, root.join("volume")).unwrap();
        symlink("../volume/sc-auth.db", links.join("relative")).unwrap();
        symlink(links.join("relative"), links.join("absolute")).unwrap();
        symlink("loop", links.join("loop")).unwrap();
        let file = data.join("sc-auth.db");
        let paths = [file.clone(), root.join("volume/sc-auth.db"), links.join("relative"), links.join("absolute")];
        for path in &paths {
            assert_eq!(real_path(path.clone()), file, "before: {}", path.display());
        }
        std::fs::write(&file, "").unwrap();
        for path in paths {
            assert_eq!(real_path(path.clone()), file, "after: {}", path.display());
        }
        assert_eq!(real_path(links.join("loop")), links.join("loop"));
        assert_eq!(real_path("/nowhere/sc-auth.db".into()), Path::new("/nowhere/sc-auth.db"));
    }
}
