//! `migrate`: run before new servers start, so that they find the schema they know.

mod surprises;

use crate::auth::hasher::Hasher;
use crate::config::MigrateArgs;
use crate::metrics::HashMetrics;
use crate::store::{Origin, Plan, Store};
use crate::terminal::say;

use super::first_admin;
use surprises::Surprises;

pub async fn run(args: MigrateArgs) -> anyhow::Result<()> {
    let store = super::connect(&args.database).await?;
    if args.plan {
        let plan = store.plan().await?;
        print(&plan, &store)?;
        if plan.origin != Origin::Empty {
            Surprises::look(&store, args.hash.caps(), plan.origin).await?.print()?;
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
