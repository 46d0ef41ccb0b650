//! `declared`: checks a file of declared clients, and hashes their secrets.

use std::io::Read as _;
use std::path::Path;

use anyhow::Context as _;
use sc_auth_contract::declared::{Declared, SECRET_MIN, SecretHash};

use crate::auth::random_text::random_secret;
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
    let (content, _) = read_regular(file, MAX_BYTES).with_context(|| format!("reading {}", file.display()))?;
    let declared = Declared::parse(&content).with_context(|| format!("{} cannot be used", file.display()))?;
    for warning in &declared.warnings {
        tell(format_args!("warning: {warning}"));
    }
    for refused in &declared.refused {
        tell(format_args!("error: {}: {}", refused.client, refused.problem));
    }
    if content.len() as u64 > NEARLY_FULL {
        let (size, most) = (content.len() >> 10, MAX_BYTES >> 10);
        tell(format_args!("warning: the file has {size} KiB; a file with more than {most} KiB is refused as a whole"));
    }
    say(format_args!("{} valid clients, counter {}.", declared.clients.len(), declared.counter))?;
    anyhow::ensure!(declared.refused.is_empty(), "{} invalid clients", declared.refused.len());
    Ok(())
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
    Ok(secret.to_owned())
}
