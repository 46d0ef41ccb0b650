//! Helpers for files that contain secrets.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{Error, ErrorKind, Read as _, Result};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use sc_auth_contract::places::ADMIN_ID;

/// Creates a file that only its owner can read; fails if it exists.
pub fn create_private(path: &Path) -> Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// The largest file of keys or settings: a file with the most keys has a quarter of it.
pub const MAX_BYTES: u64 = 1 << 20;
/// The largest secret: an address of a database, a user name, a password or a key.
const SECRET_BYTES: u64 = 64 << 10;
/// The permission of others to read.
const OTHERS_READ: u32 = 0o004;
/// The link to the present content of a volume of Kubernetes.
const KUBERNETES_DATA: &str = "..data";

/// Reads a text file, behind symbolic links too: Kubernetes mounts links. Anything else that can be opened, such as a
/// named pipe, is refused, because it could block or never end.
///
/// # Errors
/// If it is not a regular file, has more than `max_bytes`, or is not UTF-8.
pub fn read_regular(path: &Path, max_bytes: u64) -> Result<(String, Metadata)> {
    let (content, metadata) = read_bytes(path, max_bytes)?;
    Ok((utf8(content)?, metadata))
}

/// The same for any file.
///
/// # Errors
/// If it is not a regular file, or has more than `max_bytes`.
pub fn read_bytes(path: &Path, max_bytes: u64) -> Result<(Vec<u8>, Metadata)> {
    // Without it, opening a named pipe blocks until somebody writes to it.
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).map_err(Error::other)?;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(Error::new(ErrorKind::InvalidInput, "it is not a regular file"));
    }
    Ok((read_bounded(file, max_bytes)?, metadata))
}

/// Reads a secret, also from a pipe, such as a shell's `<(command)`.
///
/// # Errors
/// If it has more than 64 KiB, or is not UTF-8.
pub fn read_secret(path: &Path) -> Result<String> {
    utf8(read_bounded(File::open(path)?, SECRET_BYTES)?)
}

fn read_bounded(file: File, max_bytes: u64) -> Result<Vec<u8>> {
    let mut content = Vec::new();
    file.take(max_bytes + 1).read_to_end(&mut content)?;
    if content.len() as u64 > max_bytes {
        return Err(Error::new(ErrorKind::FileTooLarge, format!("it is larger than {} KiB", max_bytes >> 10)));
    }
    Ok(content)
}

fn utf8(content: Vec<u8>) -> Result<String> {
    String::from_utf8(content).map_err(|_| Error::new(ErrorKind::InvalidData, "it is not UTF-8"))
}

/// Runs work that reads files on a thread of its own, so that a slow disk does not delay requests or signals.
#[expect(clippy::disallowed_methods, reason = "each caller waits for its work, so there are only a few such threads")]
pub async fn beside_requests<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(Error::other)
}

/// Whether all users of the machine can read the file. In a volume of Kubernetes, which by default gives that
/// permission, only the containers of the pod can read it.
pub fn others_can_read(path: &Path, metadata: &Metadata) -> bool {
    let is_in_pod = path.parent().is_some_and(|folder| folder.join(KUBERNETES_DATA).is_symlink());
    metadata.mode() & OTHERS_READ != 0 && !is_in_pod
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
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn only_regular_files_are_read_also_behind_links() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let problem = |name: &str| read_regular(&path(name), MAX_BYTES).unwrap_err().to_string();
        std::fs::create_dir(path("folder")).unwrap();
        assert_eq!(problem("folder"), "it is not a regular file");
        // Nobody writes to it: a blocking open would wait.
        assert!(std::process::Command::new("mkfifo").arg(path("pipe")).status().unwrap().success());
        assert_eq!(problem("pipe"), "it is not a regular file");
        symlink("pipe", path("link to pipe")).unwrap();
        assert_eq!(problem("link to pipe"), "it is not a regular file");
        let _socket = std::os::unix::net::UnixListener::bind(path("socket")).unwrap();
        assert!(read_regular(&path("socket"), MAX_BYTES).is_err());
        assert_eq!(problem("/dev/zero"), "it is not a regular file");
        std::fs::write(path("large"), " ".repeat(1024 * 1024 + 1)).unwrap();
        assert_eq!(problem("large"), "it is larger than 1024 KiB");
        assert_eq!(read_regular(&path("none"), MAX_BYTES).unwrap_err().kind(), ErrorKind::NotFound);
        std::fs::write(path("file"), "text").unwrap();
        symlink("file", path("link")).unwrap();
        assert_eq!(read_regular(&path("link"), MAX_BYTES).unwrap().0, "text");
    }

    #[test]
    fn a_secret_is_read_from_a_pipe_too_but_not_without_end() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let writer = std::thread::spawn({
            let pipe = pipe.clone();
            move || std::fs::write(pipe, "a secret\n").unwrap()
        });
        assert_eq!(read_secret(&pipe).unwrap(), "a secret\n");
        writer.join().unwrap();
        assert_eq!(read_secret(Path::new("/dev/zero")).unwrap_err().to_string(), "it is larger than 64 KiB");
        assert!(read_secret(folder.path()).is_err());
    }

    #[test]
    fn a_file_that_others_can_read_is_recognised_except_in_a_pod() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "text").unwrap();
        for (mode, is_open) in [(0o600, false), (0o440, false), (0o640, false), (0o644, true), (0o604, true)] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(others_can_read(&path, &path.metadata().unwrap()), is_open, "{mode:o}");
        }
        std::fs::create_dir(folder.path().join("..2026_01_31")).unwrap();
        symlink("..2026_01_31", folder.path().join("..data")).unwrap();
        assert!(!others_can_read(&path, &path.metadata().unwrap()), "as mounted in a pod");
    }

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
