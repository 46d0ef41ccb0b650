//! `migrate`: run before new servers start, so that they find the schema they know.

use std::collections::HashMap;

use crate::auth::hasher::Hasher;
use crate::auth::password::{Caps, Stored};
use crate::config::MigrateArgs;
use crate::metrics::HashMetrics;
use crate::store::{Origin, Plan, Store, StoreError, fold};
use crate::terminal::say;

use super::first_admin;

/// Users that are read at once.
const PAGE: u64 = 1_000;
/// How many users of a kind are named.
const NAMED: usize = 20;

pub async fn run(args: MigrateArgs) -> anyhow::Result<()> {
    let store = super::connect(&args.database).await?;
    if args.plan {
        let plan = store.plan().await?;
        print(&plan, &store)?;
        if plan.origin != Origin::Empty {
            Surprises::look(&store, args.hash.caps()).await?.print()?;
        }
        store.close().await;
        return Ok(());
    }
    store.migrate().await?;
    tracing::info!(engine = store.engine().name(), "the schema is up to date");
    if let Some(folder) = &args.bootstrap.bootstrap_admin {
        let policy = args.password.policy()?;
        let hasher = Hasher::start(args.hash.settings(), HashMetrics::default(), &mut rand::rng())?;
        first_admin::from_folder(&store, &hasher, folder, &policy, crate::clock::system()).await?;
    }
    store.close().await;
    Ok(())
}

fn print(plan: &Plan, store: &Store) -> std::io::Result<()> {
    let what = match plan.origin {
        Origin::Empty => "empty",
        Origin::Ours => "one of this service",
        Origin::OldService => "one of the service before this one, and is taken over in place",
        Origin::Unknown => "unknown",
    };
    say(format_args!("The {} database is {what}.", store.engine().name()))?;
    if plan.is_done() {
        return say("Nothing is to be done.");
    }
    say("These statements would be run:")?;
    for statement in &plan.statements {
        say(format_args!("  {statement};"))?;
    }
    say("Then roles that are missing are made, and each user gets the keys of name and address.")
}

/// What may surprise after a migration.
#[derive(Default)]
struct Surprises {
    users: u64,
    /// Users whose hash costs more than the caps allow, or cannot be read: they need a new password.
    without_login: Vec<String>,
    /// Users whose name or address is that of an older user but for its case: they are found by its exact form only.
    colliding: Vec<String>,
}

impl Surprises {
    async fn look(store: &Store, caps: Caps) -> Result<Self, StoreError> {
        let (mut found, mut seen, mut after) = (Self::default(), HashMap::new(), 0);
        loop {
            let page = store.old_rows(after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(found) };
            after = last.id;
            for row in &page {
                found.users += 1;
                let name = row.username.clone().unwrap_or_default();
                let stored = Stored::parse(row.password.as_deref().unwrap_or_default());
                if let Err(error) = stored.and_then(|stored| stored.check(caps)) {
                    found.without_login.push(format!("{name}: {error}"));
                }
                for (kind, value) in [("name", &row.username), ("address", &row.email)] {
                    let Some(value) = value else { continue };
                    // A digest takes less room than the text: there may be millions.
                    if let Some(owner) = seen.insert((kind, digest(&fold(value))), row.id) {
                        found.colliding.push(format!("{value}: the same {kind} as the user with id {owner}"));
                    }
                }
            }
        }
    }

    fn print(&self) -> std::io::Result<()> {
        say(format_args!("{} users.", self.users))?;
        list("have a hash that cannot be used and need a new password", &self.without_login)?;
        list("can log in with the exact form of the name only", &self.colliding)
    }
}

fn list(what: &str, lines: &[String]) -> std::io::Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    say(format_args!("{} of them {what}:", lines.len()))?;
    for line in lines.iter().take(NAMED) {
        say(format_args!("  {line}"))?;
    }
    if lines.len() > NAMED {
        say(format_args!("  and {} more", lines.len() - NAMED))?;
    }
    Ok(())
}

fn digest(text: &str) -> u64 {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}
