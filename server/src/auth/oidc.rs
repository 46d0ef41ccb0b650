//! OpenID Connect: applications log users in with this server's pages.

pub mod issuer;
