//! The contract between the operator and the server, two processes: the files that the operator mounts and the server
//! reads, the status that the server reports, and the names, paths and limits that the custom resource and the server's
//! settings share.

pub mod contrast;
pub mod declared;
pub mod deployment;
pub mod groups;
pub mod issuer;
pub mod keys;
pub mod limits;
pub mod password;
pub mod places;
pub mod samples;
pub mod settings;
pub mod status;
pub mod time;
