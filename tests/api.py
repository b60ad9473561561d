"""A REST client for tests, which makes callers, agents, sessions and messages."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any

import jwt
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.conftest import API_KEY, JWT_SECRET


def make_token(user_id: str, user_type: str = "user", secret: str = JWT_SECRET, **claims: Any) -> str:
    """Make a JWT as the server would, or with other claims."""
    payload = {"sub": user_id, "userType": user_type, "type": "access", "exp": 4102444800, **claims}
    return jwt.encode(payload, secret, algorithm="HS256")


def make_unsigned_token(**header: Any) -> str:
    """Make a system's token whose header claims that it needs no signature."""
    parts = [{"typ": "JWT", **header}, {"sub": "u1", "userType": "system", "type": "access", "exp": 4102444800}]
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts) + "."


@dataclass(frozen=True)
class Api:
    """Calls with one set of credentials."""

    client: FlaskClient
    headers: dict[str, str]

    def get(self, path: str, **query: Any) -> TestResponse:
        return self.client.get(path, query_string=query, headers=self.headers)

    def post(self, path: str, body: Any = None) -> TestResponse:
        return self.client.post(path, json=body, headers=self.headers)

    def patch(self, path: str, body: Any = None) -> TestResponse:
        return self.client.patch(path, json=body, headers=self.headers)

    def put(self, path: str, body: Any = None) -> TestResponse:
        return self.client.put(path, json=body, headers=self.headers)

    def delete(self, path: str) -> TestResponse:
        return self.client.delete(path, headers=self.headers)

    def start(self, user_id: str) -> dict[str, Any]:
        """Start the user's session."""
        response = self.post("/api/chat/start-session", {"userId": user_id})
        assert response.status_code in (200, 201), response.json
        return data_of(response)

    def send(self, session_id: str, text: str = "hello", **fields: Any) -> TestResponse:
        """Send a message."""
        return self.post(f"/api/chat/send-message/{session_id}", {"message": text, **fields})

    def session(self, session_id: str) -> dict[str, Any]:
        """Read a session."""
        response = self.get(f"/api/chat/session/{session_id}")
        assert response.status_code == 200, response.json
        return data_of(response)

    def end(self, session_id: str, **body: Any) -> TestResponse:
        """End a session."""
        return self.post(f"/api/chat/end-session/{session_id}", body)

    def create_agent(self, name: str = "Ada", **fields: Any) -> dict[str, Any]:
        """Make an agent."""
        response = self.post("/api/agents", {"name": name, **fields})
        assert response.status_code == 201, response.json
        return data_of(response)


class Apis:
    """Clients of one application, by their caller."""

    def __init__(self, app: Flask) -> None:
        self.app = app

    def anonymous(self, **headers: str) -> Api:
        return Api(self.app.test_client(), headers)

    def bearer(self, token: str) -> Api:
        return self.anonymous(Authorization=f"Bearer {token}")

    def user(self, user_id: str) -> Api:
        return self.bearer(make_token(user_id))

    def agent(self, agent_id: str) -> Api:
        return self.bearer(make_token(agent_id, "agent"))

    def operator(self) -> Api:
        return self.anonymous(**{"X-API-Key": API_KEY})


def data_of(response: TestResponse) -> dict[str, Any]:
    """Return the data of a success envelope."""
    body = response.json
    assert body is not None
    assert body["success"] is True, body
    data: dict[str, Any] = body["data"]
    return data


def assert_failure(response: TestResponse, status: int, code: str) -> dict[str, Any]:
    """Check the whole failure envelope, and return it."""
    body: dict[str, Any] = response.json or {}
    assert (response.status_code, body.get("code")) == (status, code), body
    assert body["success"] is False
    assert isinstance(body["message"], str)
    assert body["message"]
    assert body["requestId"] == response.headers["X-Request-ID"]
    return body
