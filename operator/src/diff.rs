//! `diff`: the changes that applying a manifest would make in the cluster, by dry runs of the API server. It changes
//! nothing and reads no Secret.

mod apply;
mod text;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use clap::Args;
use kube::api::{ListParams, Patch, PatchParams};
use kube::{Api, Client, ResourceExt as _};
use serde_json::{Value, json};
use strum::IntoEnumIterator as _;

use crate::api::ScAuth;
use crate::release_args::ReleaseArgs;
use crate::render::{self, Beside, Manifest};
use crate::scauth::apply::handover;
use crate::scauth::child::Child;
use crate::scauth::children::{Children, build};
use crate::scauth::hosts::{self, Hosts};
use crate::scauth::names::{FIELD_MANAGER, Names};
use crate::scauth::observe::{Observed, default_class, find_foreign_autoscaler, observe_children};
use crate::scauth::release::UpgradeTurn;
use crate::scauth::resolved::Resolved;
use crate::scauth::validate::{Environment, validate};
use crate::scauth::volume;
use crate::shared::error::explain;

/// The flags of `diff`.
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// The manifest, or `-` for standard input. Of other kinds, only Namespaces and Secrets matter: whether a
    /// Namespace allows a ScAuth, and whether a Secret has the name of a generated one.
    #[arg(short, long)]
    filename: PathBuf,
    /// The field manager that will apply the manifest: fields that it applied before and that the manifest omits are
    /// removed [default: the last one that applied the ScAuth]
    #[arg(long)]
    field_manager: Option<String>,
    #[command(flatten)]
    release: ReleaseArgs,
}

/// Returns a unified diff, empty if nothing would change.
///
/// # Errors
/// If the file or the cluster cannot be read, or the API server or the operator would refuse a ScAuth.
pub async fn run(args: DiffArgs) -> anyhow::Result<String> {
    let environment = args.release.environment(Duration::ZERO);
    let manifest = render::read(&args.filename)?;
    let client = Client::try_default().await.context("connecting to the API server")?;
    diff(&client, &manifest, args.field_manager.as_deref(), &environment).await
}

/// Like [`run`], for a manifest that was read already.
///
/// # Errors
/// As [`run`].
pub async fn diff(
    client: &Client,
    manifest: &Manifest,
    manager: Option<&str>,
    environment: &Environment,
) -> anyhow::Result<String> {
    let mut text = String::new();
    for scauth in &manifest.scauths {
        let changes = Box::pin(changes(client, scauth, &manifest.beside, manager, environment)).await;
        for change in changes.with_context(|| format!("ScAuth {}", scauth.name_any()))? {
            text.push_str(&change.to_text()?);
        }
    }
    Ok(text)
}

/// An object before and after the change; null if it does not exist.
struct Change {
    kind: String,
    before: Value,
    after: Value,
}

async fn changes(
    client: &Client,
    scauth: &ScAuth,
    beside: &Beside,
    manager: Option<&str>,
    environment: &Environment,
) -> anyhow::Result<Vec<Change>> {
    let api: Api<ScAuth> = Api::all(client.clone());
    let live = api.get_opt(&scauth.name_any()).await.map_err(|error| anyhow!(explain(&error)))?;
    let wanted = apply::dry_run(&api, live.as_ref(), scauth, manager).await?;
    let before = serde_json::to_value(live)?;
    let mut changes = vec![Change { kind: "ScAuth".into(), before, after: serde_json::to_value(&wanted)? }];

    let names = Names::of(&wanted);
    let mut observed = observe_children(client, &wanted, &names).await.map_err(|error| anyhow!(explain(&error)))?;
    match find_foreign_autoscaler(client, &wanted, &names, &mut observed).await {
        // Without the right to list autoscalers, the diff ignores them.
        Err(kube::Error::Api(answer)) if answer.code == 403 => {}
        found => found.map_err(|error| anyhow!(explain(&error)))?,
    }
    observed.hosts = hosts_of_others(client, &wanted).await.map_err(|error| anyhow!(explain(&error)))?;
    let has_namespace = observed.children.contains_key(&Child::Namespace);
    beside.complete(&mut observed, &names);
    let resolved = validate(&wanted, &observed, environment, &UpgradeTurn::Now)
        .map_err(|refusal| anyhow!("{}: {}", refusal.reason, refusal.message))?;
    render::ensure_image(&resolved)?;
    render::warn(&resolved);
    if wanted.spec.suspend != Some(true) {
        let stored = Stored { client, observed: &observed, has_namespace };
        changes.extend(stored.changes(&resolved, &build(&resolved)?).await?);
    }
    Ok(changes)
}

/// The hosts of the other ScAuths. Without the right to list them, the diff ignores them.
async fn hosts_of_others(client: &Client, wanted: &ScAuth) -> kube::Result<Hosts> {
    let fleet = match Api::<ScAuth>::all(client.clone()).list(&ListParams::default()).await {
        Ok(fleet) => fleet.items,
        Err(kube::Error::Api(answer)) if answer.code == 403 => return Ok(Hosts::default()),
        Err(error) => return Err(error),
    };
    let fleet: Vec<_> = fleet.iter().collect();
    let default_class = if hosts::needs_default_class(wanted, &fleet) { default_class(client).await? } else { None };
    Ok(hosts::hosts(wanted, &fleet, default_class.as_deref()))
}

/// The cluster before the change.
struct Stored<'a> {
    client: &'a Client,
    observed: &'a Observed,
    has_namespace: bool,
}

impl Stored<'_> {
    async fn changes(&self, resolved: &Resolved, wanted: &Children) -> anyhow::Result<Vec<Change>> {
        let mut changes = Vec::new();
        for child in Child::iter() {
            let before = serde_json::to_value(self.observed.children.get(&child))?;
            let after = match wanted.get(&child) {
                Some(_) if self.observed.unknown_kinds.contains(&child) => Value::Null,
                Some(_) if volume::freezes(child, &self.observed.children) => before.clone(),
                Some(desired) => self.dry_run(resolved, child, desired).await?,
                // Children that the spec does not ask for are deleted, except for those that hold data.
                None if child.stays_when_dropped() => before.clone(),
                None => Value::Null,
            };
            changes.push(Change { kind: child.resource().kind, before, after });
        }
        Ok(changes)
    }

    /// The child as it would be stored.
    async fn dry_run(&self, resolved: &Resolved, child: Child, desired: &Value) -> anyhow::Result<Value> {
        let (live, mut desired) = (self.observed.children.get(&child), desired.clone());
        if child != Child::Namespace && !self.has_namespace {
            // In a missing namespace, the API server does not validate the object.
            return Ok(desired);
        }
        if child == Child::Deployment {
            handover::begin(&resolved.scale, &mut desired, live);
            handover::keep(&mut desired, live);
        }
        if let Some(live) = live {
            desired["metadata"]["uid"] = json!(live.uid());
        }
        let params = PatchParams { dry_run: true, force: live.is_some(), ..PatchParams::apply(FIELD_MANAGER) };
        let name = child.name(&resolved.names);
        let api = child.api(self.client, &resolved.names.namespace);
        let stored = api.patch(&name, &params, &Patch::Apply(&desired)).await;
        let stored = stored.map_err(|error| anyhow!("{} {name}: {}", child.resource().kind, explain(&error)))?;
        Ok(serde_json::to_value(stored)?)
    }
}
