//! The names of tables and columns that several files use.

use sea_query::Iden;

#[derive(Debug, Iden, Clone, Copy)]
pub(super) enum Users {
    Table,
    Id,
    Uuid,
    Email,
    Username,
    Password,
    Name,
    RoleId,
    CreatedAt,
    UpdatedAt,
    UsernameKey,
    EmailKey,
    Disabled,
    LoginEpoch,
}

#[derive(Iden, Clone, Copy)]
pub(super) enum Roles {
    Table,
    Id,
    Name,
}

/// The old service's tokens; there only in a database that was taken over.
#[derive(Iden, Clone, Copy)]
pub(super) enum Tokens {
    Table,
    Jti,
    TokenType,
    UserUuid,
    Revoked,
}

#[derive(Iden, Clone, Copy)]
pub(super) enum Sessions {
    Table,
    Id,
    Sid,
    UserId,
    RefreshJti,
    RefreshIat,
    RefreshKid,
    CreatedAt,
    ExpiresAt,
    EndsAt,
    PreviousJti,
    RotatedAt,
    LastUsedAt,
    Address,
    UserAgent,
}
