//! When the keys of OpenID Connect are created. One of them is an RSA key, which takes so long to generate that a thousand
//! new ScAuths would wait for minutes: so the keys come after the pods, and those of one ScAuth at a time.

use std::time::Duration;

use sc_auth_contract::issuer;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::scauth::child::Child;
use crate::scauth::health::Health;
use crate::scauth::observe::Observed;
use crate::scauth::resolved::Resolved;
use crate::scauth::rollout::Rollout;

/// Until the status has Ready, which does not wait for these keys.
const READY_DELAY: Duration = Duration::from_secs(10);
/// While another ScAuth gets its keys.
const RETRY_DELAY: Duration = Duration::from_mins(1);

/// What to do about missing keys.
pub enum Step<'a> {
    Nothing,
    Look(Duration),
    Create(SemaphorePermit<'a>),
}

/// `permits` limits how many ScAuths get keys at a time.
pub fn next<'a>(resolved: &Resolved, observed: &Observed, permits: &'a Semaphore) -> Step<'a> {
    if !has_openid(resolved) {
        return Step::Nothing;
    }
    let health = observed.reports.health();
    let waits = health.is_some_and(|health| health.declared.is_some());
    if !waits && !resolved.reported.is_ready {
        let is_done = observed.children.get(&Child::Deployment).is_some_and(|live| Rollout::of(live).is_done());
        let gets_ready = is_done && resolved.taken.is_empty() && health.is_some_and(Health::is_well);
        return if gets_ready { Step::Look(READY_DELAY) } else { Step::Nothing };
    }
    permits.try_acquire().map_or(Step::Look(RETRY_DELAY), Step::Create)
}

/// Whether the server can have OpenID endpoints.
fn has_openid(resolved: &Resolved) -> bool {
    resolved.release.has_openid() && issuer::is_usable(&resolved.issuer)
}
