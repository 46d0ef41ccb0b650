//! KeysReady: whether the keys of the sessions in the database are still there. The pods tell; those of release 0.2 do
//! not, and then there is no such condition.

use super::{Finding, before, finding};
use crate::reasons::Reason;
use crate::reconcile::report::Facts;

const KIND: &str = "KeysReady";

pub fn find(facts: &Facts<'_>) -> Option<Finding> {
    let secret = facts.validated.names.secret();
    if facts.keys.were_lost {
        let message = format!(
            "Secret {secret} had vanished and was made anew: every token is void, and everybody logs in again; \
             restore it from a backup to undo that"
        );
        return Some(finding(KIND, "False", Reason::KeysLost, message));
    }
    match facts.observed.word.health() {
        None => before(facts, KIND),
        Some(health) => health.keys_lost.map(|are_lost| {
            if are_lost {
                let message = format!(
                    "the database has sessions whose refresh tokens were signed with a key that Secret {secret} does not \
                     hold: those users log in again; restore the Secret from a backup to undo that"
                );
                finding(KIND, "False", Reason::KeysLost, message)
            } else {
                finding(KIND, "True", Reason::KeysKnown, "the keys of all sessions are there")
            }
        }),
    }
}
