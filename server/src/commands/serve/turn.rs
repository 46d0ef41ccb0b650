//! Only one server at a time uses an embedded database; the next one waits for its lock. Otherwise a pod and its
//! replacement would both write for some seconds. The kernel releases the lock when its holder ends for any reason.
//! Commands take no lock: SQLite lets them run beside a server.

use std::fs::{File, OpenOptions, TryLockError};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::bind::bind;
use crate::files;
use crate::http::{listener, ops};
use crate::store::Database;

/// How often the lock is tried. SIGTERM could not interrupt a blocking call.
const EVERY: Duration = Duration::from_millis(50);

/// The right to be the only server on a database, until it is dropped.
#[derive(Debug, Default)]
pub struct Turn {
    _lock: Option<File>,
}

impl Turn {
    /// Waits until no other server uses an embedded database; with a database server, it returns at once. Meanwhile
    /// `/healthz` on `ops_listen` answers 200 and `/readyz` 503, so that a waiting pod is not restarted and receives no
    /// requests.
    ///
    /// # Errors
    /// If the server cannot listen on `ops_listen`.
    pub async fn wait(database: &Database, ops_listen: SocketAddr) -> anyhow::Result<Self> {
        let Some(path) = database.file().map(lock_path) else { return Ok(Self::default()) };
        let lock = match open(&path) {
            Ok(lock) => lock,
            // If this matters, SQLite reports it in a moment.
            Err(error) => return Ok(without_lock(&path, &error)),
        };
        let mut waiting: Option<Waiting> = None;
        loop {
            match lock.try_lock() {
                Ok(()) => break,
                Err(TryLockError::Error(error)) => {
                    if let Some(waiting) = waiting {
                        waiting.end().await?;
                    }
                    return Ok(without_lock(&path, &error));
                }
                Err(TryLockError::WouldBlock) => {}
            }
            if waiting.is_none() {
                tracing::info!(
                    lock = %path.display(),
                    "another server uses this database; waiting until it stops"
                );
                waiting = Some(Waiting::start(ops_listen)?);
            }
            tokio::time::sleep(EVERY).await;
        }
        if let Some(waiting) = waiting {
            waiting.end().await?;
            tracing::info!("the other server has stopped");
        }
        Ok(Self { _lock: Some(lock) })
    }
}

/// The path next to the file itself, not next to a symbolic link to it.
fn lock_path(file: PathBuf) -> PathBuf {
    let mut path = files::real_path(file).into_os_string();
    path.push(".lock");
    path.into()
}

/// Opens the lock file. To lock a file of another owner, reading it is enough.
fn open(path: &Path) -> std::io::Result<File> {
    let write = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path);
    write.or_else(|error| File::open(path).map_err(|_| error))
}

/// Continues without a lock: the folder is read-only, or the file system does not support locks.
fn without_lock(path: &Path, error: &std::io::Error) -> Turn {
    tracing::warn!(
        lock = %path.display(),
        %error,
        "could not lock the database; make sure that no other server uses it"
    );
    Turn::default()
}

/// The health endpoints of a waiting server.
struct Waiting {
    stop: CancellationToken,
    answers: tokio::task::JoinHandle<()>,
}

impl Waiting {
    fn start(listen: SocketAddr) -> anyhow::Result<Self> {
        let listener = bind("SC_AUTH_OPS_LISTEN", listen)?;
        let stop = CancellationToken::new();
        let answers = tokio::spawn(listener::serve_ops(listener, ops::waiting_router(), stop.clone()));
        Ok(Self { stop, answers })
    }

    /// Frees the address.
    async fn end(self) -> anyhow::Result<()> {
        self.stop.cancel();
        Ok(self.answers.await?)
    }
}
