//! The server's background tasks: they reload changed files and delete expired rows.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use sc_auth_contract::time::UnixTime;
use tokio_util::sync::CancellationToken;

use super::start::{Begun, Start};
use super::{clients, credentials, deployment, imported};
use crate::auth::audit;
use crate::auth::keys::{KeyRing, Keys, Reload};
use crate::auth::oidc::{limit_consents, limit_grants};
use crate::auth::session::Sessions;
use crate::auth::throttle;
use crate::backchannel;
use crate::clock::Clock;
use crate::config::ServeArgs;
use crate::http::{App, refusals};
use crate::logging;
use crate::metrics::Metrics;
use crate::reloaded::watch;
use crate::report::Report;
use crate::store::StoreError;

/// How often files are checked. Kubernetes takes about a minute to update a mounted one.
const FILES: Duration = Duration::from_secs(5);
/// How often the declared clients are checked: somebody may be waiting for a new client.
const DECLARED: Duration = Duration::from_secs(1);
/// How often expired rows are deleted and sessions are counted.
const SWEEP: Duration = Duration::from_mins(1);
const SWEEP_DUE: Duration = Duration::from_secs(55);
/// How long a heartbeat is kept.
const HEARTBEATS: Duration = Duration::from_hours(24);

/// Starts all tasks; `stop` ends them.
pub fn start(begun: Begun, args: &ServeArgs, start: &Start<'_>, report: &Report, stop: &CancellationToken) {
    let file = &start.deployment;
    let Begun { app, count } = begun;
    let (sessions, metrics, clock) = (&app.sessions, &app.metrics, app.clock);
    show(&sessions.keys, metrics);
    spawn(stop, watch_keys(Arc::clone(sessions), metrics.clone(), clock));
    spawn(stop, sweep(Arc::clone(sessions), metrics.clone(), clock, Audit::of(args)));
    spawn(stop, flush_refusals(app.clone()));
    spawn(stop, imported::watch(Arc::clone(sessions), count));
    spawn(stop, credentials::watch(Arc::clone(sessions), args.database.clone(), report.clone()));
    spawn(stop, watch(Arc::clone(file), FILES));
    if let Some(declared) = &start.declared {
        spawn(stop, watch(Arc::clone(declared), DECLARED));
    }
    if let Some(logo) = &start.look.logo {
        spawn(stop, watch(Arc::clone(logo), FILES));
    }
    if let Some(openid) = &start.openid {
        spawn(stop, watch(Arc::clone(&openid.keys), FILES));
        spawn(stop, clients::watch(Arc::clone(sessions), Arc::clone(&openid.declared), clock));
        spawn(stop, backchannel::run(Arc::clone(sessions), Arc::clone(openid), Arc::clone(&start.sender), clock));
    }
    spawn(stop, deployment::beat(Arc::clone(sessions), Arc::clone(file), clock));
    spawn(stop, deployment::watch_keys(Arc::clone(sessions), report.clone(), clock));
}

fn spawn(stop: &CancellationToken, work: impl Future<Output = ()> + Send + 'static) {
    let stop = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            () = stop.cancelled() => {}
            () = work => {}
        }
    });
}

async fn watch_keys(sessions: Arc<Sessions>, metrics: Metrics, clock: Clock) {
    let keys = &sessions.keys;
    let mut was_broken = false;
    loop {
        tokio::time::sleep(FILES).await;
        let before = keys.get();
        match keys.reload().await {
            // The file may have the loaded content again after it was broken.
            Reload::Unchanged => was_broken = false,
            Reload::Changed => {
                was_broken = false;
                let kid = keys.get().access().kid.clone();
                tracing::info!(signs_with = kid, "reloaded the keys file");
                show(keys, &metrics);
                // At once, while a key that opens the copy in the database still exists.
                sync_counter_keys(&sessions, clock()).await;
                remember_former_keys(&sessions, &before, clock()).await;
            }
            Reload::Broken(error) => {
                if !was_broken {
                    let error = logging::chain(error.as_ref());
                    tracing::error!(error, "cannot use the changed keys file; keeping the previous keys");
                }
                was_broken = true;
            }
        }
        metrics.show_keys_broken(was_broken);
    }
}

/// For servers that start later: this one remembers them until it ends.
async fn remember_former_keys(sessions: &Sessions, before: &Keys, now: UnixTime) {
    let keys = sessions.keys.get();
    let gone = before.all().iter().filter(|key| keys.find(&key.kid).is_none());
    let gone: Vec<_> = gone.map(|key| key.kid.clone()).collect();
    if let Err(error) = sessions.store.add_former_keys(&gone, now).await {
        tracing::warn!(error = logging::chain(&error), "could not record the keys that are no longer in use");
    }
}

/// On failure, the next sweep tries again.
async fn sync_counter_keys(sessions: &Sessions, now: UnixTime) {
    if let Err(error) = sessions.counter_keys.sync(&sessions.store, &sessions.keys.get(), now).await {
        tracing::warn!(
            error = logging::chain(error.as_ref()),
            "could not store the key of the failed-login counters; retrying in a minute"
        );
    }
}

async fn flush_refusals(app: App) {
    loop {
        tokio::time::sleep(FILES).await;
        refusals::flush(&app, (app.clock)()).await;
    }
}

fn show(keys: &KeyRing, metrics: &Metrics) {
    let keys = keys.get();
    let shown: Vec<_> =
        keys.all().iter().map(|key| (key.purpose.to_string(), key.state.to_string(), key.since)).collect();
    metrics.show_keys(&shown);
}

/// The audit events to keep.
#[derive(Clone, Copy)]
struct Audit {
    retention: Duration,
    most: u64,
}

impl Audit {
    fn of(args: &ServeArgs) -> Self {
        Self { retention: args.guards.audit_retention, most: args.guards.audit_max_events }
    }
}

async fn sweep(sessions: Arc<Sessions>, metrics: Metrics, clock: Clock, audit: Audit) {
    // Not at once: the server is busy enough while it starts.
    tokio::time::sleep(FILES).await;
    let mut place = Place::default();
    loop {
        let now = clock();
        sync_counter_keys(&sessions, now).await;
        if let Some(count) = done("count the sessions", sessions.store.count_sessions(now).await) {
            metrics.show_sessions(count);
        }
        if let Some(count) = done("count the logouts that wait", sessions.store.count_logouts().await) {
            metrics.show_waiting_logout_tokens(count);
        }
        if is_due(&sessions, "sweep", now).await {
            place.sessions = sweep_once(&sessions, place.sessions, now, audit).await;
        }
        // A chore of its own: servers of release 0.2, which may take the other one each time, know nothing of these.
        if is_due(&sessions, "applications", now).await {
            place.receivers = sweep_applications(&sessions, place.receivers, now).await;
        }
        tokio::time::sleep(SWEEP).await;
    }
}

/// The ids of the rows to continue after.
#[derive(Debug, Default, Clone, Copy)]
struct Place {
    sessions: i64,
    receivers: i64,
}

/// Whether this server does a chore now, which another one did at least a minute ago.
async fn is_due(sessions: &Sessions, chore: &str, now: UnixTime) -> bool {
    done("begin to delete expired rows", sessions.store.claim_chore(chore, now, SWEEP_DUE).await) == Some(true)
}

/// Deletes what applications no longer need, and bounds the rest. Some rows are checked from `place` on; returns the place to
/// continue from.
async fn sweep_applications(sessions: &Sessions, place: i64, now: UnixTime) -> i64 {
    let store = &sessions.store;
    let next = store.end_orphaned(place, now).await;
    let next = done("notify applications of sessions that release 0.2 ended", next);
    done("limit the receivers of logouts", backchannel::limit_receivers(sessions).await);
    done("limit the logouts that wait", backchannel::limit_waiting(sessions).await);
    done("delete old logouts", backchannel::delete_expired(sessions, now).await);
    done("delete expired grants", store.sweep_grants(now).await);
    done("limit grants", limit_grants(sessions, now).await);
    done("limit consents", limit_consents(sessions).await);
    next.unwrap_or(place)
}

/// Deletes expired rows. Some are checked from `place` on; returns the place to continue from.
async fn sweep_once(sessions: &Sessions, place: i64, now: UnixTime, kept: Audit) -> i64 {
    let store = &sessions.store;
    let (next, expired) = done("delete expired sessions", store.sweep_sessions(place, now).await).unwrap_or((place, 0));
    done("end idle sessions", sessions.prune(now).await);
    done("sort audit events", store.sort_audit_events(audit::tier).await);
    let old = done("delete old audit events", store.sweep_audit_events(now - kept.retention).await);
    let more = done("delete audit events", store.prune_audit_events(kept.most).await);
    let failures = done("delete old login failures", store.sweep_failures(now - throttle::FORGET_AFTER).await);
    done("delete unused networks", store.sweep_networks(now - throttle::FORGET_NETWORK_AFTER).await);
    done("delete expired issuers and audiences", store.sweep_parties(now).await);
    done("delete former keys", store.sweep_former_keys(now).await);
    done("delete old heartbeats", store.sweep_heartbeats(now - HEARTBEATS).await);
    tracing::debug!(expired, ?old, ?more, ?failures, "deleted expired rows");
    next
}

/// Logs the error of a step, so that the other steps run nevertheless: some of them bound what clients can fill.
fn done<T>(step: &str, result: Result<T, StoreError>) -> Option<T> {
    let log = |error: &StoreError| {
        tracing::warn!(error = logging::chain(error), "could not {step}; retrying in a minute");
    };
    result.inspect_err(log).ok()
}
