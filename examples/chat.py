"""What both example bots need: calls of the chat server, and a bot that gets new sessions first.

CHAT_URL (http://127.0.0.1:5000) is the chat server, and API_KEY is one of its keys.
"""

from __future__ import annotations

import json
import os
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

URL = os.environ.get("CHAT_URL", "http://127.0.0.1:5000").rstrip("/")


class RefusedError(Exception):
    """The server refused a call: `status` and `code` say why."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__(f"{status} {body.get('code')}: {body.get('message')}")
        self.status, self.code = status, body.get("code")


def call(method: str, path: str, body: Any = None, *, headers: dict[str, str], timeout: float = 30) -> Any:
    """Make a call, and return the data of the answer. Raises `RefusedError`, or `OSError` if nobody answers.

    If the server says when to try again (429, 503), this waits and does so.
    """
    request = urllib.request.Request(  # noqa: S310 the address is the operator's
        URL + path,
        None if body is None else json.dumps(body).encode(),
        {"Content-Type": "application/json", **headers},
        method=method,
    )
    tries = 5
    while True:
        tries -= 1
        try:
            with urllib.request.urlopen(request, timeout=timeout) as response:  # noqa: S310
                return _read(response)["data"]
        except urllib.error.HTTPError as error:
            with error:
                wait = error.headers.get("Retry-After", "")
                if not wait.isdigit() or not tries:
                    raise RefusedError(error.code, _read(error)) from None
        time.sleep(min(int(wait), 60))


def _read(response: Any) -> Any:
    """Return what the server says, or an empty object if it is a proxy that answers, with a page of its own."""
    try:
        return json.load(response)
    except ValueError:
        return {"data": {}}


class Bot:
    """An agent of the kind `bot`, made if there is none of this name, that gets new sessions first."""

    def __init__(self, name: str) -> None:
        key = {"X-API-Key": os.environ["API_KEY"]}
        agents = call("GET", "/api/agents", headers=key)["agents"]
        bots = [agent for agent in agents if (agent["name"], agent["kind"]) == (name, "bot")]
        bot = (
            bots[0]
            if bots
            else call("POST", "/api/agents", {"name": name, "kind": "bot", "maxUsers": 500}, headers=key)
        )
        self.id: str = bot["id"]
        self._sign_in()
        settings = call("GET", "/api/settings", headers=key)
        if settings["botId"] != self.id:
            call("PUT", "/api/settings", {**settings, "botId": self.id}, headers=key)

    def _sign_in(self) -> None:
        wanted, key = {"userId": self.id, "userType": "agent"}, {"X-API-Key": os.environ["API_KEY"]}
        token = call("POST", "/api/auth/token", wanted, headers=key)["token"]
        self._headers = {"Authorization": f"Bearer {token}"}

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        try:
            return call(method, path, body, headers=self._headers, timeout=60)
        except RefusedError as error:
            if error.status != 401:
                raise
        self._sign_in()  # The token has expired.
        return call(method, path, body, headers=self._headers, timeout=60)

    def get(self, path: str, **query: Any) -> Any:
        """Read."""
        return self._call("GET", f"{path}?{urllib.parse.urlencode(query)}")

    def say(self, session_id: str, text: str, answer_to: str, content: Any = None) -> None:
        """Send a message, once for each thing that it answers, unless the bot has lost the session."""
        message = {"message": text[:1000], "clientMessageId": answer_to[:64], "content": content}
        self._write(f"/api/chat/send-message/{session_id}", message)

    def hand_over(self, session_id: str, text: str, summary: str) -> None:
        """Give the session to people."""
        body = {"message": text[:1000], "summary": summary[:2000]}
        self._write(f"/api/chat/handoff/{session_id}", body)

    def _write(self, path: str, body: Any) -> None:
        try:
            self._call("POST", path, body)
        except RefusedError as error:
            if error.code not in ("FORBIDDEN", "SESSION_ENDED", "WITH_A_PERSON"):
                raise
            # A person has the session now, or it has ended.
