//! The conditions. docs/conditions.md lists each reason with what to do.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::{Facts, Outcome};
use crate::kinds::Kind;
use crate::reasons::Reason;
use crate::reconcile::exposure::{has_address, is_accepted, words_of_gateways};
use crate::reconcile::rollout::{Cause, Trouble};
use crate::reconcile::validate::{http_route, ingress};
use crate::release::Turn;

/// One condition without its times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub kind: &'static str,
    pub status: &'static str,
    pub reason: Reason,
    pub message: String,
}

fn finding(kind: &'static str, status: &'static str, reason: Reason, message: impl Into<String>) -> Finding {
    Finding { kind, status, reason, message: message.into() }
}

/// Whether it asks nothing of anybody.
pub fn is_calm(condition: &Condition) -> bool {
    condition.status == "True" || condition.reason.parse().is_ok_and(Reason::is_calm)
}

pub fn findings(outcome: &Outcome, facts: Option<&Facts<'_>>, turn: &Turn) -> Vec<Finding> {
    let Some(facts) = facts else {
        return match outcome {
            Outcome::Refused(refusal) => blocked(refusal.reason, &refusal.message, refusal.is_final),
            Outcome::Failed(error) => blocked(error.reason(), &error.to_string(), error.reason() == Reason::Invalid),
            Outcome::Applied(_) | Outcome::Suspended(_) => Vec::new(),
        };
    };
    let database = database(facts);
    let exposed = exposed(facts);
    let mut findings = match outcome {
        Outcome::Suspended(suspended) => asleep(facts, &suspended.1.pending),
        _ => awake(facts, &database, &exposed, turn),
    };
    findings.extend([database, exposed]);
    findings.extend(monitored(facts));
    findings
}

fn blocked(reason: Reason, message: &str, is_final: bool) -> Vec<Finding> {
    let (reconciling, stalled) = if is_final { ("False", "True") } else { ("True", "False") };
    vec![
        finding("Ready", "False", reason, message),
        finding("Reconciling", reconciling, reason, message),
        finding("Stalled", stalled, reason, message),
    ]
}

fn awake(facts: &Facts<'_>, database: &Finding, exposed: &Finding, turn: &Turn) -> Vec<Finding> {
    match obstacle(facts, database, exposed) {
        Some((reason, message)) => vec![
            finding("Ready", "False", reason, message.clone()),
            finding("Reconciling", "True", reason, message),
            finding("Stalled", "False", Reason::Done, ""),
        ],
        None => vec![
            finding("Ready", "True", Reason::Serving, serving(facts, turn)),
            finding("Reconciling", "False", Reason::Done, ""),
            finding("Stalled", "False", Reason::Done, ""),
        ],
    }
}

fn serving(facts: &Facts<'_>, turn: &Turn) -> String {
    let count = facts.rollout.wanted;
    match (turn, &facts.validated.release.available) {
        (Turn::After(other), Some(version)) => {
            format!("{count} of {count} replicas serve; release {version} waits for ScAuth {other}")
        }
        _ => format!("{count} of {count} replicas serve"),
    }
}

/// What keeps it from being Ready; the first reason is the one to mend first.
fn obstacle(facts: &Facts<'_>, database: &Finding, exposed: &Finding) -> Option<(Reason, String)> {
    if let Some(problem) = facts.broken_keys {
        return Some((Reason::KeysUnreadable, problem.to_owned()));
    }
    if !facts.rollout.is_done() {
        if database.status == "False" {
            return Some((database.reason, database.message.clone()));
        }
        return Some(match trouble(facts) {
            Some(trouble) => (trouble.cause.reason(), trouble.message.clone()),
            None => (Reason::RollingOut, progress(facts)),
        });
    }
    if database.reason == Reason::DatabaseUnreachable {
        return Some((database.reason, database.message.clone()));
    }
    (exposed.reason == Reason::GatewayApiMissing).then(|| (exposed.reason, exposed.message.clone()))
}

fn progress(facts: &Facts<'_>) -> String {
    let rollout = &facts.rollout;
    let (wanted, available, updated) = (rollout.wanted, rollout.available, rollout.updated);
    format!("{available} of {wanted} replicas are available, {updated} of the current spec")
}

fn trouble<'a>(facts: &'a Facts<'_>) -> Option<&'a Trouble> {
    facts.observed.troubles.iter().chain(&facts.rollout.trouble).min()
}

/// While suspended, Ready is about what is there.
fn asleep(facts: &Facts<'_>, pending: &[String]) -> Vec<Finding> {
    let count = facts.rollout.wanted;
    let (ready, message) = if !pending.is_empty() {
        ("False", format!("spec.suspend is set, and these wait to be changed: {}", pending.join(", ")))
    } else if facts.rollout.is_done() {
        ("True", format!("{count} of {count} replicas serve; spec.suspend is set: nothing is changed"))
    } else {
        ("False", format!("spec.suspend is set: nothing is changed; {}", progress(facts)))
    };
    vec![
        finding("Ready", ready, Reason::Suspended, message.clone()),
        finding("Reconciling", "False", Reason::Suspended, message),
        finding("Stalled", "False", Reason::Suspended, ""),
    ]
}

fn database(facts: &Facts<'_>) -> Finding {
    let missing = &facts.observed.missing_secrets;
    if !missing.is_empty() {
        let (names, namespace) = (missing.join(", "), &facts.validated.names.namespace);
        let message = format!("Secret {names} is missing in namespace {namespace}; the pods wait for it");
        return finding("DatabaseReady", "False", Reason::SecretNotFound, message);
    }
    match trouble(facts) {
        Some(trouble) if matches!(trouble.cause, Cause::Migration | Cause::Start) => {
            return finding("DatabaseReady", "False", trouble.cause.reason(), trouble.message.clone());
        }
        _ => {}
    }
    let is_reached = facts.observed.health.map(|health| health.database_reachable);
    match (is_reached, facts.rollout.available) {
        (Some(false), 1..) => {
            let message = "the pods do not reach the database; their logs say why, and clients get 503 until they do";
            finding("DatabaseReady", "False", Reason::DatabaseUnreachable, message)
        }
        (_, 1..) => finding(
            "DatabaseReady",
            "True",
            Reason::Migrated,
            "the pods reach it, and its tables are as they are to be",
        ),
        _ => finding("DatabaseReady", "Unknown", Reason::Starting, "no pod has reached it yet"),
    }
}

fn exposed(facts: &Facts<'_>) -> Finding {
    let spec = &facts.validated.spec;
    if let Some(wanted) = ingress(spec) {
        return by_ingress(facts, &wanted.host, wanted.class_name.as_deref());
    }
    if let Some(wanted) = http_route(spec) {
        return by_route(facts, &wanted.hostnames.join(", "));
    }
    finding(
        "Exposed",
        "False",
        Reason::NotWanted,
        "spec.expose names no ingress and no httpRoute: only the Service reaches the API",
    )
}

fn by_ingress(facts: &Facts<'_>, host: &str, class: Option<&str>) -> Finding {
    if facts.children.get(&Kind::Ingress).is_some_and(has_address) {
        return admitted(facts, host);
    }
    let class = class.unwrap_or("the default class");
    let message = format!("no ingress controller has taken the Ingress up yet; is there one for {class}?");
    finding("Exposed", "Unknown", Reason::NoAddress, message)
}

fn by_route(facts: &Facts<'_>, hosts: &str) -> Finding {
    if facts.unknown_kinds.contains(&Kind::HttpRoute) {
        let message = "the cluster has no HTTPRoute: install Gateway API, or use spec.expose.ingress";
        return finding("Exposed", "False", Reason::GatewayApiMissing, message);
    }
    let route = facts.children.get(&Kind::HttpRoute);
    let words: Vec<_> = route.into_iter().flat_map(words_of_gateways).collect();
    let refusal = |kind: &str| words.iter().find(|word| word["type"] == kind && word["status"] == "False");
    if let Some(refused) = refusal("Accepted").or_else(|| refusal("ResolvedRefs")) {
        let message =
            format!("a Gateway does not take the HTTPRoute: {}", refused["message"].as_str().unwrap_or_default());
        return finding("Exposed", "False", Reason::RouteRefused, message);
    }
    if route.is_some_and(is_accepted) {
        return admitted(facts, hosts);
    }
    finding(
        "Exposed",
        "Unknown",
        Reason::NoGateway,
        "no Gateway has taken the HTTPRoute up yet; is there one of that name?",
    )
}

/// Clients come through; whether they can be told apart is said too.
fn admitted(facts: &Facts<'_>, hosts: &str) -> Finding {
    let has_proxies = facts.validated.spec.expose.as_ref().is_some_and(|expose| !expose.trusted_proxies.is_empty());
    let hint =
        "; set spec.expose.trustedProxies to the ingress controller's networks, and logins are limited by address";
    let message = format!("clients reach it as {hosts}{}", if has_proxies { "" } else { hint });
    finding("Exposed", "True", Reason::Admitted, message)
}

fn monitored(facts: &Facts<'_>) -> Option<Finding> {
    facts.validated.spec.monitoring.as_ref()?;
    Some(if facts.unknown_kinds.contains(&Kind::ServiceMonitor) {
        let message = "the cluster has no ServiceMonitor: install the Prometheus operator, or remove spec.monitoring";
        finding("Monitored", "False", Reason::PrometheusOperatorMissing, message)
    } else {
        finding("Monitored", "True", Reason::Applied, "a ServiceMonitor tells Prometheus where the metrics are")
    })
}
