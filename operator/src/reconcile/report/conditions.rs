//! The conditions, one file each. docs/conditions.md lists each reason with what to do.

mod admin;
mod database;
mod exposed;
mod keys;
mod monitored;
mod ready;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::{Facts, Outcome};
use crate::conditions::{ConditionStatus, ConditionType, find};
use crate::reasons::Reason;
use crate::release::Turn;
use crate::rollout::Trouble;

/// One condition without its times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub kind: ConditionType,
    pub status: ConditionStatus,
    pub reason: Reason,
    pub message: String,
}

fn finding(kind: ConditionType, status: ConditionStatus, reason: Reason, message: impl Into<String>) -> Finding {
    Finding { kind, status, reason, message: message.into() }
}

/// Whether it asks nothing of anybody.
pub fn is_calm(condition: &Condition) -> bool {
    condition.status == ConditionStatus::True || condition.reason.parse().is_ok_and(Reason::is_calm)
}

pub fn findings(outcome: &Outcome, facts: Option<&Facts<'_>>, turn: &Turn) -> Vec<Finding> {
    let Some(facts) = facts else {
        return match outcome {
            Outcome::Refused(refusal) => blocked(refusal.reason, &refusal.message, refusal.is_final),
            Outcome::Failed(error) => blocked(error.reason(), &error.to_string(), error.reason() == Reason::Invalid),
            Outcome::Applied { .. } | Outcome::Suspended { .. } => Vec::new(),
        };
    };
    let database = database::find(facts);
    let exposed = exposed::find(facts);
    let mut findings = match outcome {
        Outcome::Suspended { pending, .. } => ready::asleep(facts, &database, &exposed, pending),
        _ => ready::awake(facts, &database, &exposed, turn),
    };
    findings.extend([database, exposed]);
    findings.extend([keys::find(facts), admin::find(facts), monitored::find(facts)].into_iter().flatten());
    findings
}

fn blocked(reason: Reason, message: &str, is_final: bool) -> Vec<Finding> {
    let (reconciling, stalled) = (ConditionStatus::from(!is_final), ConditionStatus::from(is_final));
    vec![
        finding(ConditionType::Ready, ConditionStatus::False, reason, message),
        finding(ConditionType::Reconciling, reconciling, reason, message),
        finding(ConditionType::Stalled, stalled, reason, message),
    ]
}

/// A condition as it was, while the pods have not been asked since.
fn before(facts: &Facts<'_>, kind: ConditionType) -> Option<Finding> {
    let old = find(facts.before, kind)?;
    Some(finding(kind, old.status.parse().ok()?, old.reason.parse().ok()?, old.message.clone()))
}

fn trouble<'a>(facts: &'a Facts<'_>) -> Option<&'a Trouble> {
    facts.observed.troubles.iter().chain(&facts.rollout.trouble).min()
}
