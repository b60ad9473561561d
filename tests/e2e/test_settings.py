"""Settings in two server processes: the other one goes by them within a second, whether or not it was told."""

from __future__ import annotations

import time
import urllib.request

import pytest

from tests.e2e.server import Server, Servers, wait_until

pytestmark = pytest.mark.features("settings")


NEVER = {"timeZone": "UTC", "weekly": {}, "exceptions": []}


def set_title(server: Server, title: str) -> None:
    """Change the title of the chat bubble, and close the chat."""
    operator = server.operator()
    settings = {**operator.get("/api/settings").data, "hours": NEVER}
    settings["widget"]["title"] = title
    assert operator.request("PUT", "/api/settings", settings).status == 200


def loader(server: Server) -> str:
    with urllib.request.urlopen(f"{server.url}/widget.js", timeout=5) as answer:
        return str(answer.read())


def test_another_process_follows_within_a_second_though_nobody_can_tell_it(servers: Servers) -> None:
    here = servers.start()
    there = servers.start(MONGODB_DB=here.database)
    for server in (here, there):
        loader(server)  # The first one reads all files, which takes a moment.

    set_title(here, "First")
    answered_at = time.monotonic()
    assert "First" in loader(here)
    wait_until(lambda: "First" in loader(there))
    assert time.monotonic() - answered_at < 1
    assert not there.anonymous().get("/api/chat/availability").data["isOpen"]

    # It may be killed before it has told anybody anything.
    set_title(here, "Second")
    here.kill()
    killed_at = time.monotonic()
    wait_until(lambda: "Second" in loader(there))
    assert time.monotonic() - killed_at < 1

    here.start()
    assert "Second" in loader(here)
