"""Verifies access tokens with the published keys, without a call to sc-auth for each token: FastAPI dependencies.

A logout takes effect when the token expires. If that is too late, call GET /api/v1/verify instead.
"""

import asyncio
import math
import os
import time
from typing import Annotated, NamedTuple

import httpx
import jwt
from fastapi import Depends, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

API = os.environ["API"]
ISSUER = os.environ.get("ISSUER", API)
AUDIENCE = os.environ.get("AUDIENCE", ISSUER)

# The minimum interval in seconds between fetches of the keys, failed ones too: a token with an unknown key triggers a fetch,
# and anybody can make up tokens.
PAUSE = 10
# The age at which the keys are fetched again: one of them may have been revoked.
AGE = 60
# The age from which the keys are not used any more, if fetching fails.
MAX_AGE = 300


class NoKeys(Exception):
    """The keys cannot be fetched, so nobody knows whether the token is valid."""


class Keys:
    """Caches the published keys. PyJWKClient would let all requests wait for a fetch, and repeat a failed one at once."""

    def __init__(self):
        self.keys: dict[str, jwt.PyJWK] = {}
        self.fetched = self.tried = -math.inf
        self.failed = False
        self.task: asyncio.Task | None = None

    async def find(self, name: str | None) -> jwt.PyJWK:
        age = time.monotonic() - self.fetched
        known = age < MAX_AGE and name in self.keys
        if (age >= AGE or not known) and self.task is None and time.monotonic() - self.tried >= PAUSE:
            self.task = asyncio.create_task(self._fetch())
        # A known key does not wait for the fetch.
        if not known and self.task is not None:
            await asyncio.shield(self.task)
        if time.monotonic() - self.fetched >= MAX_AGE or (name not in self.keys and self.failed):
            raise NoKeys
        if name not in self.keys:
            raise jwt.InvalidTokenError("unknown key")
        return self.keys[name]

    async def _fetch(self):
        try:
            async with asyncio.timeout(5), httpx.AsyncClient() as client:
                response = await client.get(f"{API}/.well-known/jwks.json")
            keys = jwt.PyJWKSet.from_dict(response.raise_for_status().json())
            self.keys = {key.key_id: key for key in keys.keys}
            self.fetched, self.failed = time.monotonic(), False
        # ValueError and AttributeError: the answer is not a set of keys.
        except (httpx.HTTPError, TimeoutError, ValueError, AttributeError, jwt.PyJWTError):
            self.failed = True
        finally:
            self.tried, self.task = time.monotonic(), None


KEYS = Keys()


class User(NamedTuple):
    id: str
    roles: list[str]


async def verify(token: str) -> User:
    header = jwt.get_unverified_header(token)
    # A refresh token is not an access token.
    if header.get("typ") != "at+jwt":
        raise jwt.InvalidTokenError("not an access token")
    claims = jwt.decode(
        token,
        await KEYS.find(header.get("kid")),
        algorithms=["EdDSA", "ES256", "RS256"],
        issuer=ISSUER,
        audience=AUDIENCE,
        leeway=5,
        options={"require": ["exp", "iss", "aud", "sub", "roles"]},
    )
    return User(claims["sub"], claims["roles"])


async def logged_in(bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(HTTPBearer(auto_error=False))]) -> User:
    """The user of the request. Without a valid access token the answer is 401, and 503 if the keys cannot be fetched."""
    if bearer is None:
        raise HTTPException(401, headers={"WWW-Authenticate": "Bearer"})
    try:
        return await verify(bearer.credentials)
    except NoKeys as error:
        raise HTTPException(503, "the keys cannot be fetched", {"Retry-After": str(PAUSE)}) from error
    except jwt.PyJWTError as error:
        raise HTTPException(401, headers={"WWW-Authenticate": 'Bearer error="invalid_token"'}) from error


def has_role(role: str):
    """The user of the request. Without the role the answer is 403."""

    def check(user: Annotated[User, Depends(logged_in)]) -> User:
        if role not in user.roles:
            raise HTTPException(403, f"needs the role {role}")
        return user

    return check
