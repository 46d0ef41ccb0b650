//! `migrate`: migrates the schema before new servers start.

mod guesses;
mod surprises;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

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
            Surprises::find(&store, args.hash.caps(), &plan).await?.print()?;
        }
        store.close().await;
        return Ok(());
    }
    let store = ready.migrate(&database, &stopped_by_signal()?).await?;
    tracing::info!(engine = store.engine().name(), "the schema is up to date");
    if let Some(folder) = &args.bootstrap.bootstrap_admin {
        let policy = args.password.policy()?;
        let hasher = Hasher::start(args.hash.settings(), HashMetrics::default(), &mut rand::rng())?;
        first_admin::from_folder(&store, &hasher, folder, &policy, crate::clock::system()).await?;
    }
    store.close().await;
    Ok(())
}

/// The first process of a container gets only signals that it handles. A migration that has begun finishes.
fn stopped_by_signal() -> std::io::Result<CancellationToken> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        stopped.cancel();
    });
    Ok(stop)
}

/// In a pod's init container, where it is the first process, `migrate` succeeds and leaves it to `serve` to wait for
/// the expected database: the operator can read the reason only from a running server's status.
fn is_init_container() -> bool {
    std::process::id() == 1
}

fn print(plan: &Plan, store: &Store) -> std::io::Result<()> {
    let origin = match plan.origin {
        Origin::Empty => "is empty",
        Origin::Ours => "belongs to this service",
        Origin::OldService => "belongs to the legacy service, and is taken over in place",
        Origin::Unknown => "is unknown",
    };
    say(format_args!("The {} database {origin}.", store.engine().name()))?;
    let version = plan.from.map_or_else(|| "none".to_owned(), |version| version.to_string());
    let identity = plan.identity.as_ref().map_or("none yet", |identity| &identity.id);
    say(format_args!("Schema version: {version}. Identity: {identity}."))?;
    if plan.is_done() {
        return say("There is nothing to migrate.");
    }
    say("The migration would run these statements:")?;
    for statement in &plan.statements {
        say(format_args!("  {statement};"))?;
    }
    say(
        "Then it creates missing roles, fills in each user's keys of name and address, and gives the database an identity.",
    )
}
