//! KeysReady: whether the keys of the sessions in the database still exist, and whether all pods use those in the
//! Secret. The pods report this; those of release 0.2 do not, and then the condition is absent.

use super::earlier::{before, is_expired, unreachable};
use crate::scauth::health::{Health, PodReports};
use crate::scauth::report::input::ConditionInput;
use crate::shared::conditions::{ConditionStatus, ConditionType, ConditionUpdate, update};
use crate::shared::reasons::Reason;

const KIND: ConditionType = ConditionType::KeysReady;

pub fn find(input: &ConditionInput<'_>) -> Option<ConditionUpdate> {
    let secret = input.resolved.names.secret();
    if input.keys.were_lost {
        return Some(lost(format!(
            "Secret {secret} was missing and was created with new keys: every token is invalid, and all users must log \
             in again; to avoid that, restore the Secret from a backup"
        )));
    }
    let health = match &input.observed.reports {
        PodReports::Received(health) => health,
        PodReports::NotPolled => return before(input, KIND),
        PodReports::Unreachable { .. } if is_expired(input, KIND) => return None,
        PodReports::Unreachable { since } => return before(input, KIND).map(|earlier| unreachable(earlier, *since)),
    };
    Some(if health.keys_lost? {
        lost(format!(
            "the database has sessions whose refresh tokens were signed with a key that Secret {secret} does not hold: \
             the users of those sessions must log in again; to avoid that, restore the Secret from a backup"
        ))
    } else if has_other_keys(input, health) {
        lost(format!(
            "pods still use keys that Secret {secret} no longer holds; they reload the Secret within about a minute, and \
             then every token signed with the previous keys is invalid"
        ))
    } else {
        update(
            KIND,
            ConditionStatus::True,
            Reason::KeysKnown,
            "all pods have the keys that existing sessions were signed with",
        )
    })
}

fn lost(message: String) -> ConditionUpdate {
    update(KIND, ConditionStatus::False, Reason::KeysLost, message)
}

/// Whether a pod has none of the Secret's keys. During a rotation they have keys in common, although the mounted file
/// follows the Secret with a delay.
fn has_other_keys(input: &ConditionInput<'_>, health: &Health) -> bool {
    let kids = &input.keys.kids;
    !kids.is_empty() && health.keys.iter().any(|pods| !pods.is_empty() && pods.is_disjoint(kids))
}
