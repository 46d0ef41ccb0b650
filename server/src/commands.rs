//! The commands, one file each.

pub mod admin;
mod collisions;
pub mod config_check;
pub mod declared;
pub mod first_admin;
pub mod healthcheck;
pub mod keys;
pub mod migrate;
pub mod open;
pub mod serve;
pub mod users;
