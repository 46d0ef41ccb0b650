//! The conditions, one file each. docs/conditions.md lists each reason with what to do.

mod database;
mod exposed;
mod monitored;
mod ready;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::{Facts, Outcome};
use crate::reasons::Reason;
use crate::reconcile::rollout::Trouble;
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
    let database = database::find(facts);
    let exposed = exposed::find(facts);
    let mut findings = match outcome {
        Outcome::Suspended(suspended) => ready::asleep(facts, &suspended.1.pending, &exposed),
        _ => ready::awake(facts, &database, &exposed, turn),
    };
    findings.extend([database, exposed]);
    findings.extend(monitored::find(facts));
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

fn trouble<'a>(facts: &'a Facts<'_>) -> Option<&'a Trouble> {
    facts.observed.troubles.iter().chain(&facts.rollout.trouble).min()
}
