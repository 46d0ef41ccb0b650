-- The tables that the old service has too keep its names and types: its database is taken over in place.
CREATE TABLE roles (
    id   INT PRIMARY KEY,
    name VARCHAR(64) NOT NULL
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
INSERT INTO roles (id, name) VALUES (1, 'Admin'), (2, 'User');

CREATE TABLE users (
    id           INT AUTO_INCREMENT PRIMARY KEY,
    uuid         VARCHAR(64)  NOT NULL,
    email        VARCHAR(120),
    username     VARCHAR(64)  NOT NULL,
    password     VARCHAR(254) NOT NULL,
    name         VARCHAR(125),
    role_id      INT          NOT NULL,
    created_at   DATETIME,
    updated_at   DATETIME,
    username_key VARCHAR(255),
    email_key    VARCHAR(255),
    UNIQUE KEY uq_users_uuid (uuid),
    UNIQUE KEY uq_users_username_key (username_key),
    UNIQUE KEY uq_users_email_key (email_key),
    CONSTRAINT fk_users_role_id FOREIGN KEY (role_id) REFERENCES roles (id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- One row a session. Times are seconds since 1970-01-01 UTC.
CREATE TABLE sessions (
    id          BIGINT AUTO_INCREMENT PRIMARY KEY,
    sid         VARCHAR(36) NOT NULL,
    user_id     INT         NOT NULL,
    refresh_jti VARCHAR(36) NOT NULL,
    created_at  BIGINT      NOT NULL,
    expires_at  BIGINT      NOT NULL,
    UNIQUE KEY uq_sessions_sid (sid),
    KEY ix_sessions_user_id (user_id),
    CONSTRAINT fk_sessions_user_id FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Every pair of issuer and audience that tokens were signed with, until the last of them ends.
CREATE TABLE token_parties (
    id       VARCHAR(64)   PRIMARY KEY,
    issuer   VARCHAR(1024) NOT NULL,
    audience VARCHAR(4096) NOT NULL,
    last_exp BIGINT        NOT NULL
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
