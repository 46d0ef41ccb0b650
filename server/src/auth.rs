//! The domain logic, independent of HTTP and SQL dialects: passwords, tokens, sessions.

pub mod audit;
pub mod claims;
pub mod client;
pub mod declared;
pub mod digest;
pub mod hasher;
pub mod keys;
pub mod network;
pub mod oidc;
pub mod old_tokens;
pub mod parties;
pub mod password;
pub mod proxies;
pub mod random_text;
pub mod registration;
pub mod request_seal;
pub mod seal;
pub mod session;
pub mod throttle;
pub mod token;
pub mod verified;
