"""Routes are remembered by their paths, and found as if they were not."""

from __future__ import annotations

import pytest
from flask import Flask

from chatsupport import factory
from tests.api import Api, assert_failure

PATH = "/api/chat/session/{}"


def test_a_remembered_path_has_its_own_methods_and_parts(app: Flask, user: Api) -> None:
    mine = user.start("u1")["sessionId"]
    for _ in range(2):
        assert user.client.get(PATH.format(mine), headers=user.headers).json["data"]["id"] == mine
        assert_failure(user.client.get(PATH.format("0" * 24), headers=user.headers), 404, "SESSION_NOT_FOUND")
        assert_failure(user.client.delete(PATH.format(mine), headers=user.headers), 405, "METHOD_NOT_ALLOWED")
        head = user.client.head(PATH.format(mine), headers=user.headers)
        assert (head.status_code, head.data, bool(head.content_length)) == (200, b"", True)
        assert_failure(user.client.get(PATH.format(mine) + "/x", headers=user.headers), 404, "NOT_FOUND")


def test_only_some_paths_are_remembered(app: Flask, user: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(factory._Routes, "MOST", 3)
    for number in range(10):
        for path in (PATH.format(number), PATH.format("a" * 200), f"/{number}"):
            user.client.get(path, headers=user.headers)
    known = vars(app.url_map)["known_routes"]
    assert 0 < len(known) <= 3
    assert all(path.startswith("/api/chat/session/") and len(path) < 50 for _, path in known)
