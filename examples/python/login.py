"""A web app with a login: API=http://auth.example.com ORIGIN=https://app.example.com python login.py

The tokens stay in this program. The browser has only a cookie with the random id of its session.
"""

import asyncio
import os
import pathlib
import secrets
import time
from dataclasses import dataclass, field
from http.cookiejar import DefaultCookiePolicy
from typing import Annotated

import httpx
import uvicorn
from fastapi import Depends, FastAPI, Form, HTTPException, Request
from fastapi.responses import RedirectResponse
from fastapi.templating import Jinja2Templates

API = os.environ["API"]
# The address of this app in the browser.
ORIGIN = os.environ["ORIGIN"]
# Set it only if trustedProxies of the ScAuth includes the address of this app.
SEND_CLIENT_ADDRESS = os.environ.get("SEND_CLIENT_ADDRESS") == "true"
# No other host can set a cookie with this prefix.
COOKIE = "__Host-session"
LIFETIME = 30 * 24 * 3600

http = httpx.AsyncClient(base_url=API, timeout=10)
# All users share this client: it must not keep a cookie that a proxy in front of sc-auth sets for one of them.
http.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))
# Escapes HTML.
templates = Jinja2Templates(pathlib.Path(__file__).parent)


@dataclass
class Session:
    access: str
    refresh: str
    ends: float = field(default_factory=lambda: time.time() + LIFETIME)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


# With several processes or replicas: a store that they share, encrypted, with a lock for each session.
sessions: dict[str, Session] = {}


class LoggedOut(Exception):
    """The browser has no session, or its session has ended."""


class Unavailable(Exception):
    """sc-auth does not answer, or is busy."""


def same_origin(request: Request):
    """Refuses forms of other sites: browsers send Origin with each POST."""
    if request.method not in ("GET", "HEAD") and request.headers.get("origin") != ORIGIN:
        raise HTTPException(403, "the form is from another site")


app = FastAPI(dependencies=[Depends(same_origin)], openapi_url=None)


def current(request: Request) -> Session:
    session = sessions.get(request.cookies.get(COOKIE, ""))
    if session is None or session.ends < time.time():
        raise LoggedOut
    return session


async def send(request: Request, method: str, path: str, token: str | None = None, json=None) -> httpx.Response:
    """Calls sc-auth for a browser."""
    # Bytes: httpx accepts only ASCII in strings.
    headers = {"User-Agent": request.headers.get("user-agent", "").encode("latin-1")}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    if SEND_CLIENT_ADDRESS:
        headers["X-Forwarded-For"] = request.client.host
    return await http.request(method, path, headers=headers, json=json)


async def call(request: Request, session: Session, method: str, path: str) -> httpx.Response:
    """Calls sc-auth, or a service that verifies its tokens, for a logged-in user."""
    used = session.access
    response = await send(request, method, path, used)
    if response.status_code != 401:
        return response
    # Other requests of this browser wait, and then use the tokens that the first one gets: a refresh token can be used once.
    async with session.lock:
        if session.access == used:
            await refresh(request, session)
    return await send(request, method, path, session.access)


async def refresh(request: Request, session: Session):
    try:
        response = await send(request, "POST", "/api/v1/accounts/refresh", session.refresh)
    except httpx.TransportError:
        # The answer may be lost: sc-auth accepts the same refresh token again within a minute.
        response = await send(request, "POST", "/api/v1/accounts/refresh", session.refresh)
    if response.status_code in (401, 403, 422):
        raise LoggedOut
    if response.status_code != 200:
        raise Unavailable
    data = response.json()["data"]
    session.access, session.refresh = data["access_token"], data.get("refresh_token", session.refresh)


def page(request: Request, status: int = 200, headers: dict[str, str] | None = None, **values):
    headers = {
        "Cache-Control": "no-store",
        # With no-referrer, browsers send `Origin: null` with a form.
        "Referrer-Policy": "same-origin",
        "Content-Security-Policy": "default-src 'none'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
        **(headers or {}),
    }
    return templates.TemplateResponse(request, "login.html", values, status, headers)


@app.get("/")
async def home(request: Request, session: Annotated[Session, Depends(current)]):
    response = await call(request, session, "GET", "/api/v1/accounts/me")
    if response.status_code == 401:
        raise LoggedOut
    if response.status_code != 200:
        raise Unavailable
    return page(request, user=response.json()["data"])


@app.get("/login")
async def form(request: Request):
    return page(request)


@app.post("/login")
async def login(request: Request, username: Annotated[str, Form()] = "", password: Annotated[str, Form()] = ""):
    credentials = {"username": username, "password": password}
    response = await send(request, "POST", "/api/v1/accounts/login", json=credentials)
    if response.status_code != 200:
        return refused(request, username, response)
    for ended in [name for name, session in sessions.items() if session.ends < time.time()]:
        del sessions[ended]
    # A new id for each login: an id that somebody else has put into the browser is not logged in.
    replaced = sessions.pop(request.cookies.get(COOKIE), None)
    name, data = secrets.token_urlsafe(32), response.json()["data"]
    sessions[name] = Session(data["access_token"], data["refresh_token"])
    if replaced:
        await end(request, replaced)
    answer = RedirectResponse("/", 303)
    answer.set_cookie(COOKIE, name, LIFETIME, path="/", secure=True, httponly=True, samesite="lax")
    return answer


async def end(request: Request, session: Session):
    """Ends the session in sc-auth that a new login replaces. If that fails, it ends when its tokens expire."""
    try:
        await call(request, session, "DELETE", "/api/v1/accounts/logout")
    except (LoggedOut, Unavailable, httpx.TransportError):
        pass


def refused(request: Request, username: str, response: httpx.Response):
    wait = response.headers.get("retry-after")
    match response.status_code:
        case 422:
            message = "The user name or the password is wrong."
        case 403:
            message = "This account is disabled. Ask an administrator."
        case 429:
            message = f"Too many attempts. Try again in {wait} seconds."
        case _:
            raise Unavailable
    headers = {"Retry-After": wait} if wait else None
    return page(request, response.status_code, headers, username=username, message=message)


@app.post("/logout")
async def logout(request: Request, session: Annotated[Session, Depends(current)]):
    # If sc-auth does not answer, the user stays logged in, and sees that.
    response = await call(request, session, "DELETE", "/api/v1/accounts/logout")
    if response.status_code not in (200, 401):
        raise Unavailable
    raise LoggedOut


@app.exception_handler(LoggedOut)
async def log_in_again(request: Request, _):
    sessions.pop(request.cookies.get(COOKIE), None)
    answer = RedirectResponse("/login", 303)
    answer.delete_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="lax")
    return answer


@app.exception_handler(Unavailable)
@app.exception_handler(httpx.TransportError)
async def try_again(request: Request, _):
    return page(request, 503, {"Retry-After": "5"}, away=True, message="The login is not available. Try again in a moment.")


if __name__ == "__main__":
    # Behind a proxy, FORWARDED_ALLOW_IPS lists the proxies whose X-Forwarded-For uvicorn trusts for request.client.
    # In a pod, HOST is 0.0.0.0.
    uvicorn.run(app, host=os.environ.get("HOST", "127.0.0.1"), port=int(os.environ.get("PORT", "3000")))
