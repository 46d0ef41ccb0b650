//! Ready, Reconciling and Stalled.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use kube::ResourceExt as _;
use sc_auth_contract::settings::DecidedBy;

use super::earlier::{before, is_expired, unreachable};
use super::missing::{missing, reason};
use crate::scauth::capacity::State;
use crate::scauth::child::Child;
use crate::scauth::health::PodReports;
use crate::scauth::names::ANNOTATION_UPGRADE_TO;
use crate::scauth::references::Role;
use crate::scauth::release::UpgradeTurn;
use crate::scauth::report::input::ConditionInput;
use crate::scauth::report::outcome::Pause;
use crate::scauth::resolved::NamespaceUse;
use crate::scauth::rollout::Cause;
use crate::scauth::scale::Scale;
use crate::scauth::volume;
use crate::shared::conditions::{ConditionStatus, ConditionType, ConditionUpdate, update};
use crate::shared::reasons::Reason;

/// The message of Stalled where it is False.
const NOT_STALLED: &str = "no change of the spec is needed";

pub fn active(
    input: &ConditionInput<'_>,
    database: &ConditionUpdate,
    exposed: &ConditionUpdate,
    turn: &UpgradeTurn,
) -> Vec<ConditionUpdate> {
    about_the_volume(input, about_the_pods(input, database, exposed, turn))
}

fn about_the_pods(
    input: &ConditionInput<'_>,
    database: &ConditionUpdate,
    exposed: &ConditionUpdate,
    turn: &UpgradeTurn,
) -> Vec<ConditionUpdate> {
    match obstacle(input, database, exposed) {
        Some((reason, message)) => vec![
            update(ConditionType::Ready, unless_unknown(reason), reason, message.clone()),
            update(ConditionType::Reconciling, ConditionStatus::True, reason, message),
            update(ConditionType::Stalled, ConditionStatus::False, Reason::Done, NOT_STALLED),
        ],
        None => vec![
            update(
                ConditionType::Ready,
                ConditionStatus::True,
                Reason::Serving,
                serving(input, turn) + &see(database) + &see(exposed),
            ),
            update(ConditionType::Reconciling, ConditionStatus::False, Reason::Done, "the spec is applied"),
            update(ConditionType::Stalled, ConditionStatus::False, Reason::Done, NOT_STALLED),
        ],
    }
}

/// The status of a condition that is not True for this reason.
fn unless_unknown(reason: Reason) -> ConditionStatus {
    if reason == Reason::PodsUnreachable { ConditionStatus::Unknown } else { ConditionStatus::False }
}

/// Refers to a problem that does not keep the pods from serving.
fn see(other: &ConditionUpdate) -> String {
    let is_problem = match other.kind {
        ConditionType::DatabaseReady => {
            other.status == ConditionStatus::False || other.reason == Reason::PodsUnreachable
        }
        _ => matches!(other.reason, Reason::SecretNotFound | Reason::CertificateInvalid),
    };
    if is_problem { format!("; see {}", other.kind) } else { String::new() }
}

/// The volume differs from the spec: Ready still reports the pods, and the other two conditions report the volume.
fn about_the_volume(input: &ConditionInput<'_>, mut updates: Vec<ConditionUpdate>) -> Vec<ConditionUpdate> {
    if volume::is_going(input.children) {
        return updates;
    }
    let unsettled = input.resolved.database.volume().and_then(|volume| match &volume.state {
        State::Growing(message) => Some((Reason::VolumeResizing, message)),
        State::Pending(message) => Some((Reason::VolumePending, message)),
        State::Settled | State::Kept(_) => None,
    });
    let refused = input.not_grown.map(|(reason, message)| (*reason, message));
    let Some((reason, message)) = refused.or(unsettled) else { return updates };
    let kind = if matches!(reason, Reason::VolumeNotExpandable | Reason::Invalid) {
        ConditionType::Stalled
    } else {
        ConditionType::Reconciling
    };
    for other in updates.iter_mut().filter(|other| other.kind == kind && other.status == ConditionStatus::False) {
        *other = update(kind, ConditionStatus::True, reason, message);
    }
    updates
}

fn serving(input: &ConditionInput<'_>, turn: &UpgradeTurn) -> String {
    let count = input.rollout.wanted;
    let mut message = format!("{count} of {count} replicas serve");
    if let (UpgradeTurn::After { scauth, reason }, Some(version)) = (turn, &input.resolved.release.available) {
        let _ = write!(message, "; the upgrade to release {version} waits for ScAuth {scauth}");
        if let Some(reason) = reason {
            let _ = write!(message, ", which has that release and is not Ready ({reason})");
        }
    }
    if let Some(State::Kept(volume)) = input.resolved.database.volume().map(|volume| &volume.state) {
        let _ = write!(message, "; {volume}");
    }
    message + &rivalry(input) + &pause(input) + &ignored(input) + &unknown(input) + &later(input) + &warnings(input)
}

/// Labels and annotations that the operator does not set, since the namespace is the user's.
fn ignored(input: &ConditionInput<'_>) -> String {
    let (resolved, live) = (input.resolved, input.observed.children.get(&Child::Namespace));
    let Some(live) = live.filter(|_| resolved.namespace == NamespaceUse::Users) else { return String::new() };
    let fields = [
        ("spec.namespaceLabels", &resolved.namespace_labels, live.labels()),
        ("spec.namespaceAnnotations", &resolved.namespace_annotations, live.annotations()),
    ];
    let lacks = |wanted: &BTreeMap<String, String>, live: &BTreeMap<String, String>| {
        wanted.iter().any(|(name, value)| live.get(name) != Some(value))
    };
    let unmet = fields.into_iter().filter(|(_, wanted, live)| lacks(wanted, live)).map(|(field, ..)| field);
    let unmet: Vec<_> = unmet.collect();
    if unmet.is_empty() {
        return String::new();
    }
    let namespace = &resolved.names.namespace;
    format!("; namespace {namespace} is yours, and the operator does not apply {} to it", unmet.join(" and "))
}

/// Fields that the pods' release does not know. OpenIdReady reports those of `spec.login`.
fn unknown(input: &ConditionInput<'_>) -> String {
    let resolved = input.resolved;
    let fields = resolved.settings.recent.iter().filter_map(|(setting, _)| match setting.decided_by {
        DecidedBy::Spec(path) if !path.starts_with("spec.login.") => Some(path),
        _ => None,
    });
    let fields: Vec<_> = fields.filter(|_| !resolved.release.knows_recent_settings()).collect();
    if fields.is_empty() {
        return String::new();
    }
    format!(
        "; the pods run an earlier release without {}: upgrade them with the annotation {ANNOTATION_UPGRADE_TO}",
        fields.join(" and ")
    )
}

/// What the spec names and the running pods have no need of.
fn later(input: &ConditionInput<'_>) -> String {
    let missing = [Role::Start, Role::Pull].into_iter().filter_map(|role| missing(input, role));
    missing.fold(String::new(), |text, missing| text + "; " + &missing)
}

/// Reports that a person has paused the Deployment.
fn pause(input: &ConditionInput<'_>) -> String {
    let names = &input.resolved.names;
    if !input.rollout.is_paused {
        return String::new();
    }
    format!(
        "; the Deployment is paused, so that pods do not get a new spec: kubectl -n {} rollout resume deployment/{}",
        names.namespace, names.scauth
    )
}

/// Settings of the pods that have no effect, as they report them.
fn warnings(input: &ConditionInput<'_>) -> String {
    let warnings = input.observed.reports.health().map(|health| &health.warnings);
    warnings.into_iter().flatten().fold(String::new(), |text, warning| text + "; " + warning)
}

/// Reports an autoscaler of another owner that sets the number of replicas, or tries to.
fn rivalry(input: &ConditionInput<'_>) -> String {
    match (&input.resolved.scale, &input.observed.foreign_autoscaler) {
        (Scale::Theirs { autoscaler, .. }, _) => {
            format!("; HorizontalPodAutoscaler {autoscaler} sets the number of replicas, and spec.replicas is ignored")
        }
        (Scale::Fixed(replicas), Some(autoscaler)) => format!(
            "; HorizontalPodAutoscaler {} changes the number of replicas, and the operator sets it back to {replicas}, \
             since an embedded database has one writer: delete the HorizontalPodAutoscaler",
            autoscaler.name_any()
        ),
        _ => String::new(),
    }
}

/// Why it is not Ready; the first reason is the one to fix first.
fn obstacle(
    input: &ConditionInput<'_>,
    database: &ConditionUpdate,
    exposed: &ConditionUpdate,
) -> Option<(Reason, String)> {
    if let Some(problem) = input.keys.broken {
        return Some((Reason::KeysUnreadable, problem.to_owned()));
    }
    if !input.rollout.is_done() {
        if let Some(paused) = held_by_pause(input, database) {
            return Some(paused);
        }
        if database.status == ConditionStatus::False && !leaves_clients_alone(database.reason) {
            return Some((database.reason, database.message.clone()));
        }
        return Some(not_done(input));
    }
    refusing(input, database).or_else(|| not_reached(exposed))
}

/// The Deployment is paused: pods do not get the current spec, whatever else is missing. What keeps the running pods from
/// serving is a reason of its own.
fn held_by_pause(input: &ConditionInput<'_>, database: &ConditionUpdate) -> Option<(Reason, String)> {
    if !input.rollout.is_paused || input.rollout.updated >= input.rollout.wanted {
        return None;
    }
    let is_held =
        matches!(database.reason, Reason::DatabaseUnreachable | Reason::DatabaseLost | Reason::DatabaseChanged);
    if is_held && database.status == ConditionStatus::False && input.rollout.available > 0 {
        return Some((database.reason, database.message.clone() + &pause(input)));
    }
    let waits = [Role::Database, Role::Start, Role::Pull].into_iter().filter_map(|role| missing(input, role));
    let others: Vec<_> = waits.chain(input.trouble().map(|trouble| trouble.message)).collect();
    Some((Reason::RolloutPaused, others.iter().fold(progress(input), |text, other| text + "; " + other)))
}

/// Why not all pods have the current spec and serve.
fn not_done(input: &ConditionInput<'_>) -> (Reason, String) {
    if let Some(missing) = missing(input, Role::Start) {
        return (reason(input, Role::Start), missing);
    }
    match input.trouble() {
        Some(trouble) if trouble.cause == Cause::Image => {
            let missing = missing(input, Role::Pull).map(|missing| format!("; {missing}")).unwrap_or_default();
            (trouble.cause.reason(), trouble.message + &missing)
        }
        Some(trouble) => (trouble.cause.reason(), trouble.message),
        None => (Reason::RollingOut, progress(input)),
    }
}

/// Whether pods start and serve in spite of the reason.
fn leaves_clients_alone(reason: Reason) -> bool {
    matches!(reason, Reason::DatabaseShared | Reason::AddressUnusable | Reason::VolumeAtRisk)
}

/// Why clients get errors although all pods are ready, according to the pods.
fn refusing(input: &ConditionInput<'_>, database: &ConditionUpdate) -> Option<(Reason, String)> {
    let because_of_database = || Some((database.reason, database.message.clone()));
    if database.reason == Reason::DatabaseUnreachable {
        return because_of_database();
    }
    match &input.observed.reports {
        PodReports::Received(health) if health.hold.is_some() => {
            // Unknown if the database was accepted and the pods are about to pick that up.
            let reason = if database.status == ConditionStatus::False { database.reason } else { Reason::RollingOut };
            Some((reason, database.message.clone()))
        }
        // Also if the pods could use another database, which is then the condition's reason.
        PodReports::Received(health) if !health.database_reachable && database.status == ConditionStatus::False => {
            because_of_database()
        }
        PodReports::Received(health) if health.fails => {
            let message =
                "pods answered requests with a 5xx status within the last minute; the logs of the pods have the reason";
            Some((Reason::ServerErrors, message.to_owned()))
        }
        PodReports::Received(_) => None,
        PodReports::NotPolled => match before(input, ConditionType::Ready) {
            Some(ready) if ready.status == ConditionStatus::True => None,
            Some(ready) if ready.reason == Reason::ServerErrors => Some((ready.reason, ready.message)),
            Some(ready) if ready.status == ConditionStatus::Unknown => Some(still_unknown(&ready)),
            Some(ready) if ready.reason == database.reason => because_of_database(),
            _ => Some((
                Reason::RollingOut,
                "all replicas are ready; the operator is about to query their status".to_owned(),
            )),
        },
        PodReports::Unreachable { .. } if is_expired(input, ConditionType::Ready) => None,
        PodReports::Unreachable { since } => match before(input, ConditionType::Ready) {
            Some(ready) if ready.status == ConditionStatus::True => None,
            Some(ready) if ready.status == ConditionStatus::Unknown => Some(still_unknown(&ready)),
            Some(ready) if ready.reason == Reason::ServerErrors => Some(still_unknown(&unreachable(ready, *since))),
            _ => because_of_database().filter(|(reason, _)| *reason == Reason::PodsUnreachable),
        },
    }
}

/// The only reason for which Ready is Unknown; `Suspended` and `Terminating` may hide it.
fn still_unknown(ready: &ConditionUpdate) -> (Reason, String) {
    let after = |pause: &str| ready.message.strip_prefix(pause)?.strip_prefix("; ");
    let message = [SUSPENDED, TERMINATING].into_iter().find_map(after).unwrap_or(&ready.message);
    (Reason::PodsUnreachable, message.to_owned())
}

/// Serving pods are not enough if the host in the spec leads nowhere, or to another ScAuth.
fn not_reached(exposed: &ConditionUpdate) -> Option<(Reason, String)> {
    let is_so = matches!(exposed.reason, Reason::GatewayApiMissing | Reason::HostTaken);
    is_so.then(|| (exposed.reason, exposed.message.clone()))
}

fn progress(input: &ConditionInput<'_>) -> String {
    let rollout = &input.rollout;
    let (wanted, available, updated) = (rollout.wanted, rollout.available, rollout.updated);
    let (rivalry, pause) = (rivalry(input), pause(input));
    format!("{available} of {wanted} replicas are available, {updated} have the current spec{rivalry}{pause}")
}

/// The beginnings of Ready's message while the operator changes nothing.
const SUSPENDED: &str = "spec.suspend is set: the operator changes nothing";
const TERMINATING: &str = "the ScAuth is being deleted: the operator changes nothing";

/// While the operator changes nothing, Ready describes the existing objects.
pub fn paused(
    input: &ConditionInput<'_>,
    database: &ConditionUpdate,
    exposed: &ConditionUpdate,
    why: &Pause,
) -> Vec<ConditionUpdate> {
    let (reason, pause) = match why {
        Pause::Suspended { .. } => (Reason::Suspended, SUSPENDED),
        Pause::Terminating { .. } => (Reason::Terminating, TERMINATING),
    };
    let (ready, message) = match why {
        Pause::Suspended { pending } if !pending.is_empty() => {
            let pending = pending.join(", ");
            (ConditionStatus::False, format!("spec.suspend is set, and changes to these are pending: {pending}"))
        }
        _ => as_it_is(input, database, exposed, pause),
    };
    // The message of Unknown is taken from the one before, and has it already if it was known then.
    let message = if ready == ConditionStatus::Unknown { message } else { message + &of_next_pods(input) };
    let reconciling = match why {
        Pause::Suspended { .. } => update(ConditionType::Reconciling, ConditionStatus::False, reason, message.clone()),
        Pause::Terminating { fate } => update(ConditionType::Reconciling, ConditionStatus::True, reason, fate),
    };
    vec![
        update(ConditionType::Ready, ready, reason, message),
        reconciling,
        update(ConditionType::Stalled, ConditionStatus::False, reason, NOT_STALLED),
    ]
}

/// What pods that start lack, and why those that were started do not run.
fn of_next_pods(input: &ConditionInput<'_>) -> String {
    let trouble = input.trouble().filter(|_| !input.rollout.is_done());
    trouble.map(|trouble| format!("; {}", trouble.message)).unwrap_or_default() + &later(input)
}

fn as_it_is(
    input: &ConditionInput<'_>,
    database: &ConditionUpdate,
    exposed: &ConditionUpdate,
    pause: &str,
) -> (ConditionStatus, String) {
    let is_done = input.rollout.is_done();
    if let Some((reason, message)) = refusing(input, database).filter(|_| is_done).or_else(|| not_reached(exposed)) {
        return (unless_unknown(reason), format!("{pause}; {message}"));
    }
    if is_done {
        let count = input.rollout.wanted;
        return (ConditionStatus::True, format!("{count} of {count} replicas serve; {pause}"));
    }
    (ConditionStatus::False, format!("{pause}; {}", progress(input)))
}
