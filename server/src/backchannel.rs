//! Logout tokens (OpenID Connect Back-Channel Logout): sends what the outbox has to applications. These are the only requests of
//! the server.

mod address;
mod limits;
mod outages;
mod outbox;
mod request;
mod retries;

pub use limits::{delete_expired, limit_receivers, limit_waiting};
pub use outbox::run;
pub use request::Sender;
