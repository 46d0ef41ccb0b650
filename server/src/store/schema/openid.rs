//! The tables of OpenID Connect.

use sc_auth_contract::declared::{AUDIENCES_JSON_MAX, CLIENT_KEY_MAX, NONCE_MAX, REDIRECT_URI_MAX};

use super::table::Kind::{BigCounter, BigInt, Flag, Int, Key, Text, TextId, UserId};
use super::table::Presence::{Default, Optional, Required};
use super::table::{Table, column, index, unique};
use crate::account::width;

/// Grants: each begins with a code at one login, and exists as long as the code or its tokens are valid. `client` is the
/// key of the declaration, which may come and go.
pub const GRANTS: Table = Table {
    name: "grants",
    columns: &[
        column("id", BigCounter, Required),
        column("grant_id", Key(36), Required),
        column("user_id", UserId, Required),
        // The session in which it began, without which it ends unless it is offline (OpenID Connect Core, 11).
        column("sid", Key(36), Required),
        column("client", Key(width(CLIENT_KEY_MAX)), Required),
        column("scopes", Text(255), Required),
        // A JSON array.
        column("audiences", Text(width(AUDIENCES_JSON_MAX)), Required),
        column("is_offline", Flag, Default(0)),
        // Whether it outlives its session, which has expired or was logged out of. Servers of release 0.2 don't set it
        // when they end a session: then the grant has ended too.
        column("is_detached", Flag, Default(0)),
        // The digest of the user's password hash. Whoever changes the password without a word to the grants, as servers of
        // release 0.2 and the legacy service do, ends them.
        column("password_digest", Key(64), Optional),
        column("auth_time", BigInt, Required),
        column("created_at", BigInt, Required),
        column("expires_at", BigInt, Required),
        column("code_hash", Key(64), Required),
        column("code_used_at", BigInt, Optional),
        column("code_challenge", Key(64), Optional),
        column("redirect_uri", Text(width(REDIRECT_URI_MAX)), Required),
        column("nonce", Text(width(NONCE_MAX)), Optional),
        // Names of single claims that the client asked for, as a JSON object.
        column("claims", Text(512), Optional),
        // The chain of refresh tokens, as in `sessions`.
        column("refresh_jti", Key(36), Optional),
        column("refresh_iat", BigInt, Optional),
        column("refresh_kid", Key(64), Optional),
        column("previous_jti", Key(36), Optional),
        column("rotated_at", BigInt, Optional),
        column("rotated_network", Text(45), Optional),
        column("rotated_user_agent", Text(255), Optional),
    ],
    indexes: &[
        unique("uq_grants_grant_id", "grant_id"),
        unique("uq_grants_code_hash", "code_hash"),
        index("ix_grants_user_id_client", "user_id, client"),
        index("ix_grants_sid", "sid"),
        // Unlike sessions, most grants end within minutes, among few that live for months: a scan of the table would
        // read those again and again.
        index("ix_grants_expires_at", "expires_at"),
    ],
};

/// The scopes and audiences that users have consented to.
pub const CONSENTS: Table = Table {
    name: "consents",
    columns: &[
        column("id", BigCounter, Required),
        column("user_id", UserId, Required),
        column("client", Key(width(CLIENT_KEY_MAX)), Required),
        column("scopes", Text(255), Required),
        // A JSON array, as in `grants`.
        column("audiences", Text(width(AUDIENCES_JSON_MAX)), Optional),
        column("given_at", BigInt, Required),
    ],
    indexes: &[unique("uq_consents_user_id_client", "user_id, client")],
};

/// The clients that were declared, and since when a valid file lacks one. `checked_at` is when that was last seen.
pub const DECLARED_CLIENTS: Table = Table {
    name: "declared_clients",
    columns: &[
        column("id", TextId(width(CLIENT_KEY_MAX)), Required),
        column("absent_since", BigInt, Optional),
        column("checked_at", BigInt, Required),
    ],
    indexes: &[],
};

/// The applications that a session logged in to and that are notified when it ends. No column refers to users, because the rows
/// must outlive them. A row without its session is of one that a server of release 0.2 has ended.
pub const LOGOUT_RECEIVERS: Table = Table {
    name: "logout_receivers",
    columns: &[
        column("id", BigCounter, Required),
        column("sid", Key(36), Required),
        column("sub", Key(64), Required),
        column("client", Key(width(CLIENT_KEY_MAX)), Required),
    ],
    indexes: &[unique("uq_logout_receivers_sid_client", "sid, client"), index("ix_logout_receivers_sub", "sub")],
};

/// The logouts that are still to be sent to applications; one with an empty `sid` stands for all sessions of the user. Whoever
/// moves `due_at` forward sends the row.
pub const LOGOUT_OUTBOX: Table = Table {
    name: "logout_outbox",
    columns: &[
        column("id", BigCounter, Required),
        column("sid", Key(36), Required),
        column("sub", Key(64), Required),
        column("client", Key(width(CLIENT_KEY_MAX)), Required),
        column("created_at", BigInt, Required),
        column("due_at", BigInt, Required),
        column("attempts", Int, Default(0)),
    ],
    indexes: &[
        index("ix_logout_outbox_due_at", "due_at"),
        index("ix_logout_outbox_client_due_at", "client, due_at"),
        index("ix_logout_outbox_sub", "sub"),
        index("ix_logout_outbox_created_at", "created_at"),
    ],
};
