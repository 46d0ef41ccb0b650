//! A cache of tokens with a valid signature, for one set of keys: clients send the same access token many times, and
//! verifying a signature takes a fifth of a request's time. Times and sessions are checked every time.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::claims::Claims;

/// Claims by the digest of their token.
#[derive(Default)]
pub struct Verified(Mutex<HashMap<[u8; 32], Claims>>);

/// The most tokens in the cache, of about 500 bytes each.
const MAX_VERIFIED: usize = 4_096;

impl Verified {
    pub fn get(&self, digest: &[u8; 32]) -> Option<Claims> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(digest).cloned()
    }

    pub fn keep(&self, digest: [u8; 32], claims: Claims) -> Claims {
        let mut verified = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if verified.len() >= MAX_VERIFIED {
            verified.clear();
        }
        verified.insert(digest, claims.clone());
        claims
    }
}
