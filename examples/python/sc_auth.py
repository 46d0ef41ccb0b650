"""An httpx client that logs in when necessary and stays logged in: httpx.Client(auth=ScAuth(api, username, password))."""

import os
import time

import httpx


class ScAuth(httpx.Auth):
    requires_response_body = True

    def __init__(self, api: str, username: str, password: str):
        self.api, self.credentials = api, {"username": username, "password": password}
        self.access = self.refresh = None
        self.logins = self.refreshes = 0

    def auth_flow(self, request):
        if self.access is None:
            yield from self._login()
        response = yield self._with(request, self.access)
        if response.status_code == 401:
            # Expired, or the session has ended somewhere else.
            yield from self._renew()
            yield self._with(request, self.access)

    @staticmethod
    def _with(request, token):
        request.headers["Authorization"] = f"Bearer {token}"
        return request

    def _renew(self):
        request = httpx.Request("POST", f"{self.api}/api/v1/accounts/refresh")
        response = yield self._with(request, self.refresh)
        if response.status_code != 200:
            yield from self._login()
            return
        self.refreshes += 1
        self._take(response)

    def _login(self):
        response = yield httpx.Request("POST", f"{self.api}/api/v1/accounts/login", json=self.credentials)
        response.raise_for_status()
        self.logins += 1
        self._take(response)

    def _take(self, response):
        data = response.json()["data"]
        self.access = data["access_token"]
        # A refresh token can be used once: the answer contains the next one.
        self.refresh = data.get("refresh_token", self.refresh)


if __name__ == "__main__":
    api = os.environ["API"]
    auth = ScAuth(api, os.environ["USERNAME"], os.environ["PASSWORD"])
    with httpx.Client(auth=auth, timeout=10) as client:
        for pause in map(float, os.environ.get("PAUSES", "0").split()):
            time.sleep(pause)
            print(client.get(f"{api}/api/v1/accounts/me").raise_for_status().json()["data"]["username"])
    print(f"{auth.logins} login, {auth.refreshes} refreshes")
