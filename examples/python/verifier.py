"""Verifies access tokens with the published keys, without a call to sc-auth for each token: FastAPI dependencies.

A logout takes effect when the token expires. If that is too late, call GET /api/v1/verify instead.
"""

import os
from typing import Annotated, NamedTuple

import jwt
from fastapi import Depends, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

API = os.environ["API"]
ISSUER = os.environ.get("ISSUER", API)
AUDIENCE = os.environ.get("AUDIENCE", ISSUER)

# Caches the keys for five minutes, since one of them may be revoked. A token with an unknown key also triggers a fetch, at
# most one in 10 seconds: anybody can make up tokens.
KEYS = jwt.PyJWKClient(f"{API}/.well-known/jwks.json", lifespan=300, cooldown_duration=10, timeout=5)


class User(NamedTuple):
    id: str
    roles: list[str]


def verify(token: str) -> User:
    # A refresh token is not an access token.
    if jwt.get_unverified_header(token).get("typ") != "at+jwt":
        raise jwt.InvalidTokenError("not an access token")
    claims = jwt.decode(
        token,
        KEYS.get_signing_key_from_jwt(token),
        algorithms=["EdDSA", "ES256", "RS256"],
        issuer=ISSUER,
        audience=AUDIENCE,
        leeway=5,
        options={"require": ["exp", "sub", "roles"]},
    )
    return User(claims["sub"], claims["roles"])


# Not `async`: FastAPI runs it in a thread, since a fetch of the keys blocks.
def logged_in(bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(HTTPBearer(auto_error=False))]) -> User:
    """The user of the request. Without a valid access token the answer is 401."""
    if bearer is None:
        raise HTTPException(401, headers={"WWW-Authenticate": "Bearer"})
    try:
        return verify(bearer.credentials)
    except jwt.PyJWKClientConnectionError as error:
        raise HTTPException(503, "the keys cannot be fetched") from error
    except jwt.PyJWTError as error:
        raise HTTPException(401, headers={"WWW-Authenticate": 'Bearer error="invalid_token"'}) from error


def has_role(role: str):
    """The user of the request. Without the role the answer is 403."""

    def check(user: Annotated[User, Depends(logged_in)]) -> User:
        if role not in user.roles:
            raise HTTPException(403, f"needs the role {role}")
        return user

    return check
