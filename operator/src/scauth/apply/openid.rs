//! When the keys of OpenID Connect are created. One of them is an RSA key, which takes so long to generate that a thousand
//! new ScAuths would wait for minutes: so the keys come after the pods, and those of one ScAuth at a time.

use std::time::Duration;

use sc_auth_contract::issuer;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::scauth::child::Child;
use crate::scauth::health::Health;
use crate::scauth::observe::Observed;
use crate::scauth::release::OPENID_REVISION;
use crate::scauth::resolved::Resolved;
use crate::scauth::rollout::Rollout;

/// Until the status has Ready, which does not wait for these keys.
const SOON: Duration = Duration::from_secs(10);
/// While another ScAuth gets its keys.
const LATER: Duration = Duration::from_mins(1);

/// What to do about missing keys.
pub enum Next<'a> {
    Nothing,
    Look(Duration),
    Create(SemaphorePermit<'a>),
}

/// `turn` is the right to generate keys.
pub fn next<'a>(resolved: &Resolved, observed: &Observed, turn: &'a Semaphore) -> Next<'a> {
    if !can_use_them(resolved) {
        return Next::Nothing;
    }
    let health = observed.reports.health();
    let waits = health.is_some_and(|health| health.declared.is_some());
    if !waits && !resolved.reported.is_ready {
        let is_done = observed.children.get(&Child::Deployment).is_some_and(|live| Rollout::of(live).is_done());
        let gets_ready = is_done && resolved.taken.is_empty() && health.is_some_and(Health::is_well);
        return if gets_ready { Next::Look(SOON) } else { Next::Nothing };
    }
    turn.try_acquire().map_or(Next::Look(LATER), Next::Create)
}

/// Whether the server can have OpenID endpoints.
fn can_use_them(resolved: &Resolved) -> bool {
    resolved.release.revision >= OPENID_REVISION && issuer::is_usable(&resolved.issuer)
}
