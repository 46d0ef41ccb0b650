//! Creates the first Admin if there is no Admin. There is never a default password.

use std::io::IsTerminal as _;
use std::path::Path;

use anyhow::Context as _;
use sc_auth_contract::password;
use sc_auth_contract::places::{ADMIN_EMAIL, ADMIN_PASSWORD, ADMIN_USERNAME};
use sc_auth_contract::time::UnixTime;
use secrecy::ExposeSecret as _;

use super::admin::Admin;
use crate::account::PASSWORD_MAX;
use crate::auth::hasher::Hasher;
use crate::auth::keys;
use crate::auth::password::policy::Policy;
use crate::config::read_secret;
use crate::files::secret_id;
use crate::store::{Store, StoreError};
use crate::terminal::say;

/// Creates the Admin whose name and password are in `folder`, where the operator mounts its Secret. The folder may be
/// missing: a person who has saved the password may delete the Secret.
pub async fn from_folder(
    store: &Store,
    hasher: &Hasher,
    folder: &Path,
    policy: &Policy,
    now: UnixTime,
) -> anyhow::Result<()> {
    if store.has_admin().await? {
        return Ok(());
    }
    if !folder.join(ADMIN_PASSWORD).exists() {
        tracing::warn!(
            folder = %folder.display(),
            "no Admin exists, and the folder has no credentials to create one; run `sc-auth-server admin create NAME`"
        );
        return Ok(());
    }
    let read = |name: &str| {
        read_secret(&folder.join(name)).map_err(|problem| anyhow::anyhow!("SC_AUTH_BOOTSTRAP_ADMIN: {problem}"))
    };
    let email = if folder.join(ADMIN_EMAIL).exists() { Some(read(ADMIN_EMAIL)?) } else { None };
    let admin = Admin {
        username: read(ADMIN_USERNAME)?.expose_secret().to_owned(),
        email: email.map(|email| email.expose_secret().to_owned()),
        password: read(ADMIN_PASSWORD)?,
    };
    admin.check(&for_secret(policy)).context("SC_AUTH_BOOTSTRAP_ADMIN")?;
    create(store, hasher, &admin, secret_id(folder).as_deref(), now).await
}

/// The rules for the password in the Secret. The operator may have generated it before the limits of the length changed,
/// and does not replace it; this must not keep the pods from starting.
fn for_secret(policy: &Policy) -> Policy {
    Policy { min_length: policy.min_length.min(password::LENGTH), max_length: PASSWORD_MAX, ..policy.clone() }
}

/// Creates `admin` with a generated password, which is printed to a terminal or else written to a file in `folder`.
pub async fn generated(
    store: &Store,
    hasher: &Hasher,
    folder: &Path,
    policy: &Policy,
    now: UnixTime,
) -> anyhow::Result<()> {
    if store.has_admin().await? {
        return Ok(());
    }
    let password = password::generate(policy.min_length, &mut rand::rng());
    let admin = Admin { username: "admin".into(), email: None, password };
    if std::io::stdout().is_terminal() {
        create(store, hasher, &admin, None, now).await?;
        say(format_args!("\n  The first Admin is `admin`, with the password {}\n", admin.password.expose_secret()))?;
        return Ok(());
    }
    // Write the file first: an Admin whose password is lost would lock everybody out.
    let path = folder.join("admin-password");
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("replacing {}", path.display()));
        }
        _ => {}
    }
    keys::create(&path, &admin.password).with_context(|| format!("writing {}", path.display()))?;
    create(store, hasher, &admin, None, now).await?;
    tracing::info!(username = "admin", password_file = %path.display(), "created the first Admin");
    Ok(())
}

/// If two replicas try at once, one of them finds the name taken, which is fine.
async fn create(
    store: &Store,
    hasher: &Hasher,
    admin: &Admin,
    secret_id: Option<&str>,
    now: UnixTime,
) -> anyhow::Result<()> {
    match admin.create(store, hasher, secret_id, now).await {
        Err(error) if matches!(error.downcast_ref(), Some(StoreError::Taken(_))) => {
            tracing::warn!(
                username = admin.username,
                "did not create the first Admin: the name or the address is taken"
            );
            Ok(())
        }
        result => result,
    }
}
