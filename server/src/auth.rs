//! What the service is about, free of HTTP and SQL dialects: passwords, tokens, sessions.

pub mod hasher;
pub mod keys;
pub mod parties;
pub mod password;
pub mod session;
pub mod token;
