//! What the service is about, free of HTTP and SQL dialects: passwords, tokens, sessions.

pub mod audit;
pub mod client;
pub mod hasher;
pub mod keys;
pub mod network;
pub mod old_tokens;
pub mod parties;
pub mod password;
pub mod seal;
pub mod session;
pub mod throttle;
pub mod token;
