//! What operator and server must agree on over a process boundary, and nothing else: the files that the operator mounts
//! and the server reads, what the server reports about itself, and the names, paths and limits that stand in both
//! the custom resource and the server's settings.

pub mod deployment;
pub mod keys;
pub mod limits;
pub mod password;
pub mod places;
pub mod settings;
pub mod status;
pub mod time;
