"""A service for logged-in users: API=http://auth.example.com python service.py"""

import os
from typing import Annotated

import uvicorn
from fastapi import Depends, FastAPI
from fastapi.responses import PlainTextResponse

from verifier import User, has_role, logged_in

app = FastAPI(default_response_class=PlainTextResponse)


@app.get("/")
def greet(user: Annotated[User, Depends(logged_in)]):
    return f"{user.id} {','.join(user.roles)}\n"


@app.get("/admin")
def admin(user: Annotated[User, Depends(has_role("Admin"))]):
    return f"{user.id} is an Admin\n"


if __name__ == "__main__":
    uvicorn.run(app, port=int(os.environ.get("PORT", "3000")))
