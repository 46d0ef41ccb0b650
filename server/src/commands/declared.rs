//! `declared`: checks a file of declared clients, and hashes their secrets.

use std::fmt::Write as _;
use std::io::Read as _;
use std::path::Path;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sc_auth_contract::declared::{Declared, DeclaredClient, SECRET_MIN};
use sc_auth_contract::time::UnixTime;
use sha2::{Digest as _, Sha256};

use crate::clock;
use crate::config::DeclaredAction;
use crate::files::{MAX_BYTES, read_regular};
use crate::terminal::{say, tell};

/// The longest secret to read from standard input.
const SECRET_BYTES: u64 = 1_024;

pub fn run(action: DeclaredAction) -> anyhow::Result<()> {
    match action {
        DeclaredAction::Check { file } => check(&file),
        DeclaredAction::HashSecret { generate: true } => {
            let secret = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>());
            say(format_args!("{secret}\n{}", hash(&secret)))?;
            Ok(())
        }
        DeclaredAction::HashSecret { generate: false } => {
            say(hash(&given_secret()?))?;
            Ok(())
        }
    }
}

fn check(file: &Path) -> anyhow::Result<()> {
    let declared = read(file)?;
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
    say(summary(&declared))?;
    let refused = declared.refused.len() + declared.more_refused;
    anyhow::ensure!(refused == 0, "{refused} clients cannot be served");
    Ok(())
}

/// # Errors
/// If the file as a whole cannot be used.
pub fn read(file: &Path) -> anyhow::Result<Declared> {
    let (content, _) = read_regular(file, MAX_BYTES).with_context(|| format!("reading {}", file.display()))?;
    Declared::parse(&content).with_context(|| format!("{} cannot be used", file.display()))
}

pub fn summary(declared: &Declared) -> String {
    format!("{} clients can be served, at counter {}.", declared.clients.len(), declared.counter)
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

fn hash(secret: &str) -> String {
    Sha256::digest(secret).iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
