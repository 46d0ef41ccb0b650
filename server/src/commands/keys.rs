//! `keys`: generates, rotates and revokes the signing keys in a file, which running servers reload.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use sc_auth_contract::keys::{Algorithm, Key, KeySet, KeysError, OIDC_ALGORITHMS, OidcKeySet, Rotation};
use sc_auth_contract::places::OIDC_KEYS_FILE;
use sc_auth_contract::time::UnixTime;
use secrecy::{ExposeSecret as _, SecretString};

use crate::auth::keys::create;
use crate::clock;
use crate::config::{KeySetArgs, KeysAction};
use crate::files::{MAX_BYTES, read_regular};
use crate::terminal::say;

pub fn run(action: KeysAction) -> anyhow::Result<()> {
    let (now, rng) = (clock::system(), &mut rand::rng());
    match action {
        KeysAction::Generate { algorithm, set } => {
            let content = if set.openid {
                OidcKeySet::generate(now, rng)?.to_json()?
            } else {
                KeySet::generate(algorithm.into(), now, rng)?.to_json()?
            };
            let path = path(&set);
            create(&path, &content).with_context(|| format!("creating {}", path.display()))?;
            say(format_args!("{} was created.", path.display()))?;
            Ok(())
        }
        KeysAction::Rotate { algorithm, now: at_once, set, .. } if set.openid => {
            change(&path(&set), |set| rotate_openid(set, algorithm.map(Into::into), at_once, now))
        }
        KeysAction::Rotate { purpose, algorithm, now: at_once, set } => change(&path(&set), |set: &mut KeySet| {
            let algorithm = algorithm.map(Into::into);
            let step = if at_once {
                set.rotate_now(purpose, algorithm, now, rng)?
            } else {
                set.rotate(purpose, algorithm, false, now, rng)?
            };
            Ok(describe(&step, &purpose.to_string()))
        }),
        KeysAction::Revoke { kid, set } if set.openid => {
            change(&path(&set), |set: &mut OidcKeySet| Ok(describe_end(&kid, set.revoke(&kid, now, rng)?)))
        }
        KeysAction::Revoke { kid, set } => {
            change(&path(&set), |set: &mut KeySet| Ok(describe_end(&kid, set.revoke(&kid, now, rng)?)))
        }
        KeysAction::List { set } if set.openid => Ok(list(read::<OidcKeySet>(&path(&set))?.keys())?),
        KeysAction::List { set } => Ok(list(read::<KeySet>(&path(&set))?.keys())?),
    }
}

fn path(set: &KeySetArgs) -> PathBuf {
    let keys_file = &set.file.keys_file;
    if set.openid { keys_file.with_file_name(OIDC_KEYS_FILE) } else { keys_file.clone() }
}

/// Takes a step of one algorithm, or of each.
fn rotate_openid(
    set: &mut OidcKeySet,
    algorithm: Option<Algorithm>,
    at_once: bool,
    now: UnixTime,
) -> anyhow::Result<String> {
    let algorithms = algorithm.map_or_else(|| OIDC_ALGORITHMS.to_vec(), |algorithm| vec![algorithm]);
    let (mut said, rng) = (Vec::new(), &mut rand::rng());
    for algorithm in algorithms {
        let step = if at_once { set.rotate_now(algorithm, now, rng)? } else { set.rotate(algorithm, false, now, rng)? };
        said.push(describe(&step, &algorithm.to_string()));
    }
    Ok(said.join("\n"))
}

fn describe_end(kid: &str, successor: Option<String>) -> String {
    match successor {
        Some(successor) => format!("{kid} was revoked; {successor} signs now."),
        None => format!("{kid} was revoked."),
    }
}

/// The contents of one of the two files.
trait Content: Sized {
    fn parse(content: &SecretString) -> Result<Self, KeysError>;
    fn to_json(&self) -> Result<SecretString, KeysError>;
}

impl Content for KeySet {
    fn parse(content: &SecretString) -> Result<Self, KeysError> {
        Self::parse(content)
    }

    fn to_json(&self) -> Result<SecretString, KeysError> {
        self.to_json()
    }
}

impl Content for OidcKeySet {
    fn parse(content: &SecretString) -> Result<Self, KeysError> {
        Self::parse(content)
    }

    fn to_json(&self) -> Result<SecretString, KeysError> {
        self.to_json()
    }
}

/// `what` is the purpose or the algorithm of the tokens.
fn describe(step: &Rotation, what: &str) -> String {
    match step {
        Rotation::Published { kid, ready_at } => {
            format!("{kid} is published; rotate again after {}, and it signs {what} tokens.", time(*ready_at))
        }
        Rotation::Promoted { kid, retired } => {
            format!("{kid} signs {what} tokens now; {retired} still verifies the tokens that it signed.")
        }
        Rotation::Waiting { kid, ready_at } => {
            format!("{kid} waits until {}; nothing was changed. To sign with it at once, use --now.", time(*ready_at))
        }
    }
}

fn list(keys: &[Key]) -> std::io::Result<()> {
    say(format_args!("{:<44} {:<8} {:<6} {:<8} SINCE", "KID", "PURPOSE", "ALG", "STATE"))?;
    for key in keys {
        let (purpose, algorithm, state) =
            (key.purpose.to_string(), key.material.algorithm().to_string(), key.state.to_string());
        let since = if key.since == UnixTime::EPOCH { "unknown".to_owned() } else { time(key.since) };
        say(format_args!("{:<44} {purpose:<8} {algorithm:<6} {state:<8} {since}", key.kid))?;
    }
    Ok(())
}

fn time(time: UnixTime) -> String {
    clock::to_rfc3339(time).unwrap_or_default()
}

fn read<C: Content>(path: &Path) -> anyhow::Result<C> {
    let (content, _) = read_regular(path, MAX_BYTES).with_context(|| format!("reading {}", path.display()))?;
    C::parse(&content.into()).with_context(|| format!("{} cannot be used", path.display()))
}

/// Replaces the file atomically, so that no reader sees half of it, and under a lock, so that changes do not overlap.
fn change<C: Content>(path: &Path, change: impl FnOnce(&mut C) -> anyhow::Result<String>) -> anyhow::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let lock = File::open(folder).with_context(|| format!("opening {}", folder.display()))?;
    lock.lock().with_context(|| format!("locking {}", folder.display()))?;
    let mut set: C = read(path)?;
    let message = change(&mut set)?;
    let temporary = path.with_extension("new");
    let write = || {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
        file.write_all(set.to_json().map_err(std::io::Error::other)?.expose_secret().as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)?;
        lock.sync_all()
    };
    write().with_context(|| format!("writing {}", path.display()))?;
    say(message)?;
    Ok(())
}
