-- The tables that the old service has too keep its names and types: its database is taken over in place.
CREATE TABLE roles (
    id   INTEGER PRIMARY KEY,
    name VARCHAR(64) NOT NULL
);
INSERT INTO roles (id, name) VALUES (1, 'Admin'), (2, 'User');

CREATE TABLE users (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid         VARCHAR(64)  NOT NULL,
    email        VARCHAR(120),
    username     VARCHAR(64)  NOT NULL,
    password     VARCHAR(254) NOT NULL,
    name         VARCHAR(125),
    role_id      INTEGER      NOT NULL REFERENCES roles (id),
    created_at   DATETIME,
    updated_at   DATETIME,
    username_key VARCHAR(255),
    email_key    VARCHAR(255)
);
CREATE UNIQUE INDEX uq_users_uuid ON users (uuid);
CREATE UNIQUE INDEX uq_users_username_key ON users (username_key);
CREATE UNIQUE INDEX uq_users_email_key ON users (email_key);

-- One row a session. Times are seconds since 1970-01-01 UTC.
CREATE TABLE sessions (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    sid         VARCHAR(36) NOT NULL,
    user_id     INTEGER     NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    refresh_jti VARCHAR(36) NOT NULL,
    created_at  BIGINT      NOT NULL,
    expires_at  BIGINT      NOT NULL
);
CREATE UNIQUE INDEX uq_sessions_sid ON sessions (sid);
CREATE INDEX ix_sessions_user_id ON sessions (user_id);

-- Every pair of issuer and audience that tokens were signed with, until the last of them ends.
CREATE TABLE token_parties (
    id        VARCHAR(64)   PRIMARY KEY,
    issuer    VARCHAR(1024) NOT NULL,
    audience  VARCHAR(4096) NOT NULL,
    last_exp  BIGINT        NOT NULL
);
