"""Secrets are never written to the log."""

from __future__ import annotations

import json
import logging
import sys
from typing import Any

import pytest

from chatsupport.observability.logs.formatters import JsonFormatter

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ1MSJ9.dBjftJeZ4CVP-mB92K27uhbUJU1p1r"


def written(message: str, **extra: Any) -> Any:
    """Return the log line of a message with fields and the exception being handled."""
    error = sys.exc_info() if sys.exc_info()[0] else None
    record = logging.LogRecord("x", logging.INFO, "", 0, "%s", (message,), error)
    record.__dict__.update(extra)
    return json.loads(JsonFormatter().format(record))


@pytest.mark.parametrize(
    "key", ["token", "Authorization", "apiKey", "x-api-key", "X_API_KEY", "password", "secret", "jwt_secret", "text"]
)
def test_values_under_telling_keys_are_masked(key: str) -> None:
    line = written("x", **{key: "hunter2", "nested": [{key: ["hunter2"]}]})

    assert line[key] == "***"
    assert "hunter2" not in json.dumps(line)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (JWT, "***"),
        (f"Authorization: Bearer {JWT}", "Authorization: ***"),
        ("authorization=Basic aHVudGVyMg==", "authorization=***"),
        ("X-API-Key: hunter2, more", "X-API-Key: ***, more"),
        ('{"token": "hunter2", "a": 1}', '{"token": "***", "a": 1}'),
        ("{'apiKey': 'hunter2'}", "{'apiKey': '***'}"),
        ("?token=hunter2&x=1", "?token=***&x=1"),
        ("JWT_SECRET=hunter2", "JWT_SECRET=***"),
        ("mongodb://u:hunter2@h/db and redis://:hunter2@h", "mongodb://u:***@h/db and redis://:***@h"),
        ("mongodb+srv://u:hun%40ter2@h", "mongodb+srv://u:***@h"),
        ("https://example.com:8080/a?b", "https://example.com:8080/a?b"),
        ("The token is too old", "The token is too old"),
        ("12:30:01 user:u1 a=b", "12:30:01 user:u1 a=b"),
    ],
)
def test_secrets_in_texts_are_masked(text: str, left: str) -> None:
    try:
        raise ValueError(text)
    except ValueError:
        line = written(text, detail=text)

    assert line["message"] == line["detail"] == left
    assert line["exception"].endswith(f"ValueError: {left}")
