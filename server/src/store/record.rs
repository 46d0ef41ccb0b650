//! The last trouble that a statement met, for the server's status.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sc_auth_contract::status::{Trouble, TroubleReason};
use tokio::time::Instant;

use super::error::StoreError;
use crate::logging;

/// How long a full disk or a used-up limit is remembered although smaller statements succeed.
const SMALL: Duration = Duration::from_secs(10);

#[derive(Debug, Default)]
pub struct LastTrouble(Mutex<Option<(Trouble, Instant)>>);

impl LastTrouble {
    pub fn get(&self) -> Option<Trouble> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|(trouble, _)| trouble.clone())
    }

    pub fn note(&self, error: &StoreError) {
        if let Some(reason) = error.trouble() {
            let trouble = Trouble { reason, message: logging::chain(error) };
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((trouble, Instant::now()));
        }
    }

    /// A statement that reads says nothing about the disk.
    pub fn has_read(&self) {
        self.forget_if(|reason, _| !is_about_writes(reason));
    }

    pub fn has_written(&self) {
        self.forget_if(|reason, age| !depends_on_size(reason) || age > SMALL);
    }

    fn forget_if(&self, is_over: impl FnOnce(TroubleReason, Duration) -> bool) {
        let mut record = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if record.as_ref().is_some_and(|(trouble, since)| is_over(trouble.reason, since.elapsed())) {
            *record = None;
        }
    }
}

const fn depends_on_size(reason: TroubleReason) -> bool {
    matches!(reason, TroubleReason::DiskFull | TroubleReason::DiskError | TroubleReason::LimitReached)
}

/// Whether reads may succeed meanwhile.
pub const fn is_about_writes(reason: TroubleReason) -> bool {
    match reason {
        TroubleReason::ReadOnly
        | TroubleReason::DiskFull
        | TroubleReason::DiskError
        | TroubleReason::Corrupt
        | TroubleReason::LimitReached
        | TroubleReason::Locked
        | TroubleReason::AccessDenied => true,
        TroubleReason::TooManyConnections
        | TroubleReason::Busy
        | TroubleReason::Unreachable
        | TroubleReason::Unknown => false,
    }
}
