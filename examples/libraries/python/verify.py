"""Verifies access tokens with each library of the table in docs/clients.md. Prints a line for each: accepted or refused."""

import os
import sys

import httpx

KEYS, ISSUER, AUDIENCE = (os.environ[name] for name in ("KEYS", "ISSUER", "AUDIENCE"))
JWKS = httpx.get(KEYS).raise_for_status().json()


def pyjwt(token):
    import jwt

    header = jwt.get_unverified_header(token)
    key = jwt.PyJWKSet.from_dict(JWKS)[header["kid"]]
    jwt.decode(token, key, algorithms=["ES256"], issuer=ISSUER, audience=AUDIENCE)
    assert header["typ"] == "at+jwt"


def joserfc(token):
    from joserfc import jwk, jwt

    decoded = jwt.decode(token, jwk.KeySet.import_key_set(JWKS), algorithms=["ES256"])
    claims = {"iss": {"essential": True, "value": ISSUER}, "aud": {"essential": True, "value": AUDIENCE}, "exp": {"essential": True}}
    jwt.JWTClaimsRegistry(**claims).validate(decoded.claims)
    assert decoded.header["typ"] == "at+jwt"


def python_jose(token):
    from jose import jwt

    jwt.decode(token, JWKS, algorithms=["ES256"], issuer=ISSUER, audience=AUDIENCE)
    assert jwt.get_unverified_header(token)["typ"] == "at+jwt"


def outcome(verify, token):
    try:
        verify(token)
        return "accepted"
    except Exception as error:
        print(f"{verify.__name__}: {error!r}", file=sys.stderr)
        return "refused"


for name, verify in {"PyJWT": pyjwt, "joserfc": joserfc, "python-jose": python_jose}.items():
    print(name, *(outcome(verify, token) for token in sys.argv[1:]))
