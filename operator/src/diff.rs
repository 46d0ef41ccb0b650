//! `diff`: the changes that applying a manifest would make in the cluster, by dry runs of the API server. It changes
//! nothing and reads no Secret.

mod apply;
mod notes;
mod text;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use clap::Args;
use kube::api::{ListParams, Patch, PatchParams};
use kube::{Api, Client, ResourceExt as _};
use serde_json::{Value, json};
use strum::IntoEnumIterator as _;

use crate::api::{ScAuth, StoredScAuth};
use crate::release_args::ReleaseArgs;
use crate::render::{self, Beside, Manifest};
use crate::scauth::apply::{balancer, handover};
use crate::scauth::child::Child;
use crate::scauth::children::{Children, build};
use crate::scauth::classes;
use crate::scauth::hosts::{self, Hosts};
use crate::scauth::names::{FIELD_MANAGER, Names};
use crate::scauth::observe::{Observed, find_foreign_autoscaler, observe_children, unknown_kinds};
use crate::scauth::release::UpgradeTurn;
use crate::scauth::resolved::Resolved;
use crate::scauth::rivals::older_rival;
use crate::scauth::validate::{Environment, validate};
use crate::scauth::volume;
use crate::shared::error::explain;
use notes::Missing;

/// The flags of `diff`.
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// The manifest, or `-` for standard input. Of other kinds, only Namespaces, Secrets and ConfigMaps matter: whether a
    /// Namespace allows a ScAuth, whether a Secret has the name of a generated one, and which of them exist. For objects
    /// of other operators, such as a Certificate, an ExternalSecret or a database, these may create Secrets.
    #[arg(short, long)]
    filename: PathBuf,
    /// The field manager that will apply the manifest: fields that it applied before and that the manifest omits are
    /// removed [default: the last one that applied the ScAuth]
    #[arg(long)]
    field_manager: Option<String>,
    #[command(flatten)]
    release: ReleaseArgs,
}

/// What an apply would do.
#[derive(Debug, Default)]
pub struct Preview {
    /// A unified diff, empty if nothing would change.
    pub text: String,
    /// What the diff does not show.
    pub notes: Vec<String>,
    /// Why pods would not start.
    pub problems: Vec<String>,
}

/// # Errors
/// If the file or the cluster cannot be read, or the API server or the operator would refuse a ScAuth.
pub async fn run(args: DiffArgs) -> anyhow::Result<Preview> {
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
) -> anyhow::Result<Preview> {
    let mut preview = Preview::default();
    let fleet = fleet(client).await.map_err(|error| anyhow!(explain(&error)))?;
    let fleet = notes::with_manifest(fleet, &manifest.scauths);
    let around = Around { client, fleet: &fleet, beside: &manifest.beside, environment };
    for scauth in &manifest.scauths {
        let name = scauth.name_any();
        let outcome = Box::pin(around.changes(scauth, manager)).await;
        let Outcome { changes, notes, problems } = outcome.with_context(|| format!("ScAuth {name}"))?;
        for change in changes {
            preview.text.push_str(&change.to_text()?);
        }
        let of_scauth = |text: String| format!("ScAuth {name}: {text}");
        preview.notes.extend(notes.into_iter().map(of_scauth));
        preview.problems.extend(problems.into_iter().map(of_scauth));
    }
    Ok(preview)
}

/// All ScAuths. Without the right to list them, the diff knows no other.
async fn fleet(client: &Client) -> kube::Result<Vec<ScAuth>> {
    match Api::<StoredScAuth>::all(client.clone()).list(&ListParams::default()).await {
        Ok(fleet) => Ok(fleet.items.into_iter().map(|stored| stored.0).collect()),
        Err(kube::Error::Api(answer)) if answer.code == 403 => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// An object before and after the change; null if it does not exist.
struct Change {
    kind: String,
    before: Value,
    after: Value,
}

/// What applying one ScAuth would do.
struct Outcome {
    changes: Vec<Change>,
    notes: Vec<String>,
    problems: Vec<String>,
}

/// What matters for each ScAuth of the manifest.
struct Around<'a> {
    client: &'a Client,
    /// All ScAuths, as the manifest would have them.
    fleet: &'a [ScAuth],
    beside: &'a Beside,
    environment: &'a Environment,
}

impl Around<'_> {
    async fn changes(&self, scauth: &ScAuth, manager: Option<&str>) -> anyhow::Result<Outcome> {
        let stored = Api::<StoredScAuth>::all(self.client.clone()).get_opt(&scauth.name_any()).await;
        let live = stored.map_err(|error| anyhow!(explain(&error)))?.map(|stored| stored.0);
        let api: Api<ScAuth> = Api::all(self.client.clone());
        let wanted = apply::dry_run(&api, live.as_ref(), scauth, manager).await?;
        let contender = if live.is_some() { wanted.clone() } else { notes::new(wanted.clone()) };
        let before = serde_json::to_value(live)?;
        let mut changes = vec![Change { kind: "ScAuth".into(), before, after: serde_json::to_value(&wanted)? }];

        let names = Names::of(&wanted);
        let mut observed = self.observe(&wanted, &contender, &names).await.map_err(|error| anyhow!(explain(&error)))?;
        let has_namespace = observed.children.contains_key(&Child::Namespace);
        self.beside.complete(&mut observed, &names);
        let resolved = validate(&wanted, &observed, self.environment, &UpgradeTurn::Now)
            .map_err(|refusal| anyhow!("{}: {}", refusal.reason, refusal.message))?;
        render::ensure_image(&resolved)?;
        render::warn(&resolved);
        let missing = notes::missing(self.client, &wanted, &names, self.beside).await;
        let Missing { problems, mut notes } = missing.map_err(|error| anyhow!(explain(&error)))?;
        if wanted.metadata.deletion_timestamp.is_some() {
            notes.push("it is being deleted, and the operator changes nothing for it".to_owned());
        } else if wanted.spec.suspend != Some(true) {
            let stored = Stored { client: self.client, observed: &observed, has_namespace };
            let children = build(&resolved)?;
            changes.extend(stored.changes(&resolved, &children).await?);
            notes.extend(notes::hosts(&resolved));
            let unknown = children.keys().filter(|child| observed.unknown_kinds.contains(child));
            notes.extend(unknown.map(|child| notes::unknown_kind(&child.resource().kind)));
            notes.extend(notes::turn(&wanted, self.fleet, &self.environment.defaults));
        }
        Ok(Outcome { changes, notes, problems })
    }

    /// `contender` asks for hosts and a namespace as the others of the manifest do.
    async fn observe(&self, wanted: &ScAuth, contender: &ScAuth, names: &Names) -> kube::Result<Observed> {
        let mut observed = observe_children(self.client, wanted, names).await?;
        match find_foreign_autoscaler(self.client, wanted, names, &mut observed).await {
            // Without the right to list autoscalers, the diff ignores them.
            Err(kube::Error::Api(answer)) if answer.code == 403 => {}
            found => found?,
        }
        observed.hosts = self.hosts(contender).await?;
        if !observed.children.contains_key(&Child::Namespace) {
            observed.rival = older_rival(contender, &self.fleet.iter().collect::<Vec<_>>());
            observed.unknown_kinds = unknown_kinds(self.client, names).await;
        }
        Ok(observed)
    }

    /// The hosts of the other ScAuths.
    async fn hosts(&self, wanted: &ScAuth) -> kube::Result<Hosts> {
        let fleet: Vec<_> = self.fleet.iter().collect();
        let needs_default = hosts::needs_default_class(wanted, &fleet);
        let classes = if needs_default { classes::list(self.client).await? } else { None };
        Ok(hosts::hosts(wanted, &fleet, classes.and_then(|classes| classes.default).as_deref()))
    }
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
        let class = desired["spec"]["loadBalancerClass"].clone();
        let is_rebuilt = child == Child::Service && balancer::without_balancer(&desired, live).is_some();
        if let Some(live) = live.filter(|_| is_rebuilt) {
            // The API server refuses this change in one step.
            desired["spec"]["loadBalancerClass"] = live.data["spec"]["loadBalancerClass"].clone();
        }
        let params = PatchParams { dry_run: true, force: live.is_some(), ..PatchParams::apply(FIELD_MANAGER) };
        let name = child.name(&resolved.names);
        let api = child.api(self.client, &resolved.names.namespace);
        let stored = api.patch(&name, &params, &Patch::Apply(&desired)).await;
        let stored = stored.map_err(|error| anyhow!("{} {name}: {}", child.resource().kind, explain(&error)))?;
        let mut stored = serde_json::to_value(stored)?;
        if let Some(spec) = stored.get_mut("spec").and_then(Value::as_object_mut).filter(|_| is_rebuilt) {
            spec.insert("loadBalancerClass".to_owned(), class);
            spec.retain(|_, value| !value.is_null());
        }
        Ok(stored)
    }
}
