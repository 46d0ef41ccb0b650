//! `keys`: generates, rotates and revokes the signing keys in a file, which running servers reload.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::Context as _;
use sc_auth_contract::keys::{KeySet, Purpose, Rotation};
use sc_auth_contract::time::UnixTime;
use secrecy::ExposeSecret as _;

use crate::auth::keys::create;
use crate::clock;
use crate::config::KeysAction;
use crate::files::{MAX_BYTES, read_regular};
use crate::terminal::say;

pub fn run(action: KeysAction) -> anyhow::Result<()> {
    let now = clock::system();
    match action {
        KeysAction::Generate { algorithm, file } => {
            let path = &file.keys_file;
            let set = KeySet::generate(algorithm.into(), now, &mut rand::rng())?;
            create(path, &set.to_json()?).with_context(|| format!("creating {}", path.display()))?;
            say(format_args!("{} was created.", path.display()))?;
            Ok(())
        }
        KeysAction::Rotate { purpose, algorithm, now: at_once, file } => change(&file.keys_file, |set| {
            let (algorithm, rng) = (algorithm.map(Into::into), &mut rand::rng());
            let step = if at_once {
                set.rotate_now(purpose, algorithm, now, rng)?
            } else {
                set.rotate(purpose, algorithm, false, now, rng)?
            };
            Ok(describe(&step, purpose))
        }),
        KeysAction::Revoke { kid, file } => change(&file.keys_file, |set| {
            let successor = set.revoke(&kid, now, &mut rand::rng())?;
            Ok(match successor {
                Some(successor) => format!("{kid} was revoked; {successor} signs now."),
                None => format!("{kid} was revoked."),
            })
        }),
        KeysAction::List { file } => Ok(list(&read(&file.keys_file)?)?),
    }
}

fn describe(step: &Rotation, purpose: Purpose) -> String {
    match step {
        Rotation::Published { kid, ready_at } => {
            format!("{kid} is published; rotate again after {}, and it signs {purpose} tokens.", time(*ready_at))
        }
        Rotation::Promoted { kid, retired } => {
            format!("{kid} signs {purpose} tokens now; {retired} still verifies the tokens that it signed.")
        }
        Rotation::Waiting { kid, ready_at } => {
            format!("{kid} waits until {}; nothing was changed. To sign with it at once, use --now.", time(*ready_at))
        }
    }
}

fn list(set: &KeySet) -> std::io::Result<()> {
    say(format_args!("{:<44} {:<8} {:<6} {:<8} SINCE", "KID", "PURPOSE", "ALG", "STATE"))?;
    for key in set.keys() {
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

fn read(path: &Path) -> anyhow::Result<KeySet> {
    let (content, _) = read_regular(path, MAX_BYTES).with_context(|| format!("reading {}", path.display()))?;
    KeySet::parse(&content.into()).with_context(|| format!("{} cannot be used", path.display()))
}

/// Replaces the file atomically, so that no reader sees half of it, and under a lock, so that changes do not overlap.
fn change(path: &Path, change: impl FnOnce(&mut KeySet) -> anyhow::Result<String>) -> anyhow::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let lock = File::open(folder).with_context(|| format!("opening {}", folder.display()))?;
    lock.lock().with_context(|| format!("locking {}", folder.display()))?;
    let mut set = read(path)?;
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
