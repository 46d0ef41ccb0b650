//! An embedded database has one server at a time: the next one waits for its turn. A pod that is replaced and its
//! successor would otherwise both write for some seconds. The kernel gives the lock back when its holder ends, however
//! it ends. Commands take no lock: SQLite lets them work beside a server.

use std::fs::{File, OpenOptions, TryLockError};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::bind;
use crate::files;
use crate::http::{listener, ops};
use crate::store::Database;

/// How often the lock is tried. A blocking call could not be broken off by SIGTERM.
const EVERY: Duration = Duration::from_millis(50);

/// Being the only server on a database. It ends with the value, and with the process in any case.
#[derive(Debug, Default)]
pub struct Turn {
    _lock: Option<File>,
}

impl Turn {
    /// Waits until no other server works on an embedded database; with a database server there is nothing to wait for.
    /// Meanwhile `/healthz` on `ops_listen` answers 200 and `/readyz` 503, so that a pod that waits is neither restarted
    /// nor sent requests.
    ///
    /// # Errors
    /// Where `ops_listen` cannot be listened on.
    pub async fn wait(database: &Database, ops_listen: SocketAddr) -> anyhow::Result<Self> {
        let Some(path) = database.file().map(lock_path) else { return Ok(Self::default()) };
        let lock = match open(&path) {
            Ok(lock) => lock,
            // SQLite says it better in a moment, or can live with it.
            Err(error) => return Ok(without(&path, &error)),
        };
        let mut waiting: Option<Waiting> = None;
        loop {
            match lock.try_lock() {
                Ok(()) => break,
                Err(TryLockError::Error(error)) => {
                    if let Some(waiting) = waiting {
                        waiting.end().await?;
                    }
                    return Ok(without(&path, &error));
                }
                Err(TryLockError::WouldBlock) => {}
            }
            if waiting.is_none() {
                tracing::info!(
                    lock = %path.display(),
                    "another server works on this database; waiting until it has ended"
                );
                waiting = Some(Waiting::start(ops_listen)?);
            }
            tokio::time::sleep(EVERY).await;
        }
        if let Some(waiting) = waiting {
            waiting.end().await?;
            tracing::info!("the other server has ended");
        }
        Ok(Self { _lock: Some(lock) })
    }
}

/// Beside the file itself, not beside a symbolic link to it.
fn lock_path(file: PathBuf) -> PathBuf {
    let mut path = files::real_path(file).into_os_string();
    path.push(".lock");
    path.into()
}

/// A file of somebody else's is good enough, if it can be read.
fn open(path: &Path) -> std::io::Result<File> {
    let write = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path);
    write.or_else(|error| File::open(path).map_err(|_| error))
}

/// In a folder that cannot be written, and on file systems without locks.
fn without(path: &Path, error: &std::io::Error) -> Turn {
    tracing::warn!(
        lock = %path.display(),
        %error,
        "the database cannot be locked; make sure that no other server works on it"
    );
    Turn::default()
}

/// The answers of a server that waits.
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
