"""REST clients over real HTTP: Python's own, and the curl command."""

from __future__ import annotations

import http.client
import json
import subprocess
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

HTTP_TIMEOUT_SECONDS = 60.0


@dataclass(frozen=True)
class Reply:
    """A status and a JSON body."""

    status: int
    body: dict[str, Any]

    @property
    def data(self) -> dict[str, Any]:
        """The data of a success envelope."""
        assert self.body.get("success") is True, (self.status, self.body)
        data: dict[str, Any] = self.body["data"]
        return data


class Rest:
    """Calls with one set of headers, one connection for each call, and optionally from a given local address."""

    def __init__(self, url: str, headers: dict[str, str], source: str = "") -> None:
        self.url = url
        self.headers = headers
        self._source = source

    def request(self, method: str, path: str, body: Any = None) -> Reply:
        """Make a call. Raises `OSError` if no server answers."""
        address = urlsplit(self.url)
        connection = http.client.HTTPConnection(
            address.hostname or "", address.port, timeout=HTTP_TIMEOUT_SECONDS, source_address=(self._source, 0)
        )
        payload = None if body is None else json.dumps(body)
        headers = {**self.headers, **({} if payload is None else {"Content-Type": "application/json"})}
        try:
            connection.request(method, path, payload, headers)
            response = connection.getresponse()
            return Reply(response.status, json.loads(response.read()))
        except http.client.HTTPException as error:
            raise ConnectionError(str(error)) from error
        finally:
            connection.close()

    def get(self, path: str, **query: Any) -> Reply:
        """Read."""
        return self.request("GET", f"{path}?{urlencode(query)}" if query else path)

    def post(self, path: str, body: Any = None) -> Reply:
        """Write."""
        return self.request("POST", path, body)

    def create_agent(self, name: str = "Ada", **fields: Any) -> str:
        """Make an agent and return its id."""
        agent_id: str = self.post("/api/agents", {"name": name, **fields}).data["id"]
        return agent_id

    def token(self, user_id: str, user_type: str = "user") -> str:
        """Ask for a token."""
        token: str = self.post("/api/auth/token", {"userId": user_id, "userType": user_type}).data["token"]
        return token

    def start(self, user_id: str) -> str:
        """Start the user's session and return its id."""
        session_id: str = self.post("/api/chat/start-session", {"userId": user_id}).data["sessionId"]
        return session_id

    def send(self, session_id: str, text: str, **fields: Any) -> Reply:
        """Send a message."""
        return self.post(f"/api/chat/send-message/{session_id}", {"message": text, **fields})

    def history(self, session_id: str) -> list[dict[str, Any]]:
        """Return all messages of a session, page by page."""
        messages: list[dict[str, Any]] = []
        while True:
            after = messages[-1]["seq"] if messages else 0
            page = self.get(f"/api/chat/messages/{session_id}", limit=100, after=after).data
            messages += page["messages"]
            if not page["pagination"]["hasMore"]:
                return messages


class Curl(Rest):
    """The same calls by the curl command, as in the README."""

    def request(self, method: str, path: str, body: Any = None) -> Reply:
        """Make a call."""
        command = ["curl", "-sS", "-X", method, f"{self.url}{path}", "-w", "\n%{http_code}", "--max-time", "60"]
        for name, value in self.headers.items():
            command += ["-H", f"{name}: {value}"]
        if body is not None:
            command += ["-H", "Content-Type: application/json", "-d", json.dumps(body)]
        output = subprocess.run(command, capture_output=True, text=True, check=True, timeout=90).stdout
        text, _, status = output.rpartition("\n")
        return Reply(int(status), json.loads(text))
