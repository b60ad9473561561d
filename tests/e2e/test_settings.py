"""Settings in two server processes: the other one soon goes by them, whether or not it was told."""

from __future__ import annotations

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
    with urllib.request.urlopen(f"{server.url}/widget.js", timeout=60) as answer:
        return str(answer.read())


def test_another_process_follows_though_nobody_can_tell_it(servers: Servers) -> None:
    here = servers.start()
    there = servers.start(MONGODB_DB=here.database)
    for server in (here, there):
        loader(server)  # The first one reads all files, which takes a moment.

    set_title(here, "First")
    assert "First" in loader(here)
    wait_until(lambda: "First" in loader(there))
    assert not there.anonymous().get("/api/chat/availability").data["isOpen"]

    # It may be killed before it has told anybody anything.
    set_title(here, "Second")
    here.kill()
    wait_until(lambda: "Second" in loader(there))

    here.start()
    assert "Second" in loader(here)
