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
use kube::Client;
use kube_runtime::controller::Action;
use kube_runtime::events::Recorder;
use rand::RngExt as _;

use crate::api::ScAuth;
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
            match Box::pin(apply::apply(client, &validated, children, &observed, (context.clock)())).await {
                Ok(applied) => Outcome::Applied(Box::new((validated, applied))),
                Err(error) => Outcome::Failed(error),
            }
        }
    };
    report::report(scauth, &observed, &outcome, context).await.map_err(Error::Report)?;
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
