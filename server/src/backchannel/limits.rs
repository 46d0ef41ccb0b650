//! What may wait in the outbox, and the applications that get into it. One replica checks it once a minute.

use sc_auth_contract::time::UnixTime;

use super::retries::RETENTION;
use crate::auth::session::Sessions;
use crate::metrics::LogoutTokenOutcome;
use crate::store::StoreError;

/// The most applications to notify of the ends of sessions in an embedded database: the limits of a user alone would let
/// many accounts fill its volume.
const MAX_RECEIVERS: u64 = 200_000;

/// Deletes what could not be sent within a day.
pub async fn delete_expired(sessions: &Sessions, now: UnixTime) -> Result<(), StoreError> {
    let count = sessions.store.delete_logouts_before(now - RETENTION).await?;
    if count > 0 {
        tracing::warn!(count, "deleted logouts that could not be sent to applications within a day");
    }
    sessions.metrics.count_logout_tokens(LogoutTokenOutcome::Expired, count);
    Ok(())
}

/// Merges what waits for one user if that is too much, and deletes the oldest if too much waits in all.
pub async fn limit_waiting(sessions: &Sessions) -> Result<(), StoreError> {
    let count = sessions.store.limit_logouts().await?;
    if count > 0 {
        tracing::warn!(count, "too many logouts waited; the oldest are not sent to their applications");
    }
    sessions.metrics.count_logout_tokens(LogoutTokenOutcome::Dropped, count);
    Ok(())
}

/// Forgets the applications that logged in first if there are too many. Like sessions, they are limited only where `most`
/// limits those.
pub async fn limit_receivers(sessions: &Sessions) -> Result<(), StoreError> {
    if sessions.most.is_none() {
        return Ok(());
    }
    let count = sessions.store.limit_logout_receivers(MAX_RECEIVERS).await?;
    if count > 0 {
        tracing::warn!(
            count,
            "too many applications wait for the ends of sessions; the first ones will not be notified"
        );
    }
    sessions.metrics.count_logout_tokens(LogoutTokenOutcome::Dropped, count);
    Ok(())
}
