//! Tables and columns by name, where several files use them.

use sea_query::Iden;

#[derive(Debug, Iden, Clone, Copy)]
pub(in crate::store) enum Users {
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
    UsernameFold,
    EmailFold,
    Disabled,
    VerifiedEmail,
    LoginEpoch,
}

#[derive(Iden, Clone, Copy)]
pub(in crate::store) enum Roles {
    Table,
    Id,
    Name,
}

/// The legacy service's tokens, only in a database that was taken over.
#[derive(Iden, Clone, Copy)]
pub(in crate::store) enum Tokens {
    Table,
    Jti,
    TokenType,
    UserUuid,
    Revoked,
}

#[derive(Iden, Clone, Copy)]
pub(in crate::store) enum Sessions {
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
    RotatedNetwork,
    RotatedUserAgent,
    LastUsedAt,
    Address,
    UserAgent,
    CookieHash,
    PasswordDigest,
    AuthTime,
}

#[derive(Iden, Clone, Copy)]
pub(in crate::store) enum Grants {
    Table,
    Id,
    GrantId,
    UserId,
    Sid,
    Client,
    Scopes,
    Audiences,
    IsOffline,
    IsDetached,
    PasswordDigest,
    AuthTime,
    CreatedAt,
    ExpiresAt,
    CodeHash,
    CodeUsedAt,
    CodeChallenge,
    RedirectUri,
    Nonce,
    Claims,
    RefreshJti,
    RefreshIat,
    RefreshKid,
    PreviousJti,
    RotatedAt,
    RotatedNetwork,
    RotatedUserAgent,
}

#[derive(Iden, Clone, Copy)]
pub(in crate::store) enum LogoutReceivers {
    Table,
    Id,
    Sid,
    Sub,
    Client,
}

#[derive(Iden, Clone, Copy)]
pub(in crate::store) enum LogoutOutbox {
    Table,
    Id,
    Sid,
    Sub,
    Client,
    CreatedAt,
    DueAt,
    Attempts,
}
