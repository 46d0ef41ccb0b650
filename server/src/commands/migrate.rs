//! `migrate`: run before new servers start, so that they find the schema they know.

mod surprises;

use crate::auth::hasher::Hasher;
use crate::config::MigrateArgs;
use crate::metrics::HashMetrics;
use crate::store::{Origin, Plan, Store};
use crate::terminal::say;

use super::first_admin;
use super::open::{self, Refused};
use surprises::Surprises;

pub async fn run(args: MigrateArgs) -> anyhow::Result<()> {
    let (ready, database) = match open::or_refuse(&args.database, &args.deployment).await {
        Err(error) if error.is::<Refused>() && is_init_container() => {
            tracing::error!("{error}");
            return Ok(());
        }
        result => result?,
    };
    if args.plan {
        let store = ready.store;
        let plan = store.plan().await?;
        print(&plan, &store)?;
        if plan.origin != Origin::Empty {
            Surprises::look(&store, args.hash.caps(), plan.origin).await?.print()?;
        }
        store.close().await;
        return Ok(());
    }
    let store = ready.migrate(&database).await?;
    tracing::info!(engine = store.engine().name(), "the schema is up to date");
    if let Some(folder) = &args.bootstrap.bootstrap_admin {
        let policy = args.password.policy()?;
        let hasher = Hasher::start(args.hash.settings(), HashMetrics::default(), &mut rand::rng())?;
        first_admin::from_folder(&store, &hasher, folder, &policy, crate::clock::system()).await?;
    }
    store.close().await;
    Ok(())
}

/// As the first process of a pod's init container, it leaves it to `serve`, which comes after it, to hold and to tell
/// why: what an init container has to say is heard by nobody who could ask.
fn is_init_container() -> bool {
    std::process::id() == 1
}

fn print(plan: &Plan, store: &Store) -> std::io::Result<()> {
    let what = match plan.origin {
        Origin::Empty => "empty",
        Origin::Ours => "one of this service",
        Origin::OldService => "one of the service before this one, and is taken over in place",
        Origin::Unknown => "unknown",
    };
    say(format_args!("The {} database is {what}.", store.engine().name()))?;
    let version = plan.from.map_or_else(|| "none".to_owned(), |version| version.to_string());
    let identity = plan.identity.as_ref().map_or("none yet", |identity| &identity.id);
    say(format_args!("Schema version: {version}. Identity: {identity}."))?;
    if plan.is_done() {
        return say("Nothing is to be done.");
    }
    say("These statements would be run:")?;
    for statement in &plan.statements {
        say(format_args!("  {statement};"))?;
    }
    say(
        "Then roles that are missing are made, each user gets the keys of name and address, and the database an identity.",
    )
}
