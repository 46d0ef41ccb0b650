//! DatabaseReady: whether the pods serve from the database that holds the data, and reach it.

use k8s_openapi::jiff::Timestamp;
use sc_auth_contract::status::{EMPTY_DATABASE, HoldReason, Offered, Other, Trouble, TroubleReason};

use super::earlier::{ALSO, ON_NETWORK, before, is_expired, unreachable};
use super::missing::missing;
use crate::scauth::health::{Health, PodReports};
use crate::scauth::identity::candidates;
use crate::scauth::names::ANNOTATION_ACCEPT_DATABASE;
use crate::scauth::references::Role;
use crate::scauth::report::input::ConditionInput;
use crate::scauth::rollout::Cause;
use crate::scauth::secret_problems;
use crate::scauth::volume;
use crate::shared::conditions::{ConditionStatus, ConditionType, ConditionUpdate, update};
use crate::shared::reasons::Reason;

const KIND: ConditionType = ConditionType::DatabaseReady;

pub fn find(input: &ConditionInput<'_>) -> ConditionUpdate {
    let mut found = match missing(input, Role::Database) {
        Some(missing) => without_secret(input, missing),
        None => of_pods(input),
    };
    found.message.extend(network(input));
    found
}

/// A problem of the running pods comes before the one of those that start later.
fn without_secret(input: &ConditionInput<'_>, missing: String) -> ConditionUpdate {
    if input.rollout.available == 0 {
        return not_ready(Reason::SecretNotFound, missing);
    }
    match of_pods(input) {
        found if found.status == ConditionStatus::False => {
            update(KIND, found.status, found.reason, found.message + ALSO + &missing)
        }
        _ => not_ready(Reason::SecretNotFound, missing),
    }
}

/// Warns of a file system on which SQLite may lose data.
fn network(input: &ConditionInput<'_>) -> Option<String> {
    let driver = input.observed.storage.network.as_ref()?;
    Some(format!("{ON_NETWORK}{}", volume::on_network(driver)))
}

fn of_pods(input: &ConditionInput<'_>) -> ConditionUpdate {
    let health = input.observed.reports.health();
    if let Some(changed) = health.and_then(|health| changed(input, health)) {
        return changed;
    }
    match input.trouble() {
        Some(trouble) if matches!(trouble.cause, Cause::Migration | Cause::Start | Cause::StorageClass) => {
            return not_ready(trouble.cause.reason(), trouble.message);
        }
        _ => {}
    }
    match &input.observed.reports {
        PodReports::Received(health) => said(input, health),
        PodReports::NotPolled => earlier_or_at_risk(input).unwrap_or_else(starting),
        PodReports::Unreachable { .. } if input.rollout.available == 0 => starting(),
        PodReports::Unreachable { since } => at_risk(input).unwrap_or_else(|| silent(input, *since)),
    }
}

/// No pod answers. A problem that they reported may be over; without one, their migration and their probes count.
fn silent(input: &ConditionInput<'_>, since: Option<Timestamp>) -> ConditionUpdate {
    match earlier(input) {
        Some(earlier) if earlier.status != ConditionStatus::True && !is_expired(input, KIND) => {
            unreachable(earlier, since)
        }
        _ => {
            let message = "the database was migrated, and the pods are ready; no pod answers the operator, which cannot \
                           check the connection";
            update(KIND, ConditionStatus::True, Reason::Migrated, message)
        }
    }
}

fn not_ready(reason: Reason, message: impl Into<String>) -> ConditionUpdate {
    update(KIND, ConditionStatus::False, reason, message)
}

fn starting() -> ConditionUpdate {
    update(KIND, ConditionStatus::Unknown, Reason::Starting, "no pod has connected to the database yet")
}

/// The pods' last report, if the condition came from them.
fn earlier(input: &ConditionInput<'_>) -> Option<ConditionUpdate> {
    let is_of_pods = |earlier: &ConditionUpdate| {
        let reasons = [
            Reason::DatabaseChanged,
            Reason::DatabaseLost,
            Reason::DatabaseShared,
            Reason::DatabaseUnreachable,
            Reason::AddressUnusable,
            Reason::PodsUnreachable,
        ];
        reasons.contains(&earlier.reason) || earlier.reason == Reason::Migrated && input.rollout.available > 0
    };
    before(input, KIND).filter(is_of_pods)
}

/// The API server reports a volume at risk, whatever the pods reported before.
fn earlier_or_at_risk(input: &ConditionInput<'_>) -> Option<ConditionUpdate> {
    match earlier(input) {
        Some(earlier) if earlier.status == ConditionStatus::False => Some(earlier),
        earlier => at_risk(input).or(earlier),
    }
}

fn said(input: &ConditionInput<'_>, health: &Health) -> ConditionUpdate {
    if let Some(hold) = &health.hold {
        let message = format!("database {} was accepted; the pods switch to it", hold.found);
        return update(KIND, ConditionStatus::Unknown, Reason::Starting, message);
    }
    if input.rollout.available == 0 {
        return starting();
    }
    if !health.database_reachable {
        return not_ready(Reason::DatabaseUnreachable, unreachable_because(health.trouble.as_ref()));
    }
    if let Some((offered, error)) = health.offered.as_ref().and_then(|offered| Some((offered, offered.error.as_ref()?)))
    {
        return not_ready(Reason::AddressUnusable, unusable(input, offered, error));
    }
    match health.others.iter().find(|other| is_older(other, input)) {
        Some(older) => shared(input, older),
        None => fine(input),
    }
}

/// Pods of a release before this one, and after a later one, name no reason that is known here.
fn unreachable_because(trouble: Option<&Trouble>) -> String {
    let found = match trouble.map(|trouble| trouble.reason) {
        None | Some(TroubleReason::Unreachable | TroubleReason::Unknown) => "the pods cannot reach the database",
        Some(TroubleReason::ReadOnly) => "the database is read-only, as a standby is",
        Some(TroubleReason::DiskFull) => "the disk of the database is full",
        Some(TroubleReason::DiskError) => "the database cannot read or write its files",
        Some(TroubleReason::Corrupt) => "the files of the database are damaged",
        Some(TroubleReason::TooManyConnections) => "the database has no connection left for the pods",
        Some(TroubleReason::LimitReached) => "the database, or its user, has reached a limit",
        Some(TroubleReason::Busy) => "all database connections of a pod are in use; `poolSize` sets their number",
        Some(TroubleReason::Locked) => "another client locks the database",
        Some(TroubleReason::AccessDenied) => "the database denies the pods access",
    };
    let said = match trouble {
        Some(trouble) => format!(": {}", trouble.message),
        None => "; the logs of the pods have the reason".to_owned(),
    };
    format!("{found}; clients get 503 until this is fixed{said}")
}

/// If the identity is known, the database is the expected one: pods can connect, but only after a restart.
fn unusable(input: &ConditionInput<'_>, offered: &Offered, error: &str) -> String {
    let names = &input.resolved.names;
    let error = secret_problems::explain(input.resolved, error);
    if offered.identity.is_some() {
        return format!(
            "running pods cannot switch to the address in the Secret, although it leads to the same database: {error}; they \
             keep using the previous address, and a pod that starts now uses the new one: kubectl -n {} rollout restart \
             deployment/{}",
            names.namespace, names.scauth
        );
    }
    format!(
        "the address or credentials in the Secret do not work: {error}; running pods keep using the previous ones, and a \
         pod that starts now cannot serve: correct the Secret"
    )
}

fn fine(input: &ConditionInput<'_>) -> ConditionUpdate {
    let fine = || {
        update(KIND, ConditionStatus::True, Reason::Migrated, "the database is reachable and its schema is up to date")
    };
    at_risk(input).unwrap_or_else(fine)
}

/// The volume of an embedded database would be lost with its pod.
fn at_risk(input: &ConditionInput<'_>) -> Option<ConditionUpdate> {
    let danger = volume::danger(input.children, &input.resolved.names)?;
    Some(not_ready(Reason::VolumeAtRisk, danger))
}

/// Pods found, or could use, another database than the one that contains the data.
fn changed(input: &ConditionInput<'_>, health: &Health) -> Option<ConditionUpdate> {
    let expected = input.resolved.expectation.database.as_deref();
    let found = candidates(health, expected);
    let held = health.hold.as_ref().filter(|hold| found.contains(hold.found.as_str()));
    let offered = health.offered.as_ref().and_then(|offered| offered.identity.as_deref());
    let offered = offered.filter(|offered| found.contains(offered));
    // During a rollout, the earlier pods still serve from their database.
    let served = || {
        let is_alone = expected.is_none() && found.len() < 2;
        let mut served = health.served.iter().map(|served| served.identity.as_str());
        served.find(|served| input.rollout.is_done() && !is_alone && found.contains(served))
    };
    let expected = expected.unwrap_or("none yet");
    if let Some(hold) = held {
        let is_lost = hold.reason == HoldReason::EmptyDatabase && input.resolved.database.is_embedded();
        if is_lost {
            return Some(lost(input, expected, &hold.found, "The pod answers 503 and changes nothing."));
        }
        let is_embedded = input.resolved.database.is_embedded();
        let repair = if is_embedded { "restore the right file" } else { "correct the database's Secret" };
        let serving = if health.served.is_empty() { "no pod serves" } else { "running pods keep using the first" };
        let message = format!(
            "the data is in database {expected}, but pods that start find a different one, {}: they answer 503 and change \
             nothing, and {serving}; {repair}, or {}",
            hold.found,
            accept(input, &hold.found)
        );
        return Some(not_ready(Reason::DatabaseChanged, message));
    }
    // The file was removed under the pod.
    let is_embedded = input.resolved.database.is_embedded();
    if let Some(found) = offered.filter(|found| is_embedded && found.starts_with(EMPTY_DATABASE)) {
        return Some(lost(
            input,
            expected,
            found,
            "The pod can no longer write and must be restarted once the file is restored.",
        ));
    }
    let (found, words) = match (offered, served()) {
        (Some(offered), _) => (offered, "the Secret now names a different one"),
        (None, Some(served)) => (served, "pods serve from a different one"),
        (None, None) => return None,
    };
    let stay =
        if offered.is_some() { "the pods keep using the first; correct the Secret" } else { "correct the Secret" };
    let message =
        format!("the data is in database {expected}, but {words}, {found}: {stay}, or {}", accept(input, found));
    Some(not_ready(Reason::DatabaseChanged, message))
}

fn lost(input: &ConditionInput<'_>, expected: &str, found: &str, effect: &str) -> ConditionUpdate {
    let names = &input.resolved.names;
    let message = format!(
        "volume {} no longer has a database: it had {expected}, with all users and sessions. {effect} Restore the file \
         (docs/backup.md), or {}",
        names.volume_claim(),
        accept(input, found).replace("use the other one", "start with an empty one")
    );
    not_ready(Reason::DatabaseLost, message)
}

/// How to accept that database.
fn accept(input: &ConditionInput<'_>, found: &str) -> String {
    let name = &input.resolved.names.scauth;
    match input.resolved.expectation.unmet.as_deref() {
        Some(unmet) if unmet == found => format!(
            "use the other one: its annotation was already used and counts only once; remove it first: kubectl annotate \
              scauth {name} {ANNOTATION_ACCEPT_DATABASE}-"
        ),
        unmet => {
            let stale = unmet.map(|unmet| format!(" (the annotation now names {unmet}, which no pod has found)"));
            format!(
                "use the other one with: kubectl annotate scauth {name} {ANNOTATION_ACCEPT_DATABASE}={found} --overwrite{}",
                stale.unwrap_or_default()
            )
        }
    }
}

/// The older ScAuth keeps the database: the younger one was just created.
fn is_older(other: &Other, input: &ConditionInput<'_>) -> bool {
    let (created, uid) = (input.resolved.expectation.created, &input.resolved.owner.uid);
    (other.created, &other.uid) < (created, uid)
}

fn shared(input: &ConditionInput<'_>, other: &Other) -> ConditionUpdate {
    let message = format!(
        "ScAuth {} (uid {}), which is older, uses the same database: both have the same users, and each rejects the \
         tokens of the other; give {} its own database, or delete one of the two",
        other.name, other.uid, input.resolved.names.scauth
    );
    not_ready(Reason::DatabaseShared, message)
}
