//! The whole loop on one screen: observe, validate, build, apply, report. Each run starts from the cluster's state and
//! may die anywhere.

pub mod apply;
pub mod build;
mod difference;
pub mod observe;
pub mod report;
pub mod validate;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client, Resource as _, ResourceExt as _};
use kube_runtime::controller::Action;
use kube_runtime::events::{Event, EventType, Recorder};
use rand::RngExt as _;
use serde_json::json;

use crate::api::{ScAuth, ScAuthStatus};
use crate::names::FIELD_MANAGER;
use report::Outcome;
use validate::Environment;

/// What every reconcile is given.
pub struct Context {
    pub client: Client,
    pub environment: Environment,
    pub recorder: Recorder,
    /// Tells the time.
    pub clock: fn() -> Timestamp,
    /// When a ScAuth that is well is looked at again; its Secrets are not watched.
    pub resync: Duration,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("reading the cluster: {}", apply::explain(.0))]
    Observe(#[source] kube::Error),
    #[error("writing the status: {}", apply::explain(.0))]
    Report(#[source] kube::Error),
    #[error("it took too long")]
    TimedOut,
    #[error("{0}")]
    Apply(#[from] apply::ApplyError),
}

/// A missing Secret is looked for this often.
const SOON: Duration = Duration::from_secs(10);
/// The client's own retries could hold a call for minutes.
const LIMIT: Duration = Duration::from_secs(30);

pub async fn reconcile(scauth: Arc<ScAuth>, context: Arc<Context>) -> Result<Action, Error> {
    if scauth.metadata.deletion_timestamp.is_some() {
        // Owner references do the cleaning up.
        return Ok(Action::await_change());
    }
    tokio::time::timeout(LIMIT, Box::pin(run(&scauth, &context))).await.map_err(|_| Error::TimedOut)?
}

async fn run(scauth: &ScAuth, context: &Context) -> Result<Action, Error> {
    let client = &context.client;
    let observed = observe::observe(client, scauth).await.map_err(Error::Observe)?;
    let outcome = match validate::validate(scauth, &observed, &context.environment) {
        Err(refusal) => Outcome::Refused(refusal),
        Ok(validated) => {
            let children = build::build(&validated);
            match Box::pin(apply::apply(client, &validated, children, &observed)).await {
                Ok(applied) => Outcome::Applied(Box::new((validated, applied))),
                Err(error) => Outcome::Failed(error),
            }
        }
    };
    let status = report::status(scauth, &observed, &outcome, (context.clock)());
    publish(scauth, &status, &outcome, context).await?;
    write(scauth, status, client).await?;
    match outcome {
        Outcome::Failed(error) => Err(error.into()),
        Outcome::Refused(_) => Ok(Action::requeue(jittered(SOON))),
        Outcome::Applied(_) if !observed.missing_secrets.is_empty() => Ok(Action::requeue(jittered(SOON))),
        Outcome::Applied(_) => Ok(Action::requeue(jittered(context.resync))),
    }
}

/// A tenth more or less, so that a thousand objects do not come back at once.
fn jittered(duration: Duration) -> Duration {
    duration.mul_f64(rand::rng().random_range(0.9..1.1))
}

async fn write(scauth: &ScAuth, status: ScAuthStatus, client: &Client) -> Result<(), Error> {
    if scauth.status.as_ref() == Some(&status) {
        return Ok(());
    }
    let patch = json!({
        "apiVersion": ScAuth::api_version(&()), "kind": ScAuth::kind(&()),
        "metadata": {"name": scauth.name_any(), "uid": scauth.uid()}, "status": status,
    });
    let params = PatchParams::apply(FIELD_MANAGER).force();
    let api: Api<ScAuth> = Api::all(client.clone());
    match api.patch_status(&scauth.name_any(), &params, &Patch::Apply(&patch)).await {
        Ok(_) => Ok(()),
        // It was deleted meanwhile.
        Err(kube::Error::Api(answer)) if matches!(answer.code, 404 | 409) => Ok(()),
        Err(error) => Err(Error::Report(error)),
    }
}

/// An event for each condition whose status or reason has changed.
async fn publish(scauth: &ScAuth, new: &ScAuthStatus, outcome: &Outcome, context: &Context) -> Result<(), Error> {
    let old = scauth.status.clone().unwrap_or_default().conditions;
    let mut events: Vec<_> = new
        .conditions
        .iter()
        .filter(|new| matches!(new.type_.as_str(), "Ready" | "Exposed"))
        .filter(|new| {
            !old.iter().any(|old| old.type_ == new.type_ && old.status == new.status && old.reason == new.reason)
        })
        .map(|new| {
            let calm = new.status == "True" || matches!(new.reason.as_str(), "RollingOut" | "NotWanted" | "NoAddress");
            (
                if calm { EventType::Normal } else { EventType::Warning },
                new.reason.clone(),
                format!("{}={}: {}", new.type_, new.status, new.message),
            )
        })
        .collect();
    if matches!(outcome, Outcome::Applied(applied) if applied.1.keys_were_lost) {
        let message = "the Secret with the signing keys had vanished and was made anew: every token is void".to_owned();
        events.push((EventType::Warning, "KeysLost".to_owned(), message));
    }
    for (type_, reason, note) in events {
        let note = Some(note.chars().take(1_000).collect());
        let event = Event { type_, reason, note, action: "Reconcile".to_owned(), secondary: None };
        if let Err(error) = context.recorder.publish(&event, &scauth.object_ref(&())).await {
            tracing::warn!(%error, "an event could not be published");
        }
    }
    Ok(())
}
