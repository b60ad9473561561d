"""Which connections are refused before they begin."""

from __future__ import annotations

import json

import pytest

from chatsupport.services.messages import message_log
from chatsupport.services.messages.message_log import MessageLog
from chatsupport.sockets import hooks


def test_a_process_that_leaves_takes_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    log = MessageLog()
    log.close()
    monkeypatch.setattr(message_log, "log", log)
    refusal = hooks._refuse({"REMOTE_ADDR": "192.0.2.1"})

    assert refusal is not None
    status, headers, body = refusal
    assert status == "503 SERVICE UNAVAILABLE"
    assert dict(headers)["Retry-After"] == "5"
    assert json.loads(body)["code"] == "DATABASE_UNAVAILABLE"
