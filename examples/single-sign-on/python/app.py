"""A web app whose users log in at sc-auth: set ISSUER, CLIENT_ID, CLIENT_SECRET and SESSION_KEY, and run python app.py

The redirect URI of its declaration is ORIGIN/callback, and postLogoutRedirectUris has ORIGIN/.
"""

import os

from authlib.integrations.flask_client import OAuth
from flask import Flask, redirect, render_template_string, session

ORIGIN = os.environ["ORIGIN"]
PAGE = """Hello {{ session.name }} <form method="post" action="/logout"><button>Log out</button></form>"""
app = Flask(__name__)
# Signs the cookie of the session: the same in all replicas, and random.
app.secret_key = os.environ["SESSION_KEY"]
app.config.update(SESSION_COOKIE_SECURE=ORIGIN.startswith("https:"), SESSION_COOKIE_SAMESITE="Lax")

sso = OAuth(app).register(
    "sso",
    server_metadata_url=os.environ["ISSUER"] + "/.well-known/openid-configuration",
    client_id=os.environ["CLIENT_ID"],
    client_secret=os.environ["CLIENT_SECRET"],
    client_kwargs={"scope": "openid profile email", "code_challenge_method": "S256"},
)


@app.get("/")
def index():
    if "name" not in session:
        return sso.authorize_redirect(ORIGIN + "/callback")
    return render_template_string(PAGE)


@app.get("/callback")
def callback():
    token = sso.authorize_access_token()
    session["name"] = sso.userinfo(token=token)["preferred_username"]
    session["id_token"] = token["id_token"]
    return redirect(ORIGIN)


@app.post("/logout")
def logout():
    id_token = session.get("id_token")
    session.clear()
    return sso.logout_redirect(post_logout_redirect_uri=ORIGIN + "/", id_token_hint=id_token, client_id=sso.client_id)


if __name__ == "__main__":
    from waitress import serve

    serve(app, host="127.0.0.1", port=int(os.environ.get("PORT", "3000")))
