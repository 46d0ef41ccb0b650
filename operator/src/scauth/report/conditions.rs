//! The conditions, one file each. docs/conditions.md lists each reason and the action for it.

mod admin;
mod database;
mod earlier;
mod exposed;
mod keys;
mod missing;
mod monitored;
mod openid;
mod ready;

use super::input::ConditionInput;
use super::outcome::Outcome;
use crate::scauth::release::UpgradeTurn;
use crate::shared::conditions::{ConditionUpdate, blocked};
use crate::shared::reasons::Reason;

pub fn updates(outcome: &Outcome, input: Option<&ConditionInput<'_>>, turn: &UpgradeTurn) -> Vec<ConditionUpdate> {
    let Some(input) = input else { return not_applied(outcome) };
    let database = database::find(input);
    let exposed = exposed::find(input);
    let mut updates = match outcome {
        Outcome::Paused { why, .. } => ready::paused(input, &database, &exposed, why),
        Outcome::Applied { .. } => ready::active(input, &database, &exposed, turn),
        Outcome::Refused { .. } | Outcome::Blocked { .. } | Outcome::Failed(_) => not_applied(outcome),
    };
    let is_refused = !matches!(outcome, Outcome::Applied { .. } | Outcome::Paused { .. });
    let note = input.resolved.unknown_upgrade.as_ref().filter(|_| !is_refused);
    if let (Some(note), Some(ready)) = (note, updates.first_mut()) {
        ready.message = format!("{}; {note}", ready.message);
    }
    updates.extend([database, exposed]);
    let optional = [keys::find(input), admin::find(input), openid::find(input), monitored::find(input)];
    updates.extend(optional.into_iter().flatten());
    updates
}

/// Ready, Reconciling and Stalled of a spec that is not applied, or not all of it.
fn not_applied(outcome: &Outcome) -> Vec<ConditionUpdate> {
    match outcome {
        Outcome::Refused { refusal, .. } => blocked(refusal.reason, &refusal.message, refusal.is_final),
        Outcome::Blocked { error, .. } | Outcome::Failed(error) => {
            blocked(error.reason(), &error.to_string(), error.reason() == Reason::Invalid)
        }
        Outcome::Applied { .. } | Outcome::Paused { .. } => Vec::new(),
    }
}
