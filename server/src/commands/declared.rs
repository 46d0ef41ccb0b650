//! `declared`: checks a file of declared clients, and hashes their secrets.

use std::io::Read as _;
use std::path::Path;

use anyhow::Context as _;
use sc_auth_contract::declared::{Declared, DeclaredClient, Reach, SECRET_MIN, SecretHash};
use sc_auth_contract::issuer;
use sc_auth_contract::time::UnixTime;

use crate::auth::random_text::random_secret;
use crate::clock;
use crate::config::DeclaredAction;
use crate::files::{MAX_BYTES, read_regular};
use crate::terminal::{say, tell};

/// The longest secret to read from standard input.
const SECRET_BYTES: u64 = 1_024;
/// The size of a file that soon can be too large: fewer clients than allowed can fill it.
const NEARLY_FULL: u64 = MAX_BYTES / 4 * 3;

pub fn run(action: DeclaredAction) -> anyhow::Result<()> {
    match action {
        DeclaredAction::Check { file } => check(&file),
        DeclaredAction::HashSecret { generate: true } => {
            let secret = random_secret(&mut rand::rng());
            say(format_args!("{secret}\n{}", SecretHash::of(&secret).sha256))?;
            Ok(())
        }
        DeclaredAction::HashSecret { generate: false } => {
            say(SecretHash::of(&given_secret()?).sha256)?;
            Ok(())
        }
    }
}

fn check(file: &Path) -> anyhow::Result<()> {
    let (declared, size) = read_sized(file)?;
    for warning in &declared.warnings {
        tell(format_args!("warning: {warning}"));
    }
    for refused in &declared.refused {
        tell(format_args!("error: {}: {}", refused.client, refused.problem));
    }
    if declared.more_warnings + declared.more_refused > 0 {
        let (warnings, errors) = (declared.more_warnings, declared.more_refused);
        tell(format_args!("and {warnings} more warnings, and {errors} more errors"));
    }
    for client in declared.clients.iter().filter(|client| has_expired(client, clock::system())) {
        tell(format_args!("warning: {}: all its secrets have expired, nobody can use it", client.client_id));
    }
    if size as u64 > NEARLY_FULL {
        let (size, most) = (size >> 10, MAX_BYTES >> 10);
        tell(format_args!("warning: the file has {size} KiB; a file with more than {most} KiB is refused as a whole"));
    }
    warn_of_settings(&declared);
    say(summary(&declared))?;
    let refused = declared.refused.len() + declared.more_refused;
    anyhow::ensure!(refused == 0, "invalid clients: {refused}");
    Ok(())
}

/// Warns of what a server may refuse because of its settings, which this command does not know.
fn warn_of_settings(declared: &Declared) {
    let is_here = |client: &&DeclaredClient| client.backchannel_uri().is_some_and(|uri| uri.reach == Reach::Loopback);
    for client in declared.clients.iter().filter(is_here) {
        let id = &client.client_id;
        tell(format_args!("warning: {id}: in a cluster, a backchannelLogoutUri on this machine is refused"));
    }
    let may_be_issuer = |client: &&DeclaredClient| client.audiences.iter().any(|name| issuer::is_usable(name));
    for client in declared.clients.iter().filter(may_be_issuer) {
        let id = &client.client_id;
        tell(format_args!("warning: {id}: a server whose issuer is one of the audiences refuses the client"));
    }
}

/// # Errors
/// If the file as a whole cannot be used.
pub fn read(file: &Path) -> anyhow::Result<Declared> {
    read_sized(file).map(|(declared, _)| declared)
}

/// Also returns the size of the file in bytes.
fn read_sized(file: &Path) -> anyhow::Result<(Declared, usize)> {
    let (content, _) = read_regular(file, MAX_BYTES).with_context(|| format!("reading {}", file.display()))?;
    let declared = Declared::parse(&content).with_context(|| format!("{} cannot be used", file.display()))?;
    Ok((declared, content.len()))
}

pub fn summary(declared: &Declared) -> String {
    format!("{} valid clients, counter {}.", declared.clients.len(), declared.counter)
}

fn has_expired(client: &DeclaredClient, now: UnixTime) -> bool {
    client.is_confidential() && client.secrets.iter().all(|secret| secret.until.is_some_and(|until| until <= now))
}

fn given_secret() -> anyhow::Result<String> {
    let mut secret = String::new();
    std::io::stdin().take(SECRET_BYTES).read_to_string(&mut secret).context("reading the secret")?;
    // A line that somebody typed ends so.
    let secret = secret.strip_suffix('\n').unwrap_or(&secret);
    let secret = secret.strip_suffix('\r').unwrap_or(secret);
    anyhow::ensure!(
        secret.chars().count() >= SECRET_MIN,
        "the secret has fewer than {SECRET_MIN} characters and can be guessed; --generate prints a new one"
    );
    if !secret.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b)) {
        tell(
            "warning: with HTTP Basic, clients must form-encode this secret (RFC 6749, 2.3.1), which many do not; choose one of \
             letters, digits and - . _ ~",
        );
    }
    Ok(secret.to_owned())
}
