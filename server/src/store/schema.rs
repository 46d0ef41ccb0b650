//! The tables, defined once for all engines. `migrate` brings every known database to this schema.
//!
//! Tables that the legacy service also has keep its names and types, because it may still use them: new columns are
//! nullable or have a default.

mod names;
mod openid;
mod table;

pub(super) use names::{Grants, LogoutOutbox, LogoutReceivers, Roles, Sessions, Tokens, Users};

use sc_auth_contract::groups::GROUP_MAX;

use table::Kind::{BigCounter, BigInt, Counter, DateTime, Flag, Id, Int, Key, RoleId, Text, TextId, UserId};
use table::Presence::{Default, Optional, Required};
pub use table::{Column, Index, Kind, Presence, Table};
use table::{column, index, unique};

use crate::account::{EMAIL, KEY_MAX, NAME, PASSWORD_HASH_MAX, USERNAME, width};

/// The version of the schema below. It grows with every change.
pub const VERSION: i32 = 2;
/// The lowest version that a server must know to use the schema below. It follows [`VERSION`] one release later:
/// columns are added in one release and required in the next.
pub const OLDEST_VERSION: i32 = 1;
/// The first release that knows [`OLDEST_VERSION`].
pub const OLDEST_SERVER: &str = "0.1.0";

/// The version of the schema. This table comes first: it marks the database as ours.
pub const VERSIONS: Table = Table {
    name: "sc_auth_schema",
    columns: &[
        column("id", Id, Required),
        column("version", Int, Required),
        column("oldest_version", Int, Required),
        column("oldest_server", Text(32), Required),
    ],
    indexes: &[],
};

pub const TABLES: &[Table] = &[
    VERSIONS,
    Table { name: "roles", columns: &[column("id", Id, Required), column("name", Text(64), Required)], indexes: &[] },
    Table {
        name: "users",
        columns: &[
            column("id", Counter, Required),
            column("uuid", Key(64), Required),
            column("email", Text(width(EMAIL.max)), Optional),
            column("username", Text(width(USERNAME.max)), Required),
            column("password", Text(width(PASSWORD_HASH_MAX)), Required),
            column("name", Text(width(NAME.max)), Optional),
            column("role_id", RoleId, Required),
            column("created_at", DateTime, Optional),
            column("updated_at", DateTime, Optional),
            // Names and addresses are unique by these keys, on all engines and regardless of collations. NULL in rows
            // that the legacy service has written.
            column("username_key", Key(width(KEY_MAX)), Optional),
            column("email_key", Key(width(KEY_MAX)), Optional),
            // The keys of this release, where they differ from those: servers of release 0.2 find users by those.
            column("username_fold", Key(width(KEY_MAX)), Optional),
            column("email_fold", Key(width(KEY_MAX)), Optional),
            column("disabled", Flag, Default(0)),
            // The address that is verified, if it is the present one: servers of release 0.2 change only that.
            column("verified_email", Key(width(EMAIL.max)), Optional),
            // Failed logins are counted under a hash of the name and this number, which grows when they are cleared.
            column("login_epoch", BigInt, Default(0)),
        ],
        indexes: &[
            unique("uq_users_uuid", "uuid"),
            unique("uq_users_username_key", "username_key"),
            unique("uq_users_email_key", "email_key"),
            index("ix_users_username_fold", "username_fold"),
            index("ix_users_email_fold", "email_fold"),
            index("ix_users_role_id", "role_id"),
        ],
    },
    // The groups of users, which Admins set. `groups` is a reserved word of MySQL.
    Table {
        name: "user_groups",
        columns: &[
            column("id", BigCounter, Required),
            column("user_id", UserId, Required),
            column("group_name", Key(width(GROUP_MAX)), Required),
        ],
        indexes: &[unique("uq_user_groups_user_id_group_name", "user_id, group_name")],
    },
    Table {
        name: "sessions",
        columns: &[
            column("id", BigCounter, Required),
            column("sid", Key(36), Required),
            column("user_id", UserId, Required),
            // The current refresh token: its `jti`, `iat`, `exp` and the key that signed it. It is not the token
            // itself, but enough to sign it again after a lost answer.
            column("refresh_jti", Key(36), Required),
            column("refresh_iat", BigInt, Optional),
            column("refresh_kid", Key(64), Optional),
            column("created_at", BigInt, Required),
            // `expires_at` is the end without a refresh, which is the refresh token's `exp`; `ends_at` the latest end.
            column("expires_at", BigInt, Required),
            column("ends_at", BigInt, Optional),
            // The previous refresh token, and when it was exchanged.
            column("previous_jti", Key(36), Optional),
            column("rotated_at", BigInt, Optional),
            // The client that exchanged it, to recognise it when it repeats the request. Of an exchange by a server of
            // release 0.2, both are those of the exchange before.
            column("rotated_network", Text(45), Optional),
            column("rotated_user_agent", Text(255), Optional),
            column("last_used_at", BigInt, Optional),
            column("address", Text(45), Optional),
            column("user_agent", Text(255), Optional),
            // Of a browser's session: the hash of its cookie, the digest of the password's hash, and when the user last
            // gave the password. No refresh token exists for such a session.
            column("cookie_hash", Key(64), Optional),
            column("password_digest", Key(64), Optional),
            column("auth_time", BigInt, Optional),
        ],
        indexes: &[
            unique("uq_sessions_sid", "sid"),
            unique("uq_sessions_cookie_hash", "cookie_hash"),
            // No index on the end, which each refresh updates: a scan of the table finds expired sessions.
            index("ix_sessions_user_id", "user_id"),
        ],
    },
    openid::GRANTS,
    openid::CONSENTS,
    openid::DECLARED_CLIENTS,
    openid::LOGOUT_RECEIVERS,
    openid::LOGOUT_OUTBOX,
    // Every pair of issuer and audience that tokens were signed for, until the last of them expires.
    Table {
        name: "token_parties",
        columns: &[
            column("id", TextId(64), Required),
            column("issuer", Text(1024), Required),
            column("audience", Text(4096), Required),
            column("last_exp", BigInt, Required),
        ],
        indexes: &[],
    },
    // Failed logins by a keyed hash of the submitted name, whether the user exists or not, and of the network or
    // session that they are counted by.
    Table {
        name: "login_failures",
        columns: &[
            column("id", TextId(64), Required),
            column("failures", Int, Required),
            column("last_failed_at", BigInt, Required),
            column("retry_at", BigInt, Required),
        ],
        indexes: &[index("ix_login_failures_last_failed_at", "last_failed_at")],
    },
    // Networks that users have logged in from, by a keyed hash of name and network.
    Table {
        name: "known_networks",
        columns: &[
            column("id", TextId(64), Required),
            column("user_id", UserId, Required),
            column("last_login_at", BigInt, Required),
        ],
        indexes: &[
            index("ix_known_networks_user_id", "user_id"),
            index("ix_known_networks_last_login_at", "last_login_at"),
        ],
    },
    // The key of those hashes, sealed under each refresh key. The id is the refresh key's.
    Table {
        name: "counter_keys",
        columns: &[
            column("id", TextId(64), Required),
            column("sealed", Text(255), Required),
            column("born_at", BigInt, Required),
            column("sealed_at", BigInt, Required),
        ],
        indexes: &[],
    },
    // Audit events. They do not reference users, because they outlive them.
    Table {
        name: "audit_events",
        columns: &[
            column("id", BigCounter, Required),
            column("at", BigInt, Required),
            column("event", Key(40), Required),
            column("outcome", Key(16), Required),
            column("actor_uuid", Key(64), Optional),
            column("actor_name", Text(width(USERNAME.max)), Optional),
            column("subject_uuid", Key(64), Optional),
            column("subject_name", Text(width(USERNAME.max)), Optional),
            column("address", Text(45), Optional),
            column("user_agent", Text(255), Optional),
            column("request_id", Key(64), Optional),
            column("detail", Text(255), Optional),
            // A `Tier`; NULL in rows of earlier releases, until a sweep sets it.
            column("tier", Int, Optional),
            // Repeated events have one row, which counts them.
            column("repeat_key", Key(64), Optional),
            column("count", Int, Default(1)),
        ],
        indexes: &[unique("uq_audit_events_repeat_key", "repeat_key"), index("ix_audit_events_tier", "tier, id")],
    },
    // One row: the database's random identity, which dumps, standbys and restores keep.
    Table {
        name: "sc_auth_identity",
        columns: &[
            column("id", Id, Required),
            column("identity", Key(64), Required),
            // The name that the database was accepted under while it was empty.
            column("accepted_as", Key(64), Optional),
            // The Secret that the first Admin was created from.
            column("bootstrap_id", Key(64), Optional),
        ],
        indexes: &[],
    },
    // The ScAuths whose servers use this database, and when each was last seen.
    Table {
        name: "sc_auth_heartbeats",
        columns: &[
            column("id", TextId(64), Required),
            column("scauth", Text(253), Required),
            column("uid", Key(64), Required),
            column("created_at", BigInt, Required),
            column("last_seen_at", BigInt, Required),
        ],
        indexes: &[],
    },
    // The identifiers of all keys that servers have used here, to distinguish a loss from a rotation.
    Table {
        name: "sc_auth_keys",
        columns: &[
            column("id", TextId(64), Required),
            column("first_seen_at", BigInt, Required),
            column("lost_at", BigInt, Optional),
        ],
        indexes: &[],
    },
    // The identifiers of keys that are no longer in use, to answer their tokens as revoked ones.
    Table {
        name: "sc_auth_former_keys",
        columns: &[column("id", TextId(64), Required), column("gone_at", BigInt, Required)],
        indexes: &[],
    },
    // Tasks that only one replica at a time runs, and when each is due.
    Table {
        name: "chores",
        columns: &[column("id", TextId(32), Required), column("due_at", BigInt, Required)],
        indexes: &[],
    },
];

/// The legacy service's tables and columns; a database that has all of them belongs to it.
pub const OLD_TABLES: &[(&str, &[&str])] = &[
    ("roles", &["id", "name"]),
    ("users", &["id", "uuid", "email", "username", "password", "name", "role_id", "created_at", "updated_at"]),
    ("tokens", &["id", "jti", "token_type", "user_uuid", "revoked", "expires"]),
    ("alembic_version", &["version_num"]),
];

#[cfg(test)]
mod tests;
