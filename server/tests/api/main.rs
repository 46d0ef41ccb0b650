//! Tests of the server as a process, over HTTP, and with a real database. Each test of the API runs on SQLite, MariaDB,
//! MySQL and PostgreSQL; `dev/databases up` starts the latter three, and `make test` does so itself.
#![allow(clippy::needless_pass_by_value, reason = "expectations are written where they are used")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may end at the first surprise")]

mod browser;
mod cgroup;
mod database;
mod harness;
mod servers;
mod wire;

mod abuse;
mod accounts;
mod addresses;
mod assigned_user;
mod audit;
mod connections;
mod counters;
mod current_password;
mod databases;
mod declared;
mod deeds;
mod deployment;
mod documented;
mod dumps;
mod email_verified;
mod errors;
mod examples;
mod failover;
mod flood;
mod groups;
mod guesses;
mod guessing;
mod hold;
mod identity;
mod keys;
mod login_look;
mod mysql;
mod names;
mod nulls;
mod offers;
mod oidc_addresses;
mod oidc_answers;
mod oidc_applications;
mod oidc_attacks;
mod oidc_audit;
mod oidc_backchannel;
mod oidc_backchannel_https;
mod oidc_claims;
mod oidc_consents;
mod oidc_counters;
mod oidc_ends;
mod oidc_errors;
mod oidc_form_post;
mod oidc_grants;
mod oidc_id_tokens;
mod oidc_keys;
mod oidc_keys_file;
mod oidc_lifetimes;
mod oidc_limits;
mod oidc_login;
mod oidc_logout;
mod oidc_rates;
mod oidc_receivers;
mod oidc_replicas;
mod oidc_revocation;
mod oidc_sessions;
mod oidc_shapes;
mod oidc_strangers;
mod oidc_tokens;
mod old_passwords;
mod openapi;
mod operation;
mod others;
mod outage;
mod page;
mod passwords;
mod pooler;
mod races;
mod recipes;
mod refusals;
mod released;
mod removed_clients;
mod replicas;
mod requests;
mod room;
mod schema;
mod sessions;
mod settings;
mod spa;
mod startup;
mod stops;
mod takeover;
mod tokens;
mod transfer;
mod turns;
mod users;
mod verify;
mod verify_paths;

/// Turns each of the named functions into a test on each engine.
#[macro_export]
macro_rules! on_every_engine {
    ($($test:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test] async fn $test() { super::$test($crate::database::Engine::Sqlite).await })+
        }
        $crate::on_every_database_server!($($test),+);
    };
}

/// The same without SQLite, which supports one server at a time and no network.
#[macro_export]
macro_rules! on_every_database_server {
    ($($test:ident),+ $(,)?) => {
        mod mariadb {
            $(#[tokio::test] async fn $test() { super::$test($crate::database::Engine::MariaDb).await })+
        }
        mod mysql {
            $(#[tokio::test] async fn $test() { super::$test($crate::database::Engine::MySql).await })+
        }
        mod postgres {
            $(#[tokio::test] async fn $test() { super::$test($crate::database::Engine::Postgres).await })+
        }
    };
}
